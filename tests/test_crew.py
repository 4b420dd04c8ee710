"""Calls run side by side, and nobody waits for one that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from acmez.acme.errors import Cancelled, DeadlineExceeded
from acmez.acme.scope import CancelScope
from acmez.crew import Outcome, side_by_side


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """An event that calls can hang on; whoever still does is let go in the end."""
    event = threading.Event()
    yield event
    event.set()
    let_workers_end()


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("acmez-")]


def let_workers_end() -> None:
    for thread in workers():
        thread.join(10)
    assert workers() == []


def test_outcomes_come_in_the_order_of_the_items():
    turns = [threading.Event() for _ in range(4)]

    def call(number: int) -> int:
        if number < 3:
            turns[number + 1].wait()  # the last item is done first
        turns[number].set()
        return number * 10

    outcomes = side_by_side(call, range(4), limit=4, scope=CancelScope())
    assert [outcome.result() for outcome in outcomes] == [0, 10, 20, 30]


def test_no_items_need_no_threads_and_no_scope():
    scope = CancelScope()
    scope.cancel()
    assert side_by_side(print, [], limit=4, scope=scope) == []


def test_no_more_than_the_limit_run_at_once_and_no_fewer_if_there_are_items():
    together = threading.Barrier(3)
    lock = threading.Lock()
    running: list[int] = []
    most = 0

    def call(number: int) -> None:
        nonlocal most
        with lock:
            running.append(number)
            most = max(most, len(running))
        together.wait(10)
        with lock:
            running.remove(number)

    outcomes = side_by_side(call, range(9), limit=3, scope=CancelScope())
    assert [outcome.error for outcome in outcomes] == [None] * 9
    assert most == 3


def test_a_limit_above_the_number_of_items_starts_no_idle_threads():
    names: set[str] = set()
    side_by_side(lambda _: names.add(threading.current_thread().name), range(2), limit=50, scope=CancelScope())
    assert names <= {"acmez-0", "acmez-1"}


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_call_raises_is_its_outcome_and_no_other_ones(error: BaseException):
    def call(number: int) -> int:
        if number == 1:
            raise error
        return number

    outcomes = side_by_side(call, range(3), limit=2, scope=CancelScope())
    assert outcomes[0] == Outcome(0)
    assert outcomes[2] == Outcome(2)
    with pytest.raises(type(error)) as caught:
        outcomes[1].result()
    assert caught.value is error


def test_finished_calls_leave_no_thread():
    before = set(threading.enumerate())
    for _ in range(20):
        side_by_side(lambda number: number, range(5), limit=5, scope=CancelScope())
    let_workers_end()
    assert set(threading.enumerate()) <= before


# The scope ends


def test_nothing_starts_in_a_scope_that_has_ended():
    scope = CancelScope()
    scope.cancel("stopped by the user")
    started: list[int] = []
    outcomes = side_by_side(started.append, [1, 2], limit=2, scope=scope)
    assert started == []
    for outcome in outcomes:
        with pytest.raises(Cancelled, match="stopped by the user"):
            outcome.result()


def test_nobody_waits_for_a_call_that_hangs_when_the_scope_is_cancelled(hold: threading.Event):
    scope = CancelScope()

    def call(number: int) -> str:
        if number == 1:
            scope.cancel("enough")
            hold.wait()
        return "done"

    outcomes = side_by_side(call, range(3), limit=1, scope=scope)
    assert outcomes[0] == Outcome("done")
    assert not hold.is_set()
    for outcome in outcomes[1:]:
        assert isinstance(outcome.error, Cancelled)
        assert str(outcome.error) == "enough"


def test_nothing_new_starts_once_the_scope_is_cancelled_not_even_on_a_thread_that_was_left_behind(
    hold: threading.Event,
):
    scope = CancelScope()
    started: list[int] = []

    def call(number: int) -> None:
        started.append(number)
        scope.cancel()
        hold.wait()

    side_by_side(call, range(5), limit=1, scope=scope)
    hold.set()
    let_workers_end()
    assert started == [0]


def test_the_deadline_is_told_from_a_cancellation(hold: threading.Event):
    outcomes = side_by_side(lambda _: hold.wait(), range(2), limit=1, scope=CancelScope(0.02))
    assert [type(outcome.error) for outcome in outcomes] == [DeadlineExceeded, DeadlineExceeded]


def test_calls_that_end_when_the_scope_does_have_their_own_outcome():
    scope = CancelScope()
    asleep = threading.Barrier(3)

    def call(number: int) -> str:
        if number == 2:
            asleep.wait(10)
            scope.cancel()
            return "cancelled it"
        asleep.wait(10)
        with suppress(Cancelled):
            scope.sleep(60)
        return "cleaned up"

    outcomes = side_by_side(call, range(3), limit=3, scope=scope)
    assert [outcome.value for outcome in outcomes] == ["cleaned up", "cleaned up", "cancelled it"]


# Trouble in the caller's own thread


class Interrupted(CancelScope):
    """A scope in which waiting is interrupted as soon as a call has begun."""

    def __init__(self, began: threading.Event) -> None:
        super().__init__()
        self.began = began

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        self.began.wait(10)
        raise KeyboardInterrupt


class Hasty(CancelScope):
    """A scope that wakes too early, as clocks may have it."""

    hasty = True

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        if self.hasty:
            self.hasty = False
            return False
        return super().wait(event, timeout)


def test_nothing_new_starts_after_an_interrupt(hold: threading.Event):
    began = threading.Event()
    started: list[int] = []

    def call(number: int) -> None:
        started.append(number)
        began.set()
        hold.wait()

    with pytest.raises(KeyboardInterrupt):
        side_by_side(call, range(5), limit=1, scope=Interrupted(began))
    hold.set()
    let_workers_end()
    assert started == [0]


def test_waking_too_early_loses_no_outcome():
    outcomes = side_by_side(lambda number: number, range(3), limit=1, scope=Hasty())
    assert [outcome.result() for outcome in outcomes] == [0, 1, 2]


def threads_up_to(number: int) -> Callable[[threading.Thread], None]:
    start = threading.Thread.start
    left = iter(range(number))

    def limited(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    return limited


def test_fewer_threads_do_if_the_system_has_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threading.Thread, "start", threads_up_to(1))
    outcomes = side_by_side(lambda number: number, range(5), limit=5, scope=CancelScope())
    assert [outcome.result() for outcome in outcomes] == [0, 1, 2, 3, 4]


def test_without_any_thread_nothing_can_be_done(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threading.Thread, "start", threads_up_to(0))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        side_by_side(print, range(5), limit=5, scope=CancelScope())
