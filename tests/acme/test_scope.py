from __future__ import annotations

import math
import signal
import threading
import time

import pytest

from acmez.acme import Cancelled, CancelScope, DeadlineExceeded
from acmez.acme.scope import doing


def soon(action) -> threading.Timer:
    timer = threading.Timer(0.05, action)
    timer.start()
    return timer


def test_a_scope_without_timeout_never_ends_by_itself():
    scope = CancelScope()

    scope.check()
    assert scope.remaining() is None
    assert not scope.cancelled


@pytest.mark.parametrize("timeout", [math.inf, 1e30])
def test_a_scope_may_last_for_ever(timeout: float):
    scope = CancelScope(timeout)

    scope.sleep(0.001)
    assert scope.wait(threading.Event(), 0.001) is False


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_a_deadline_that_has_passed_ends_everything(timeout: float):
    scope = CancelScope(timeout)

    assert scope.remaining() == 0.0
    with pytest.raises(DeadlineExceeded, match=r"^deadline exceeded$"):
        scope.check()
    with pytest.raises(DeadlineExceeded):
        scope.sleep(10)
    assert not scope.cancelled


def test_a_deadline_tells_what_it_cut_short():
    with pytest.raises(DeadlineExceeded, match=r"^deadline exceeded: counting sheep$"), doing(lambda: "counting sheep"):
        CancelScope(0).check()
    scope = CancelScope()
    scope.cancel()
    with pytest.raises(Cancelled, match=r"^cancelled$"), doing(lambda: "counting sheep"):
        scope.check()


def test_cancelling_gives_its_reason_and_the_first_one_counts():
    scope = CancelScope()

    scope.cancel("shutting down")
    scope.cancel("something else")

    assert scope.cancelled
    with pytest.raises(Cancelled, match=r"^shutting down$"):
        scope.check()


def test_a_sleeper_wakes_when_another_thread_cancels():
    scope = CancelScope()
    timer = soon(scope.cancel)

    with pytest.raises(Cancelled):
        scope.sleep(math.inf)
    timer.join()


def test_a_sleep_that_outlasts_the_deadline_raises_at_the_deadline():
    scope = CancelScope(0.02)

    with pytest.raises(DeadlineExceeded):
        scope.sleep(60)
    assert scope.remaining() == 0.0


def test_a_sleep_within_the_deadline_just_sleeps():
    scope = CancelScope(60)
    began = time.monotonic()

    scope.sleep(0.01)

    assert time.monotonic() - began >= 0.01


def test_waiting_in_slices_takes_as_long_as_waiting_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acmez.acme.scope._SLICE", 0.002)
    began = time.monotonic()

    CancelScope(60).sleep(0.02)
    assert time.monotonic() - began >= 0.02
    with pytest.raises(DeadlineExceeded):
        CancelScope(0.02).sleep(math.inf)
    scope = CancelScope()
    timer = soon(scope.cancel)
    with pytest.raises(Cancelled):
        scope.wait(threading.Event())
    timer.join()


def test_waiting_for_an_event_tells_whether_it_happened():
    happened = threading.Event()
    scope = CancelScope(60)

    assert scope.wait(happened, 0.001) is False
    happened.set()
    assert scope.wait(happened) is True


def test_waiting_for_an_event_ends_with_the_scope():
    scope = CancelScope()
    timer = soon(scope.cancel)

    with pytest.raises(Cancelled):
        scope.wait(threading.Event())
    timer.join()
    with pytest.raises(DeadlineExceeded):
        CancelScope(0.01).wait(threading.Event())


def test_a_child_ends_with_its_parent_for_the_same_reason():
    parent = CancelScope()
    with parent.child() as child, child.child() as grandchild:
        parent.cancel("enough")

        with pytest.raises(Cancelled, match=r"^enough$"):
            grandchild.check()


def test_a_child_that_ends_leaves_its_parent_alone():
    parent = CancelScope()
    with parent.child() as child:
        child.cancel()

    parent.check()


def test_a_child_born_after_the_end_has_ended():
    parent = CancelScope()
    parent.cancel("too late")

    with parent.child() as child, pytest.raises(Cancelled, match=r"^too late$"):
        child.check()


@pytest.mark.parametrize(("parents", "own"), [(10.0, 1000.0), (1000.0, 10.0), (10.0, None), (None, 10.0)])
def test_a_child_has_the_earlier_deadline(parents: float | None, own: float | None):
    with CancelScope(parents).child(own) as child:
        remaining = child.remaining()

    assert remaining is not None
    assert 9 < remaining <= 10


def test_a_closed_child_is_forgotten_by_its_parent():
    parent = CancelScope()
    with parent.child() as child:
        pass

    parent.cancel()

    assert not child.cancelled


def test_closing_a_scope_without_parent_does_nothing():
    with CancelScope() as scope:
        pass

    scope.check()


def test_a_shielded_scope_outlives_a_cancelled_one():
    scope = CancelScope()
    scope.cancel()

    shielded = scope.shield(60)

    shielded.check()
    assert shielded.remaining() is not None


def test_callbacks_are_called_once_and_only_within_the_with_statement():
    scope = CancelScope()
    called: list[str] = []
    with scope.on_cancel(lambda: called.append("gone")):
        pass
    with scope.on_cancel(lambda: called.append("here")):
        scope.cancel()
        scope.cancel()

    assert called == ["here"]


def test_callbacks_are_called_in_order_even_if_one_raises():
    scope = CancelScope()
    called: list[str] = []

    def fail() -> None:
        called.append("first")
        raise RuntimeError("broken callback")

    with (
        scope.on_cancel(fail),
        scope.on_cancel(lambda: called.append("second")),
        pytest.raises(RuntimeError, match="broken callback"),
    ):
        scope.cancel()

    assert called == ["first", "second"]


def test_a_callback_is_not_registered_once_the_scope_has_ended():
    scope = CancelScope()
    scope.cancel()
    called: list[None] = []

    with pytest.raises(Cancelled), scope.on_cancel(lambda: called.append(None)):
        raise AssertionError("not reached")
    assert called == []


def test_a_callback_that_races_with_the_end_is_still_called(monkeypatch: pytest.MonkeyPatch):
    scope = CancelScope()
    called: list[None] = []
    monkeypatch.setattr(scope, "check", scope.cancel)  # ends between the check and the registration

    with scope.on_cancel(lambda: called.append(None)):
        assert called == [None]


def test_a_signal_wakes_the_main_thread_even_if_it_comes_just_before_it_waits() -> None:
    """Its handler runs on the main thread, between two slices of the wait at the latest."""
    scope = CancelScope()
    before = signal.signal(signal.SIGALRM, lambda *_: threading.Thread(target=scope.cancel).start())
    happened = threading.Event()
    waits: list[float | None] = []
    wait = happened.wait

    def late(timeout: float | None = None) -> bool:
        waits.append(timeout)
        if len(waits) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        return wait(timeout)

    happened.wait = late  # type: ignore[method-assign]
    try:
        with pytest.raises(Cancelled):
            scope.wait(happened)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert all(timeout is not None for timeout in waits)
