"""When to repeat a request that failed."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeVar

from .errors import AcmeError, ConnectError, MalformedAnswer, Stage, TransportError
from .problem import ErrorType, ProblemError
from .scope import CancelScope

T = TypeVar("T")

_FIRST_LOOK = 0.1  # seconds between looks at what a slow server may have done, at first


class FailureKind(StrEnum):
    """What went wrong with one try of a request."""

    BAD_NONCE = "bad-nonce"
    CONNECT = "connect"  # nothing was sent
    SEND = "send"  # the request was not sent whole: the server cannot have acted
    LOST_ANSWER = "lost-answer"  # the server may have acted
    TIMEOUT = "timeout"  # at whatever stage, which `error.stage` tells
    SERVER_ERROR = "server-error"  # 5xx
    RATE_LIMITED = "rate-limited"  # 429 or 503
    CONFLICT = "conflict"  # 409: it collided with another request
    MALFORMED = "malformed"  # an answer that RFC 8555 does not allow


_STAGES = {
    Stage.CONNECT: FailureKind.CONNECT,
    Stage.SEND: FailureKind.SEND,
    Stage.ANSWER: FailureKind.LOST_ANSWER,
}

# 409 as well, and as true the next time (RFC 9773 §5, RFC 8555 §7.6).
_LASTING_CONFLICTS = {ErrorType.ALREADY_REPLACED, ErrorType.ALREADY_REVOKED}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed try that may be repeated.

    Attributes:
        kind: what went wrong.
        operation: the request in the RFC's words ("newOrder", "finalize", ...).
        attempt: 1 for the first try.
        alike: how many tries have failed in this way, this one included.
        elapsed: seconds since the first try began.
        remaining: seconds left of the caller's budget, which is its scope; `None` without a deadline.
        retry_after: seconds that the server asked to wait, `None` if it did not.
        error: the exception that would be raised.
    """

    kind: FailureKind
    operation: str
    attempt: int
    alike: int
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
    Every kind of failure is counted, and makes the pauses grow, by itself; the budget bounds them all together.

    Attributes:
        attempts: give up after so many tries that failed in one way.
        nonce_attempts: the same for nonces that the server did not take, which cost no waiting.
        conflict_attempts: the same for requests that collided with another one; what still does is no accident.
        first_delay: seconds, the upper bound of the first pause; it doubles with every try.
        max_delay: seconds, the upper bound of every pause.
        budget: seconds after the first try beyond which nothing is tried again.
        max_retry_after: seconds; a server that asks for more gets no second try.
    """

    name: ClassVar[str] = "default"

    attempts: int = 8
    nonce_attempts: int = 200  # a server that rejects nine of ten at random gets its request all the same
    conflict_attempts: int = 3
    first_delay: float = 0.25
    max_delay: float = 15.0
    budget: float = 90.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        if min(self.attempts, self.nonce_attempts, self.conflict_attempts) < 1:
            raise ValueError("attempts, nonce_attempts and conflict_attempts must be at least 1")

    def next_delay(self, failure: Failure) -> float | None:
        if failure.kind is FailureKind.BAD_NONCE:
            return 0.0 if failure.alike < self.nonce_attempts and failure.elapsed <= self.budget else None
        if failure.alike >= (self.conflict_attempts if failure.kind is FailureKind.CONFLICT else self.attempts):
            return None
        if failure.retry_after is not None and failure.retry_after > self.max_retry_after:
            return None
        ceiling = min(self.max_delay, self.first_delay * 2 ** (failure.alike - 1))
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
    tries = _Tries(policy, operation, scope)
    while True:
        scope.check()
        try:
            return work(tries.failed + 1)
        except AcmeError as exc:
            kind = failure_kind(exc, repeatable=repeatable)
            delay = None if kind is None else tries.next_delay(kind, exc)
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

    It is sent again only if *look* finds nothing, and as often as *policy* allows. A server that was too slow to answer
    may act yet: it is given as long again. A conflict leaves nothing open.

    Args:
        send: sends what must not be acted on twice.
        look: reads the resource back; `None`: the server has not acted.
    """
    tries = _Tries(policy, operation, scope)
    while True:
        sent = time.monotonic()
        try:
            return send()
        except AcmeError as exc:
            kind = failure_kind(exc, repeatable=True)
            settled = kind is FailureKind.CONFLICT or failure_kind(exc, repeatable=False) is not None
            if kind is None or settled:
                raise
            delay = tries.next_delay(kind, exc)
            if delay is None:
                found = look()
                if found is None:
                    raise
                return found
            failed = time.monotonic()
            until = failed + (failed - sent if _was_slow(exc) else 0.0)
        found = _look_out(look, delay, until, scope)
        if found is not None:
            return found


