"""A good retry policy keeps the contract; for each rule there is one that breaks it, and is caught."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from acmez_testkit.contracts import RetryPolicyContract

from acmez import hookimpl
from acmez.acme.retry import Failure, FailureKind
from acmez.protocols import RetryPolicy


@dataclass(frozen=True)
class GoodPolicy:
    """Tries a number of times, with the same pause.

    Attributes:
        attempts: how often.
    """

    name: ClassVar[str] = "steady"

    attempts: int = 3

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts: must be at least 1")

    def next_delay(self, failure: Failure) -> float | None:
        return None if failure.attempt >= self.attempts else max(1.0, failure.retry_after or 0.0)


class Offering:
    """A plugin with one retry policy."""

    def __init__(self, policy: type[RetryPolicy]) -> None:
        self.policy = policy

    @hookimpl
    def acmez_retry_policies(self) -> Iterator[type[RetryPolicy]]:
        yield self.policy


class Offered(RetryPolicyContract[Any]):
    """The contract for retry policies in this module."""

    component: type[Any] = GoodPolicy

    @property
    def plugin(self) -> object:  # type: ignore[override]
        return Offering(self.component)

    def make(self) -> Any:
        return self.component()


class TestGoodPolicy(Offered):
    pass


class Forever(GoodPolicy):
    def next_delay(self, failure: Failure) -> float | None:
        return failure.retry_after or 0.0


class Negative(GoodPolicy):
    def next_delay(self, failure: Failure) -> float | None:
        return 5.0 - failure.attempt


class Infinite(GoodPolicy):
    def next_delay(self, failure: Failure) -> float | None:
        return math.inf


class Truth(GoodPolicy):
    def next_delay(self, failure: Failure) -> float | None:
        return True


class Impatient(GoodPolicy):
    def next_delay(self, failure: Failure) -> float | None:
        return None if failure.attempt > 3 else 1.0


class Counts(GoodPolicy):
    tries = 0

    def next_delay(self, failure: Failure) -> float | None:
        object.__setattr__(self, "tries", self.tries + 1)
        return None if self.tries > 3 else 1.0


class Locked(GoodPolicy):
    def __post_init__(self) -> None:
        object.__setattr__(self, "lock", threading.Lock())


class Alone(GoodPolicy):
    def __post_init__(self) -> None:
        object.__setattr__(self, "owner", threading.get_ident())

    def next_delay(self, failure: Failure) -> float | None:
        if threading.get_ident() != vars(self)["owner"]:
            raise RuntimeError("another thread")
        return None


BROKEN: Sequence[tuple[str, type[Any], str]] = [
    ("it_says_a_number_of_seconds_or_none", Negative, "returned -5.0: return seconds"),
    ("it_says_a_number_of_seconds_or_none", Infinite, "returned inf: return seconds"),
    ("it_says_a_number_of_seconds_or_none", Truth, "returned True: return seconds"),
    ("it_gives_up_at_last", Forever, "'connect' after 1000 tries"),
    ("it_waits_as_long_as_the_server_asks_or_gives_up", Impatient, "although the server asked for 5 s"),
    ("it_remembers_nothing", Counts, "depends on earlier failures"),
    ("it_can_be_pickled", Locked, "cannot be pickled"),
    ("many_threads_can_use_it_at_once", Alone, "raised RuntimeError: another thread"),
]


@pytest.mark.parametrize(
    ("rule", "component", "message"), [pytest.param(*each, id=f"{each[0]}-{each[1].__name__}") for each in BROKEN]
)
def test_a_policy_that_breaks_a_rule_is_caught(rule: str, component: type[Any], message: str):
    suite = type("Contract", (Offered,), {"component": component})()
    check = getattr(suite, f"test_{rule}")
    given = {"failure": FailureKind.CONNECT, "asked": 5.0}
    with pytest.raises(AssertionError, match=message):
        check(**{name: given[name] for name in inspect.signature(check).parameters})


def test_every_rule_for_retry_policies_is_broken_by_somebody():
    own = {name.removeprefix("test_") for name in vars(RetryPolicyContract) if name.startswith("test_")}
    assert {rule for rule, _, _ in BROKEN} == own
