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
    """Exponential back-off with full jitter; what a server asks for wins, up to a cap.

    Attributes:
        attempts: give up after so many tries.
        nonce_attempts: the same for nonces that the server did not take, which cost no waiting.
        first_delay: seconds, the upper bound of the first pause; it doubles with every try.
        max_delay: seconds, the upper bound of every pause.
        budget: seconds after the first try beyond which nothing is tried again.
        max_retry_after: seconds; a server that asks for more gets no second try.
    """

    name: ClassVar[str] = "default"

    attempts: int = 6
    nonce_attempts: int = 20
    first_delay: float = 0.25
    max_delay: float = 15.0
    budget: float = 90.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.nonce_attempts < 1:
            raise ValueError("attempts and nonce_attempts must be at least 1")

    def next_delay(self, failure: Failure) -> float | None:
        if failure.kind is FailureKind.BAD_NONCE:
            return 0.0 if failure.attempt < self.nonce_attempts else None
        if failure.attempt >= self.attempts:
            return None
        if failure.retry_after is not None and failure.retry_after > self.max_retry_after:
            return None
        ceiling = min(self.max_delay, self.first_delay * 2 ** (failure.attempt - 1))
        delay = random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards nothing
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
            if kind is None:
                raise
            asked = exc.retry_after if isinstance(exc, ProblemError) else None
            remaining = scope.remaining()
            elapsed = time.monotonic() - began
            delay = policy.next_delay(Failure(kind, operation, number, elapsed, remaining, asked, exc))
            if delay is None or (remaining is not None and delay >= remaining):
                raise
        if delay > 0:
            scope.sleep(delay)


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
        case MalformedAnswer() if repeatable:
            return FailureKind.MALFORMED
        case _:
            return None