def _was_slow(error: AcmeError) -> bool:
    """Whether somebody on the way lost patience while the server may still be at it."""
    match error:
        case TransportError():
            return error.timed_out
        case ProblemError():
            return error.status == 504
        case _:
            return False


def _look_out(look: Callable[[], T | None], pause: float, until: float, scope: CancelScope) -> T | None:
    """Look after *pause* seconds, and again after longer and longer ones up to *until* on the monotonic clock."""
    while True:
        scope.sleep(pause)
        found = look()
        left = until - time.monotonic()
        if found is not None or left <= 0:
            return found
        pause = min(left, max(2 * pause, _FIRST_LOOK))


class _Tries:
    """The tries of one request, as the policy is told of them."""

    def __init__(self, policy: RetryPolicy, operation: str, scope: CancelScope) -> None:
        self._policy = policy
        self._operation = operation
        self._scope = scope
        self._began = time.monotonic()
        self._kinds: Counter[FailureKind] = Counter()

    @property
    def failed(self) -> int:
        return self._kinds.total()

    def next_delay(self, kind: FailureKind, error: AcmeError) -> float | None:
        """Return the seconds to wait before the next try, `None` if there is none within the scope."""
        self._kinds[kind] += 1
        remaining = self._scope.remaining()
        failure = Failure(
            kind=kind,
            operation=self._operation,
            attempt=self.failed,
            alike=self._kinds[kind],
            elapsed=time.monotonic() - self._began,
            remaining=remaining,
            retry_after=error.retry_after if isinstance(error, ProblemError) else None,
            error=error,
        )
        delay = _asked(self._policy, failure)
        return None if delay is None or (remaining is not None and delay >= remaining) else delay


def _asked(policy: RetryPolicy, failure: Failure) -> float | None:
    """Ask the policy, which may be a plugin's: one that fails, or says nonsense, has given up."""
    try:
        delay: object = policy.next_delay(failure)
    except Exception as exc:  # noqa: BLE001 - what failed before is what the caller has to know
        failure.error.add_note(f"the retry policy raised {type(exc).__name__}: {exc}")
        return None
    if delay is None or (isinstance(delay, int | float) and 0 <= delay < math.inf):
        return delay
    failure.error.add_note(f"the retry policy returned {delay!r}, which is no number of seconds")
    return None


def failure_kind(error: AcmeError, *, repeatable: bool) -> FailureKind | None:
    """Say what kind of failure may be tried again; `None`: it must not be."""
    match error:
        case TransportError() if repeatable or isinstance(error, ConnectError):
            return FailureKind.TIMEOUT if error.timed_out else _STAGES[error.stage]
        case MalformedAnswer() if repeatable or not error.acted:
            return FailureKind.MALFORMED
        case ProblemError():
            return _kind_of_problem(error, repeatable=repeatable)
        case _:
            return None


def _kind_of_problem(error: ProblemError, *, repeatable: bool) -> FailureKind | None:
    kind = error.problem.type
    match error.status:
        case _ if kind == ErrorType.BAD_NONCE:
            return FailureKind.BAD_NONCE
        case 429 if kind == ErrorType.RATE_LIMITED and error.retry_after is None:
            # A CA's limits last for minutes to days, and a paused account for ever; only a load
            # balancer's are over soon without saying when.
            return None
        case 429 | 503:
            return FailureKind.RATE_LIMITED
        case 409 if repeatable and kind not in _LASTING_CONFLICTS:
            return FailureKind.CONFLICT
        case status if status >= 500 and status != 501 and (repeatable or error.method != "POST"):
            return FailureKind.SERVER_ERROR
        case _:
            return None
