"""Which challenge to try by which solver: the ways to prove an identifier, best first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .acme.challenge import Challenge
from .acme.identifier import Identifier
from .routing import Route

if TYPE_CHECKING:
    from .engine import Engine


class Experience:
    """Which challenge types worked for this client; the better ones are tried first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worked: Counter[str] = Counter()
        self._tried: Counter[str] = Counter()

    def note(self, challenge_type: str, *, worked: bool) -> None:
        """Count one validation."""
        with self._lock:
            self._tried[challenge_type] += 1
            self._worked[challenge_type] += worked

    def rate(self, challenge_type: str) -> float:
        """Return the share of successes; a type that was never tried stands between good and bad."""
        with self._lock:
            return (self._worked[challenge_type] + 1) / (self._tried[challenge_type] + 2)


@dataclass(frozen=True)
class Candidate:
    """One way to prove one identifier: a challenge and who answers it."""

    challenge: Challenge
    route: Route

    @property
    def key(self) -> tuple[str, int]:
        """What tells this way from the others, in every order."""
        return self.challenge.type, id(self.route)


def candidates(
    engine: Engine,
    identifier: Identifier,
    challenges: Sequence[Challenge],
    *,
    wildcard: bool,
    tried: Collection[tuple[str, int]] = (),
) -> list[Candidate]:
    """Return the ways to prove *identifier* that were not tried, best first.

    A plugin's choice comes first, then the user's order of challenge types, then solvers that name the
    identifier before those for every name, then what worked before, then the order of the solvers.
    """
    wishes = engine.preferred_challenges

    def order(candidate: Candidate) -> tuple[int, bool, float]:
        kind = candidate.challenge.type
        wish = wishes.index(kind) if kind in wishes else len(wishes)
        return wish, not candidate.route.domains, -engine.experience.rate(kind)

    found = [
        Candidate(challenge, route)
        for route in engine.routes
        if route.matches(identifier, wildcard=wildcard)
        for kind in route.challenge_types
        for challenge in challenges
        if challenge.type == kind
    ]
    left = sorted((candidate for candidate in found if candidate.key not in tried), key=order)
    chosen = engine.choose_challenge(identifier, list(dict.fromkeys(candidate.challenge for candidate in left)))
    return sorted(left, key=lambda candidate: candidate.challenge != chosen)
