"""One identifier of an order, and the ways to prove it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from .acme.authorization import FINAL, Authorization
from .acme.challenge import Challenge, ChallengeStatus
from .acme.errors import AcmeError
from .acme.problem import Problem, printable
from .choosing import Candidate
from .errors import FailedIdentifier

_SHORTEST_TOKEN = 8  # RFC 8555 §8 has 22; cutting out a single letter would leave nothing legible


class StepFailed(Exception):
    """One way to prove an identifier failed; there may be another."""

    def __init__(self, step: str, reason: str, problem: Problem | None = None) -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.problem = problem


class About(TypedDict):
    """The fields of a `ChallengeEvent`."""

    order: str
    identifier: str
    challenge_type: str
    solver: str


@dataclass
class Subject:
    """One identifier on its way to being authorized.

    Attributes:
        ways: further ways to prove it, best first.
        way: the one that is tried, or was tried last; `None`: none could be.
        claimed: whether an answer of it may have to be cleaned up.
        presented: whether the answer is visible.
        step: "present", "wait", "respond" or "validate", while it is at that; else "".
        lost: whether it cannot be proved any more in this order.
        stale: whether that is so because the CA offered an authorization that was final already.
    """

    authorization: Authorization
    ways: Iterator[Candidate] = field(default_factory=lambda: iter(()))
    way: Candidate | None = None
    claimed: bool = False
    presented: bool = False
    step: str = ""
    lost: bool = False
    stale: bool = False
    failures: list[FailedIdentifier] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.authorization.name

    @property
    def current(self) -> Candidate:
        """The way that is being tried."""
        if self.way is None:
            raise AssertionError(f"{self.name}: no way was chosen")
        return self.way

    @property
    def doing(self) -> str:
        """What is being waited for, as `FailedIdentifier` puts it."""
        way = self.current
        return f"{self.name}: {self.step} by {way.challenge.type} with {way.route.label!r}"

    def about(self, order: str) -> About:
        """Return what every event about the way that is being tried tells."""
        way = self.current
        return {
            "order": order,
            "identifier": self.name,
            "challenge_type": way.challenge.type,
            "solver": way.route.label,
        }

    def advance(self) -> None:
        """Go on to the next way; without one the identifier is lost in this order."""
        way = next(self.ways, None)
        if way is None:
            self.lost = True
        else:
            self.way = way


def batches(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """Group what one solver takes in one call; the others stay alone."""
    groups: dict[int, list[Subject]] = {}
    for subject in subjects:
        route = subject.current.route
        together = route.batching is not None
        groups.setdefault(id(route) if together else id(subject), []).append(subject)
    return list(groups.values())


def failure_of(authorization: Authorization, challenge: Challenge) -> Problem | None:
    """What the CA did not like about *challenge*, also while it keeps the authorization pending."""
    now = next((c for c in authorization.challenges if c.url == challenge.url), None)
    if now is not None and now.error is not None and now.status != ChallengeStatus.PROCESSING:
        return now.error
    return authorization.problem if authorization.status in FINAL else None


def reason_of(exc: BaseException, challenges: Iterable[Challenge]) -> str:
    """Put an exception of a plugin into words that are safe to print.

    Args:
        challenges: what it was about; their tokens and key authorizations are cut out.
    """
    text = str(exc) or type(exc).__name__
    text = text if isinstance(exc, AcmeError | OSError) else f"{type(exc).__name__}: {text}"
    for challenge in challenges:
        token = challenge.token or ""
        if len(token) >= _SHORTEST_TOKEN:
            text = text.replace(f"{token}.{challenge.thumbprint}", "<key authorization>").replace(token, "<token>")
    return printable(text)
