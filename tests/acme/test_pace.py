"""How fast requests may follow each other."""

from __future__ import annotations

import threading

import pytest

from acmez.acme.errors import Cancelled, InputError
from acmez.acme.pace import OrderLimit, Pace, Paces
from acmez.acme.scope import CancelScope


class Sleepless(CancelScope):
    """Notes what it is asked to sleep, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.check()
        self.slept.append(seconds)


def test_without_a_limit_nobody_waits():
    scope = Sleepless()
    for _ in range(1000):
        Pace().wait(scope)
    assert scope.slept == []


def test_after_a_burst_each_waits_one_interval_longer():
    scope, pace = Sleepless(), Pace(0.001, burst=2)
    for _ in range(5):
        pace.wait(scope)
    assert [round(seconds / 1000) for seconds in scope.slept] == [1, 2, 3]


def test_threads_take_turns():
    scope, pace = Sleepless(), Pace(0.001, burst=1)
    threads = [threading.Thread(target=pace.wait, args=(scope,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round(seconds / 1000) for seconds in scope.slept) == list(range(1, 20))


def test_who_waits_can_be_cancelled():
    scope, pace = CancelScope(), Pace(0.001, burst=1)
    pace.wait(scope)
    threading.Timer(0.02, scope.cancel).start()
    with pytest.raises(Cancelled):
        pace.wait(scope)


def test_the_turn_of_who_was_cancelled_is_the_next_ones():
    scope, ended, pace = Sleepless(), CancelScope(), Pace(0.001, burst=1)
    pace.wait(scope)
    ended.cancel()
    with pytest.raises(Cancelled):
        pace.wait(ended)
    pace.wait(scope)
    assert [round(seconds / 1000) for seconds in scope.slept] == [1]


def test_as_many_orders_as_the_limit_says_go_at_once_and_then_one_after_the_other():
    scope, pace = Sleepless(), Pace.of(OrderLimit(300, 10800))
    for _ in range(303):
        pace.wait(scope)
    assert [round(seconds) for seconds in scope.slept] == [36, 72, 108]


def test_a_limit_is_told_in_words():
    assert str(OrderLimit(300, 10800)) == "300 new orders in 10800 s"


def test_without_a_limit_of_orders_nobody_waits():
    pace = Pace.of(None)
    assert pace.claim() == 0.0
    pace.hand_back()


@pytest.mark.parametrize(
    ("orders", "seconds", "told"),
    [
        (0, 1.0, "orders: expected at least 1, got 0"),
        (1, 0.0, "seconds: expected a number above 0, got 0"),
        (1, float("nan"), "seconds: expected a number above 0, got nan"),
        (1, float("inf"), "seconds: expected a number above 0, got inf"),
    ],
)
def test_a_limit_of_orders_is_some_in_some_time(orders: int, seconds: float, told: str):
    with pytest.raises(InputError, match=told):
        OrderLimit(orders, seconds)


def test_each_operation_keeps_its_own_pace_and_the_others_theirs_together():
    scope, paces = Sleepless(), Paces({"newNonce": 0.01, "others": 0.001})
    for _ in range(6):
        paces.wait("newNonce", scope)
    for operation in ("order", "challenge") * 3:
        paces.wait(operation, scope)
    assert [round(seconds / 100) for seconds in scope.slept] == [1, 10]


def test_one_rate_is_for_all_operations_together():
    scope, paces = Sleepless(), Paces(0.001)
    for operation in ("newNonce", "newOrder") * 3:
        paces.wait(operation, scope)
    assert [round(seconds / 1000) for seconds in scope.slept] == [1]


def test_operations_that_have_no_rate_do_not_wait():
    scope = Sleepless()
    for operation in ("order", "newNonce") * 10:
        Paces().wait(operation, scope)
        Paces({"newNonce": 1000.0}).wait(operation, scope)
    assert scope.slept == []


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_is_more_than_nothing(limit: float):
    with pytest.raises(InputError, match="is not more than 0"):
        Pace(limit)
