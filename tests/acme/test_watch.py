from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from acmez.acme import CancelScope
from acmez.acme.watch import Watch


class Flight:
    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.aborted = threading.Event()

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture(autouse=True)
def others() -> Iterator[None]:
    """Threads that linger from earlier tests are not this test's."""
    _others.update(watchers())
    yield
    _others.clear()


_others: set[threading.Thread] = set()


def watchers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "acmez-watch" and t not in _others]


def test_what_is_overdue_is_aborted_and_what_is_not_is_left_alone():
    watch = Watch()
    late, early = Flight(60), Flight(0.02)
    with watch.over(late), watch.over(early):
        assert early.aborted.wait(5)
        assert not late.aborted.is_set()
    watch.close()


def test_an_earlier_deadline_wakes_the_thread_that_waits_for_a_later_one():
    watch = Watch()
    with watch.over(Flight(60)):
        while not watch._wakes_at:
            CancelScope().sleep(0.001)  # until the thread waits
        early = Flight(0.01)
        with watch.over(early):
            assert early.aborted.wait(5)
    watch.close()


def test_what_has_landed_is_not_aborted():
    watch = Watch()
    landed, later = Flight(0.05), Flight(0.1)
    with watch.over(landed):
        pass
    with watch.over(later):
        assert later.aborted.wait(5)

    assert not landed.aborted.is_set()
    watch.close()


def test_one_thread_watches_everything():
    watch = Watch()
    with watch.over(Flight(60)), watch.over(Flight(60)):
        assert len(watchers()) == 1
    watch.close()
    assert watchers() == []


def test_the_thread_ends_by_itself_when_it_has_long_had_nothing_to_watch():
    watch = Watch(linger=0.01)
    with watch.over(Flight(60)):
        (thread,) = watchers()
    # It sleeps until the deadline it knew, so it must be told; a real one sleeps at most `Timeouts.total`.
    watch.close()
    thread.join(5)
    assert not thread.is_alive()

    with watch.over(Flight(0.0)):
        (thread,) = watchers()
    thread.join(5)
    assert not thread.is_alive()


def test_closing_while_something_is_in_flight_goes_on_watching_it():
    watch = Watch(linger=0.01)
    flight = Flight(0.05)
    with watch.over(flight):
        watch.close()
        assert flight.aborted.wait(5)


def test_closing_while_something_is_in_flight_ends_the_thread_after_it():
    watch = Watch()
    with watch.over(Flight(60)):
        (thread,) = watchers()
        with watch.over(Flight(60)):
            watch.close()
        assert thread.is_alive()
        watch.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_closed_watch_starts_again():
    watch = Watch()
    watch.close()
    flight = Flight(0.01)
    with watch.over(flight):
        assert flight.aborted.wait(5)
    watch.close()
    watch.close()
