"""How fast requests may follow each other."""

from __future__ import annotations

import threading

import pytest

from acmez.acme.errors import Cancelled, InputError
from acmez.acme.pace import Pace
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


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_is_more_than_nothing(limit: float):
    with pytest.raises(InputError, match="is not more than 0"):
        Pace(limit)
