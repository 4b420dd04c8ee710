from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from acmez.acme import Cancelled, CancelScope, DeadlineExceeded
from acmez.acme.gate import Gate


def test_no_more_are_inside_than_there_are_places():
    gate = Gate(3)
    inside = 0
    most = 0
    counting = threading.Lock()

    def enter(_: int) -> None:
        nonlocal inside, most
        with gate.hold(CancelScope()):
            with counting:
                inside += 1
                most = max(most, inside)
            CancelScope().sleep(0.002)
            with counting:
                inside -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(enter, range(40)))

    assert most == 3


def test_who_waits_is_woken_by_its_cancellation():
    gate = Gate(1)
    scope = CancelScope()
    timer = threading.Timer(0.05, scope.cancel)
    timer.start()

    with gate.hold(CancelScope()), pytest.raises(Cancelled), gate.hold(scope):
        raise AssertionError("not reached")
    timer.join()


def test_who_waits_gives_up_at_its_deadline():
    gate = Gate(1)

    with gate.hold(CancelScope()), pytest.raises(DeadlineExceeded), gate.hold(CancelScope(0.02)):
        raise AssertionError("not reached")


def test_a_place_is_free_again_after_failures():
    gate = Gate(1)
    with pytest.raises(RuntimeError), gate.hold(CancelScope()):
        raise RuntimeError
    with gate.hold(CancelScope()), pytest.raises(DeadlineExceeded), gate.hold(CancelScope(0.01)):
        raise AssertionError("not reached")

    with gate.hold(CancelScope(0.01)):
        pass


def test_a_cancelled_waiter_takes_nobody_elses_turn():
    gate = Gate(1)
    entered = threading.Event()
    scopes = [CancelScope() for _ in range(10)]

    def enter(scope: CancelScope) -> bool:
        try:
            with gate.hold(scope):
                entered.set()
                return True
        except Cancelled:
            return False

    with ThreadPoolExecutor(10) as pool:
        with gate.hold(CancelScope()):
            waiting = [pool.submit(enter, scope) for scope in scopes]
            for scope in scopes[::2]:
                scope.cancel()
        results = [future.result(10) for future in waiting]

    assert results[1::2] == [True] * 5
    with gate.hold(CancelScope(0.01)):
        pass
