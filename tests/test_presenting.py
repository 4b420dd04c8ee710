"""Answers side by side: batches, locks, shares, waits and signals; and what cannot be cleaned up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from acmez import (
    AcmezError,
    CancelScope,
    Challenge,
    ChallengesFailed,
    Route,
    events,
)
from acmez.journal import Journal
from acmez.protocols import Handle
from tests.solvers import (
    BatchingTxtSolver,
    CallWaiter,
    Lab,
    TxtSolver,
    Watcher,
    WatchingWebSolver,
    WebSolver,
    assert_no_threads,
    fail,
    laboratory,
    pause,
)

Start = Callable[..., Lab]
NAME = "www.example.org"
PROMPT = 10.0  # seconds: far more than a cancelled call needs, far less than what was cancelled


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def test_a_batching_solver_is_called_once_for_the_whole_order(start: Start):
    lab = start()
    solver = BatchingTxtSolver(zone=lab.zone)
    names = [f"host-{number}.example.org" for number in range(12)]
    lab.client(solver).obtain(names)
    assert solver.batches == [("present", 12), ("clean_up", 12)]


def test_a_batch_of_a_solver_that_fails_falls_back_name_by_name(start: Start):
    lab = start()
    batching = BatchingTxtSolver(zone=lab.zone, on_present=fail)
    web = WebSolver(web=lab.web)
    lab.client(batching, web, preferred_challenges=["dns-01"]).obtain([NAME, "example.org"])
    assert batching.batches == [("present", 2), ("clean_up", 2)]
    assert sorted(web.called("present")) == ["example.org", NAME]


def test_names_are_presented_side_by_side_up_to_the_parallelism(start: Start):
    lab = start()
    together = threading.Barrier(4)
    solver = WebSolver(web=lab.web, on_present=lambda challenge, scope: _meet(together))
    names = [f"host-{number}.example.org" for number in range(8)]
    lab.client(solver, parallelism=4).obtain(names)
    assert solver.most == 4


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait(5)


@dataclass
class LockingSolver(WebSolver):
    def lock_key(self, challenge: Challenge) -> str:
        return str(challenge.identifier).split(".", 1)[1]


@dataclass
class ModestSolver(WebSolver):
    concurrency: int = 2


def test_a_solver_never_works_twice_at_once_on_what_it_locks(start: Start):
    lab = start()
    solver = LockingSolver(web=lab.web, on_present=pause, on_clean_up=pause)
    lab.client(solver).obtain([f"host-{number}.example.org" for number in range(5)])
    assert solver.most == 1


def test_other_locks_do_not_wait(start: Start):
    lab = start()
    together = threading.Barrier(2)
    solver = LockingSolver(web=lab.web, on_present=lambda challenge, scope: _meet(together))
    lab.client(solver).obtain(["www.example.org", "www.example.com"])
    assert solver.most == 2


def test_a_solver_has_no_more_calls_at_once_than_it_wants(start: Start):
    lab = start()
    solver = ModestSolver(web=lab.web, on_present=pause, on_clean_up=pause)
    lab.client(solver).obtain([f"host-{number}.example.org" for number in range(6)])
    assert solver.most == 2


def test_a_slow_wait_holds_up_its_own_name_only(start: Start):
    """The CA is told about every other name while one of them still waits."""
    lab = start()
    told = threading.Semaphore(0)

    def wait(challenge: Challenge, scope: CancelScope) -> None:
        if str(challenge.identifier) == "slow.example.org":
            for _ in range(5):
                assert told.acquire(timeout=5)

    def watch(event: events.Event) -> None:
        if isinstance(event, events.ChallengeAnswered):
            told.release()

    names = ["slow.example.org", *(f"host-{number}.example.org" for number in range(5))]
    route = Route(WebSolver(web=lab.web), waiter=CallWaiter(wait))
    lab.client(route, on_event=watch, parallelism=2).obtain(names)
    assert len(lab.ca.certificates) == 1


def test_apex_and_wildcard_are_proved_with_two_records_at_one_name(start: Start):
    lab = start()
    shown: list[int] = []
    waiter = CallWaiter(lambda challenge, scope: shown.append(len(lab.ca.txt_records["_acme-challenge.example.org"])))
    lab.client(Route(TxtSolver(zone=lab.zone), waiter=waiter)).obtain(["example.org", "*.example.org"])
    assert shown == [2, 2]


def test_the_signal_of_a_solver_spares_needless_looks(start: Start):
    """Without it, the pauses of 10, 16, 26 ... ms make for six looks within this delay, or five."""
    lab = start(validation_delay=0.15, validation_attempts=1)
    lab.client(WatchingWebSolver(web=lab.web)).obtain([NAME])
    assert lab.requests()["order"] <= 3


def test_a_signal_that_never_comes_is_not_waited_for(start: Start):
    lab = start()

    @dataclass
    class SilentSolver(WebSolver):
        def validated(self, challenge: Challenge) -> threading.Event:
            return threading.Event()

    lab.client(SilentSolver(web=lab.web)).obtain([NAME])
    assert len(lab.ca.certificates) == 1


def test_a_signal_that_cannot_be_had_is_done_without(start: Start):
    lab = start()

    @dataclass
    class BrokenSignal(WebSolver):
        def validated(self, challenge: Challenge) -> threading.Event:
            raise RuntimeError("no signal")

    lab.client(BrokenSignal(web=lab.web)).obtain([NAME])
    assert len(lab.ca.certificates) == 1


def test_a_failing_clean_up_does_not_cost_the_certificate(start: Start, caplog: pytest.LogCaptureFixture):
    lab = start()
    watcher = Watcher()

    def remove_and_fail(challenge: Challenge, scope: CancelScope) -> None:
        lab.web.answers.clear()
        raise OSError("read-only file system")

    lab.client(WebSolver(web=lab.web, on_clean_up=remove_and_fail), on_event=watcher).obtain([NAME])
    (cleaned,) = [event for event in watcher.seen if isinstance(event, events.ChallengeCleanedUp)]
    assert cleaned.error == "read-only file system"
    assert f"{NAME}: cleaning up with 'web' failed: read-only file system" in caplog.text


@pytest.mark.parametrize(("untouched", "cleaned"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("names", [[NAME], ["a.example.org", "b.example.org"]])
def test_after_a_present_that_left_all_untouched_nothing_is_cleaned_up(
    start: Start, tmp_path: Path, names: list[str], untouched: bool, cleaned: int
):
    """What failed before anything was sent would fail once more, and be told as a leftover."""
    lab = start()
    watcher = Watcher()

    class Refusing(WebSolver):
        def present(self, challenge: Challenge, scope: CancelScope) -> Handle:
            error = AcmezError("no zone")
            error.untouched = untouched
            raise error

    solver = Refusing(web=lab.web, on_clean_up=fail)
    with Journal(tmp_path / "journal.db") as journal:
        with pytest.raises(ChallengesFailed, match="no zone"):
            lab.client(solver, on_event=watcher, journal=journal).obtain(names)
        assert [len(answers) for _, answers in journal.abandoned()] == cleaned * [len(names)]
    told = [event for event in watcher.seen if isinstance(event, events.ChallengeCleanedUp)]
    assert len(told) == cleaned * len(names)


def test_a_clean_up_that_hangs_is_left_behind_and_told(start: Start):
    lab = start()
    watcher = Watcher()
    go_on = threading.Event()

    def hang(challenge: Challenge, scope: CancelScope) -> None:
        go_on.wait(30)

    solver = WebSolver(web=lab.web, on_clean_up=hang)
    began = time.monotonic()
    lab.client(solver, cleanup_timeout=0.2, on_event=watcher).obtain([NAME])
    assert time.monotonic() - began < PROMPT
    told = [event.error for event in watcher.seen if isinstance(event, events.ChallengeCleanedUp)]
    assert told == ["not done within 0.2 s"]
    go_on.set()
    assert_no_threads("acmez-watch")
