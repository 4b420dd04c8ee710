"""A good waiter keeps the contract; for each rule there is one that breaks it, and is caught."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from acmez_testkit.contracts import WaiterContract
from acmez_testkit.contracts import waiter as waiter_module

from acmez import AcmezError, Cancelled, Secret, hookimpl
from acmez.protocols import CancelScope, Challenge, Waiter

VISIBLE: set[str] = set()


@dataclass
class GoodWaiter:
    """Waits until a challenge is marked.

    Attributes:
        api_token: nobody needs it.
        timeout: seconds after which to give up.
    """

    name: ClassVar[str] = "good-propagation"

    api_token: Secret
    timeout: float = 60

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        scope.check()
        left = self.timeout
        while challenge.url not in VISIBLE:
            if left <= 0:
                raise AcmezError(f"{challenge.identifier}: not there after {self.timeout:g} s")
            scope.sleep(0.01)
            left -= 0.01


class Offering:
    """A plugin with one waiter."""

    def __init__(self, waiter: type[Waiter]) -> None:
        self.waiter = waiter

    @hookimpl
    def acmez_waiters(self) -> Iterator[type[Waiter]]:
        yield self.waiter


class Marked(WaiterContract[Any]):
    """The contract for waiters that wait for a mark."""

    component: type[Any] = GoodWaiter

    @property
    def plugin(self) -> object:  # type: ignore[override]
        return Offering(self.component)

    def make(self) -> Any:
        return self.component(Secret("not-a-real-token"))

    def make_failing(self) -> Any:
        return self.component(Secret("not-a-real-token"), timeout=0.05)

    def show(self, challenge: Challenge) -> None:
        VISIBLE.add(challenge.url)


class TestGoodWaiter(Marked):
    pass


class NeverSees(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        scope.sleep(3600)


class SeesAndFails(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        super().wait(challenge, scope)
        raise AcmezError("odd")


class SeesAtOnce(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        pass


class LooksBeforeTheScope(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        threading.Event().wait(0.1)
        if challenge.url not in VISIBLE and self.timeout > 1:
            threading.Event().wait(2)


class Swallows(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        try:
            super().wait(challenge, scope)
        except Cancelled:
            raise AcmezError("gave up") from None


class GivesUpWithTheScope(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        scope.cancel()
        scope.check()


class OneAtATime(GoodWaiter):
    busy: ClassVar[list[int]] = []

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        self.busy.append(1)
        scope.sleep(0.1)
        if len(self.busy) > 1:
            raise AcmezError("busy")


class RaisesTimeout(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        if self.timeout < 1:
            raise RuntimeError("timed out")
        super().wait(challenge, scope)


class Talks(GoodWaiter):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        logging.getLogger("talks").info("asking with %s", self.api_token)
        super().wait(challenge, scope)


BROKEN: Sequence[tuple[str, type[Any], str]] = [
    ("it_returns_once_the_answer_is_there", NeverSees, "wait did not see in 1 s that the answer is there"),
    (
        "it_returns_if_the_answer_was_there_before",
        SeesAndFails,
        "wait raised AcmezError although the answer is there: odd",
    ),
    ("it_does_not_begin_when_the_scope_has_ended", SeesAtOnce, "returned although the answer was never visible"),
    ("it_does_not_begin_when_the_scope_has_ended", LooksBeforeTheScope, "although its scope had ended before"),
    ("it_ends_when_the_scope_is_cancelled", SeesAtOnce, "did not wait for an answer that is not there"),
    ("it_ends_when_the_scope_is_cancelled", LooksBeforeTheScope, "still running 1 s after its scope was cancelled"),
    ("it_ends_when_the_scope_is_cancelled", Swallows, "raised AcmezError when its scope ended, not Cancelled"),
    ("it_ends_at_the_deadline_of_the_scope", LooksBeforeTheScope, "still running 1 s after the deadline"),
    ("many_threads_can_use_it_at_once", OneAtATime, "wait raised AcmezError although the answer is there: busy"),
    ("a_failure_is_told_in_words", SeesAtOnce, "wait succeeded with the instance of make_failing"),
    ("a_failure_is_told_in_words", GivesUpWithTheScope, "give up before, and say why"),
    ("a_failure_is_told_in_words", RaisesTimeout, "wait raised RuntimeError: raise an error that descends"),
    ("nothing_secret_is_logged", Talks, "the log shows a secret"),
]


@pytest.mark.parametrize(
    ("rule", "waiter", "message"), [pytest.param(*each, id=f"{each[0]}-{each[1].__name__}") for each in BROKEN]
)
def test_a_waiter_that_breaks_a_rule_is_caught(
    rule: str, waiter: type[Any], message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiter_module, "PATIENCE", 1.0)
    suite: WaiterContract[Any] = type("Contract", (Marked,), {"component": waiter})()
    with pytest.raises(AssertionError, match=message):
        getattr(suite, f"test_{rule}")()


def test_every_rule_for_waiters_is_broken_by_somebody():
    own = {name.removeprefix("test_") for name in vars(WaiterContract) if name.startswith("test_")}
    assert {rule for rule, _, _ in BROKEN} == own


def test_what_cannot_be_shown_is_skipped_with_the_reason():
    class Blind(Marked):
        show = WaiterContract.show

    with pytest.raises(pytest.skip.Exception, match="Blind has no show"):
        Blind().test_it_returns_if_the_answer_was_there_before()
