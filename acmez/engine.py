"""What all orders of one client share."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from .acme.certificate import Chain
from .acme.challenge import Challenge
from .acme.client import Client as AcmeClient
from .acme.identifier import Identifier
from .acme.polling import Polling
from .acme.retry import settle
from .acme.scope import CancelScope
from .errors import TryAgainLater
from .events import Event
from .guards import Guards
from .routing import Route

if TYPE_CHECKING:
    from .journal import Journal
    from .plugins import PluginManager

T = TypeVar("T")

log = logging.getLogger("acmez")


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
class Engine:
    """Settings and shared state for the orders of one client.

    Attributes:
        acme: the plumbing.
        routes: the solvers, in the user's order.
        journal: where every step is written down; `None`: nowhere.
        preferred_challenges: challenge types that the user wants first.
        parallelism: how many requests and solver calls at once, per order.
        polling: when to look again.
        cleanup_timeout: seconds that cleaning up may take, whatever happened before.
        max_orders: how many orders one certificate may take, counting those that failed.
    """

    acme: AcmeClient
    routes: tuple[Route, ...]
    plugins: PluginManager | None = None
    journal: Journal | None = None
    on_event: Callable[[Event], None] | None = None
    preferred_challenges: tuple[str, ...] = ()
    parallelism: int = 10
    polling: Polling = field(default_factory=Polling)
    cleanup_timeout: float = 30.0
    max_orders: int = 5
    guards: Guards = field(default_factory=Guards)
    experience: Experience = field(default_factory=Experience)
    _emitting: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def watched(self) -> bool:
        """Whether anybody wants events."""
        return self.on_event is not None or (self.plugins is not None and self.plugins.hooks_active("acmez_event"))

    @property
    def chooses_chains(self) -> bool:
        """Whether a plugin wants to see every chain."""
        return self.plugins is not None and self.plugins.hooks_active("acmez_choose_chain")

    def emit(self, event: Event) -> None:
        """Tell who watches, one event at a time; an observer that fails is logged and changes nothing."""
        if not self.watched:
            return
        with self._emitting:
            if self.plugins is not None:
                self.plugins.emit(event)
            if self.on_event is not None:
                try:
                    self.on_event(event)
                except Exception:
                    log.exception("on_event failed on %s", event.name)

    def pause(self, looks: int, asked: float | None, order_url: str) -> float:
        """Return the seconds until the next look at an order, given its Retry-After.

        Raises:
            TryAgainLater: the CA asks for more than the cap.
        """
        if asked is not None and asked > self.polling.max_retry_after:
            not_before = datetime.now(UTC) + timedelta(seconds=min(asked, 366 * 86400.0))
            raise TryAgainLater(
                f"{order_url}: the CA asks to come back in {asked:.0f} s", not_before=not_before, order_url=order_url
            )
        return self.polling.pause(looks, asked)

    def settle(self, send: Callable[[], T], look: Callable[[], T | None], operation: str, scope: CancelScope) -> T:
        """Send what must not be acted on twice: again only if *look*, which reads it back, finds nothing."""
        return settle(send, look, policy=self.acme.session.retry, operation=operation, scope=scope)

    def choose_challenge(self, identifier: Identifier, challenges: Sequence[Challenge]) -> Challenge | None:
        """Ask the plugins which challenge to try next."""
        if self.plugins is None or not challenges:
            return None
        return self.plugins.choose_challenge(identifier, challenges)

    def choose_chain(self, chains: Sequence[Chain]) -> Chain | None:
        """Ask the plugins which chain to take."""
        return None if self.plugins is None else self.plugins.choose_chain(chains)


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
