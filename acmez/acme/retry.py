"""When to repeat a request that failed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeVar

from .errors import AcmeError, ConnectError, LostAnswer, MalformedAnswer
from .problem import ErrorType, ProblemError
from .scope import CancelScope

T = TypeVar("T")


class FailureKind(StrEnum):
    """What went wrong with one try of a request."""

    BAD_NONCE = "bad-nonce"
    CONNECT = "connect"  # the server cannot have acted
    LOST_ANSWER = "lost-answer"  # the server may have acted
    SERVER_ERROR = "server-error"  # 5xx
    RATE_LIMITED = "rate-limited"  # 429 or 503
    MALFORMED = "malformed"  # an answer that RFC 8555 does not allow


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed try that may be repeated.

    Attributes:
        kind: what went wrong.
        operation: the request in the RFC's words ("newOrder", "finalize", ...).
        attempt: 1 for the first try.
        elapsed: seconds since the first try began.
        remaining: seconds left in the caller's scope, `None` without a deadline.
        retry_after: seconds that the server asked to wait, `None` if it did not.
        error: the exception that would be raised.
    """

    kind: FailureKind
    operation: str
    attempt: int
    elapsed: float
    remaining: float | None
    retry_after: float | None
    error: AcmeError


class RetryPolicy(Protocol):
    """Decides whether a failed request is tried again."""

    name: ClassVar[str]

    def next_delay(self, failure: Failure) -> float | None:
        """Return the seconds to wait before the next try, `None` to give up."""
        ...


@dataclass(frozen=True)
class DefaultRetry:
    """Exponential back-off with jitter; what a server asks for wins, up to a cap.

    A server that is away for 15 seconds is always waited for: each pause is at least half of its upper bound.

    Attributes:
        attempts: give up after so many tries.
        nonce_attempts: the same for nonces that the server did not take, which cost no waiting.
        first_delay: seconds, the upper bound of the first pause; it doubles with every try.
        max_delay: seconds, the upper bound of every pause.
        budget: seconds after the first try beyond which nothing is tried again.
        max_retry_after: seconds; a server that asks for more gets no second try.
    """

    name: ClassVar[str] = "default"

    attempts: int = 8
    nonce_attempts: int = 200  # a server that rejects nine of ten at random gets its request all the same
    first_delay: float = 0.25
    max_delay: float = 15.0
    budget: float = 90.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.nonce_attempts < 1:
            raise ValueError("attempts and nonce_attempts must be at least 1")

    def next_delay(self, failure: Failure) -> float | None:
        if failure.kind is FailureKind.BAD_NONCE:
            return 0.0 if failure.attempt < self.nonce_attempts and failure.elapsed <= self.budget else None
        if failure.attempt >= self.attempts:
            return None
        if failure.retry_after is not None and failure.retry_after > self.max_retry_after:
            return None
        ceiling = min(self.max_delay, self.first_delay * 2 ** (failure.attempt - 1))
        delay = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
        delay = max(delay, failure.retry_after or 0.0)
        return delay if failure.elapsed + delay <= self.budget else None


def repeat(
    work: Callable[[int], T],
    *,
    policy: RetryPolicy,
    operation: str,
    scope: CancelScope,
    repeatable: bool,
) -> T:
    """Return what *work* returns, after as many tries as *policy* allows; it is given the try's number, from 1.

    Args:
        repeatable: whether to try again although the server may have acted on the POST.
    """
    began = time.monotonic()
    number = 0
    while True:
        number += 1
        scope.check()
        try:
            return work(number)
        except AcmeError as exc:
            kind = failure_kind(exc, repeatable=repeatable)
            delay = None if kind is None else _delay(policy, kind, operation, number, began, exc, scope)
            if delay is None:
                raise
        if delay > 0:
            scope.sleep(delay)


def settle(
    send: Callable[[], T],
    look: Callable[[], T | None],
    *,
    policy: RetryPolicy,
    operation: str,
    scope: CancelScope,
) -> T:
    """Return what *send* returns, or what *look* finds when a failure left open whether the server has acted.

    It is sent again only if *look* finds nothing, and as often as *policy* allows.

    Args:
        send: sends what must not be acted on twice.
        look: reads the resource back; `None`: the server has not acted.
    """
    began = time.monotonic()
    number = 0
    while True:
        number += 1
        try:
            return send()
        except AcmeError as exc:
            kind = failure_kind(exc, repeatable=True)
            if kind is None or failure_kind(exc, repeatable=False) is not None:
                raise
            delay = _delay(policy, kind, operation, number, began, exc, scope)
            if delay is None:
                found = look()
                if found is None:
                    raise
                return found
        scope.sleep(delay)
        found = look()
        if found is not None:
            return found


def _delay(
    policy: RetryPolicy,
    kind: FailureKind,
    operation: str,
    number: int,
    began: float,
    error: AcmeError,
    scope: CancelScope,
) -> float | None:
    """Return the seconds to wait before the next try, `None` if there is none within the scope."""
    asked = error.retry_after if isinstance(error, ProblemError) else None
    remaining = scope.remaining()
    delay = policy.next_delay(Failure(kind, operation, number, time.monotonic() - began, remaining, asked, error))
    return None if delay is None or (remaining is not None and delay >= remaining) else delay


def failure_kind(error: AcmeError, *, repeatable: bool) -> FailureKind | None:
    """Say what kind of failure may be tried again; `None`: it must not be."""
    match error:
        case ProblemError() if error.problem.type == ErrorType.BAD_NONCE:
            return FailureKind.BAD_NONCE
        case ProblemError(status=429) if error.problem.type == ErrorType.RATE_LIMITED and error.retry_after is None:
            # A CA's limits last for minutes to days, and a paused account for ever; only a load
            # balancer's are over soon without saying when.
            return None
        case ProblemError(status=429) | ProblemError(status=503):
            return FailureKind.RATE_LIMITED
        case ProblemError() if error.status >= 500 and error.status != 501 and (repeatable or error.method != "POST"):
            return FailureKind.SERVER_ERROR
        case ConnectError():
            return FailureKind.CONNECT
        case LostAnswer() if repeatable:
            return FailureKind.LOST_ANSWER
        case MalformedAnswer() if repeatable or not error.acted:
            return FailureKind.MALFORMED
        case _:
            return None
