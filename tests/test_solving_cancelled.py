"""Cancellation, deadlines and interrupts: whatever happens, nothing stays behind."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from acmez_testkit import Delay

from acmez import (
    Cancelled,
    CancelScope,
    Challenge,
    DeadlineExceeded,
    Route,
    events,
)
from tests.solvers import (
    CallWaiter,
    Lab,
    WebSolver,
    assert_no_threads,
    fail,
    laboratory,
    nothing,
    pause,
)

Start = Callable[..., Lab]
NAME = "www.example.org"
PROMPT = 10.0  # seconds: far more than a cancelled call needs, far less than what was cancelled


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def cancel_at(scope: CancelScope, reached: Callable[[], bool]) -> threading.Thread:
    """Cancel *scope* from another thread as soon as *reached* says so."""

    def work() -> None:
        while not reached():
            scope.sleep(0.002)
        scope.cancel()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@dataclass
class Until:
    """Says that a step was reached, and sleeps in it."""

    reached: threading.Event

    def __call__(self, challenge: Challenge, scope: CancelScope) -> None:
        self.reached.set()
        scope.sleep(60)


@pytest.mark.parametrize(
    "phase", ["new-order", "authz", "present", "wait", "challenge", "poll", "finalize", "processing", "certificate"]
)
def test_a_cancelled_issuance_returns_and_cleans_up(start: Start, phase: str):
    lab = start(
        validation_delay=60 if phase == "poll" else 0,
        async_finalize=phase == "processing",
        processing_seconds=60,
        retry_after=(None, None),
    )
    entered = threading.Event()
    requests = {"new-order", "authz", "challenge", "finalize", "certificate"}

    def watch(event: events.Event) -> None:
        polled = isinstance(event, events.RequestFinished) and event.exchange.operation == "order"
        if (phase == "poll" and polled) or (phase == "processing" and isinstance(event, events.OrderFinalized)):
            entered.set()

    on_present = Until(entered) if phase == "present" else pause
    waiter = CallWaiter(Until(entered)) if phase == "wait" else None
    solver = WebSolver(web=lab.web, on_present=on_present)
    client = lab.client(Route(solver, waiter=waiter), on_event=watch)
    if phase in requests:
        lab.ca.faults.add(phase, Delay(60))
    scope = CancelScope()
    canceller = cancel_at(scope, lambda: not lab.ca.faults.pending if phase in requests else entered.is_set())
    began = time.monotonic()
    with pytest.raises(Cancelled):
        client.obtain([NAME, "example.org"], scope=scope)
    assert time.monotonic() - began < PROMPT
    canceller.join()
    assert not solver.left
    assert_no_threads("acmez-watch")
    if phase in {"present", "wait"}:
        assert {a.status for a in lab.ca.authorizations} == {"deactivated"}
    if phase == "poll":  # what the CA is looking at is left to it
        assert {a.status for a in lab.ca.authorizations} == {"pending"}


def test_a_deadline_ends_it_like_a_cancellation(start: Start):
    lab = start(validation_delay=60)
    solver = WebSolver(web=lab.web)
    told = rf"^deadline exceeded: https://\S+/order/\d+: waiting for {NAME}: validate by http-01 with 'web'$"
    with pytest.raises(DeadlineExceeded, match=told):
        lab.client(solver).obtain([NAME], timeout=0.2)
    assert solver.calls == [("present", NAME), ("clean_up", NAME)]


@pytest.mark.parametrize("step", ["present", "wait"])
def test_a_deadline_tells_which_names_are_waited_for_and_at_which_step(start: Start, step: str):
    lab = start()

    def hang(challenge: Challenge, scope: CancelScope) -> None:
        if challenge.name != NAME:
            scope.sleep(60)

    solver = WebSolver(web=lab.web, on_present=hang if step == "present" else nothing)
    route = Route(solver, waiter=CallWaiter(hang if step == "wait" else nothing))
    told = f"waiting for (?=.*a.example: {step} by http-01 with 'web')(?=.*b.example: {step} by http-01 with 'web')"
    with pytest.raises(DeadlineExceeded, match=told):
        lab.client(route).obtain([NAME, "a.example", "b.example"], timeout=0.3)


def test_a_deadline_tells_how_many_names_are_waited_for(start: Start):
    lab = start(validation_delay=60)
    with pytest.raises(DeadlineExceeded, match=r"(n\d+\.example: validate by http-01 with 'web', ){10}and 2 more$"):
        lab.client(WebSolver(web=lab.web)).obtain([f"n{number}.example" for number in range(12)], timeout=1)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ("new-order", f"ordering for {NAME}"),
        ("authz", r"/order/\d+: waiting for its authorizations"),
        ("finalize", r"/order/\d+: finalizing the order"),
        ("order", r"/order/\d+: waiting for the CA to issue"),
        ("certificate", r"/order/\d+: downloading the certificate"),
    ],
)
def test_a_deadline_tells_which_request_was_waited_for(start: Start, request_: str, told: str):
    lab = start(async_finalize=request_ == "order")
    client = lab.client(WebSolver(web=lab.web))
    if request_ == "order":
        client = lab.client(WebSolver(web=lab.web), on_event=lambda event: stall(lab, event))
    else:
        lab.ca.faults.add(request_, Delay(5.0))
    with pytest.raises(DeadlineExceeded, match=f"{told}$"):
        client.obtain([NAME], timeout=0.5)
    lab.ca.faults.clear()


def stall(lab: Lab, event: events.Event) -> None:
    if isinstance(event, events.OrderFinalized):
        lab.ca.faults.add("order", Delay(5.0))


def test_a_scope_that_has_ended_lets_nothing_begin(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    scope = CancelScope()
    scope.cancel("enough")
    before = lab.requests()
    with pytest.raises(Cancelled, match="enough"):
        client.obtain([NAME], scope=scope)
    assert lab.requests() == before


@pytest.mark.parametrize("step", ["present", "wait"])
def test_cleaning_up_after_a_failed_step_is_not_cut_short_by_a_cancellation(start: Start, step: str):
    lab = start()
    scope = CancelScope()

    def clean_slowly(challenge: Challenge, own: CancelScope) -> None:
        scope.cancel()
        own.check()

    solver = WebSolver(web=lab.web, on_clean_up=clean_slowly, on_present=fail if step == "present" else pause)
    client = lab.client(Route(solver, waiter=CallWaiter(fail)))
    with pytest.raises(Cancelled):
        client.obtain([NAME], scope=scope)
    assert not solver.left


def test_a_solver_that_hangs_does_not_keep_its_caller(start: Start):
    """It ignores the scope; what it shows in the end, it removes by itself."""
    lab = start()
    go_on, hanging = threading.Event(), threading.Event()

    def hang(challenge: Challenge, scope: CancelScope) -> None:
        hanging.set()
        go_on.wait(30)

    solver = WebSolver(web=lab.web, on_present=hang)
    client = lab.client(solver, cleanup_timeout=0.2)
    scope = CancelScope()
    canceller = cancel_at(scope, hanging.is_set)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        client.obtain([NAME], scope=scope)
    assert time.monotonic() - began < PROMPT
    canceller.join()
    go_on.set()
    assert_no_threads("acmez-watch")
    assert not solver.left


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take SIGINT as usual, although whoever runs the tests may ignore it, as a shell lets its background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_from_the_keyboard_cleans_up(start: Start):
    lab = start(validation_delay=60)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(event: events.Event) -> None:
        if isinstance(event, events.ChallengeAnswered):
            signal.pthread_kill(main, signal.SIGINT)

    solver = WebSolver(web=lab.web)
    client = lab.client(solver, on_event=interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.obtain([NAME])
    assert solver.calls == [("present", NAME), ("clean_up", NAME)]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_what_runs_beside(start: Start):
    lab = start()
    main = threading.main_thread().ident
    assert main is not None
    entered = threading.Semaphore(0)

    def interrupt_the_first(challenge: Challenge, scope: CancelScope) -> None:
        if str(challenge.identifier) == NAME:
            assert entered.acquire(timeout=5)
            scope.sleep(0.05)  # a signal between the main thread's last look and its wait is noticed late
            signal.pthread_kill(main, signal.SIGINT)
        else:
            entered.release()
        scope.sleep(60)

    solver = WebSolver(web=lab.web, on_present=interrupt_the_first)
    client = lab.client(solver)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        client.obtain([NAME, "example.org"])
    assert time.monotonic() - began < PROMPT
    assert not solver.left
    assert_no_threads("acmez-watch")
