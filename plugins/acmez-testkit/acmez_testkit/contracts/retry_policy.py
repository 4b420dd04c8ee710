"""What a retry policy has to keep: sane pauses, and an end."""

from __future__ import annotations

import math
import pickle
from typing import TypeVar

import pytest

from acmez.acme.errors import ConnectError
from acmez.acme.retry import Failure, FailureKind, RetryPolicy
from acmez.kinds import RETRY_POLICY

from .component import ComponentContract
from .expecting import at_once, require

T = TypeVar("T", bound=RetryPolicy)

KINDS = list(FailureKind)
MOST_TRIES = 1000
THREADS = 32


class RetryPolicyContract(ComponentContract[T]):
    """The rules for a retry policy; write `make`."""

    kind = RETRY_POLICY

    @pytest.mark.parametrize("failure", KINDS)
    def test_it_says_a_number_of_seconds_or_none(self, failure: FailureKind) -> None:
        policy = self.make()
        for attempt in (1, 2, 3, 10, 100, 10_000):
            for asked in (None, 0.0, 1.5, 86_400.0):
                _require_delay(policy.next_delay(_failure(failure, attempt, 0.1 * attempt, asked)))

    @pytest.mark.parametrize("failure", KINDS)
    def test_it_gives_up_at_last(self, failure: FailureKind) -> None:
        policy = self.make()
        elapsed = 0.0
        for attempt in range(1, MOST_TRIES + 1):
            delay = policy.next_delay(_failure(failure, attempt, elapsed, None))
            if delay is None:
                return
            elapsed += delay
        raise AssertionError(
            f"next_delay was not None for {failure.value!r} after {MOST_TRIES} tries: give up some time"
        )

    @pytest.mark.parametrize("asked", [0.5, 5.0, 86_400.0])
    @pytest.mark.parametrize("failure", KINDS)
    def test_it_waits_as_long_as_the_server_asks_or_gives_up(self, failure: FailureKind, asked: float) -> None:
        if failure is FailureKind.BAD_NONCE:  # a new nonce is all that it takes
            return
        delay = self.make().next_delay(_failure(failure, 1, 0.1, asked))
        require(
            delay is None or delay >= asked,
            f"next_delay was {delay!r} for {failure.value!r} although the server asked for {asked:g} s (retry_after)",
        )

    @pytest.mark.parametrize("failure", KINDS)
    def test_it_remembers_nothing(self, failure: FailureKind) -> None:
        policy, fresh = self.make(), self.make()
        for attempt in range(1, 50):
            policy.next_delay(_failure(failure, attempt, 1.0 * attempt, None))
        first = _failure(failure, 1, 0.1, None)
        require(
            (policy.next_delay(first) is None) == (fresh.next_delay(first) is None),
            f"the verdict on a first {failure.value!r} depends on earlier failures: one policy serves many requests",
        )

    def test_it_can_be_pickled(self) -> None:
        policy = self.make()
        first = _failure(FailureKind.CONNECT, 1, 0.1, None)
        try:
            again = pickle.loads(pickle.dumps(policy))  # noqa: S301 - our own bytes
        except Exception as error:
            raise AssertionError(
                f"the policy cannot be pickled, as clients in other processes need it: {error}"
            ) from error
        require(type(again) is type(policy), f"pickled, the policy becomes {again!r}")
        _require_delay(again.next_delay(first))

    def test_many_threads_can_use_it_at_once(self) -> None:
        policy = self.make()
        for delay in at_once(
            THREADS, "next_delay", lambda number: policy.next_delay(_failure(KINDS[number % len(KINDS)], 1, 0.1, None))
        ):
            _require_delay(delay)


def _failure(kind: FailureKind, attempt: int, elapsed: float, asked: float | None) -> Failure:
    error = ConnectError("connection refused", method="GET", url="https://ca.example/directory")
    return Failure(kind, "newOrder", attempt, attempt, elapsed, None, asked, error)


def _require_delay(delay: object) -> None:
    right = delay is None or (
        isinstance(delay, int | float) and not isinstance(delay, bool) and math.isfinite(delay) and delay >= 0
    )
    require(right, f"next_delay returned {delay!r}: return seconds, at least 0 and finite, or None")
