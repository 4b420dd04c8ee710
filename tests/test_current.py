"""Every event says which issuance it is of, whatever thread it happens in; requests also say whose they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from acmez_testkit import Problem

from acmez import Cancelled, ChallengesFailed, ProblemError, events
from acmez.acme.scope import CancelScope
from acmez.crew import side_by_side
from acmez.current import issuance, working
from tests.solvers import BlindWebSolver, Lab, TxtSolver, WebSolver, fail, laboratory

Start = Callable[..., Lab]
NAMES = ["a.example.org", "*.example.org", "b.example.org"]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def test_what_runs_outside_works_for_none():
    assert issuance() == ""
    with working():
        outer = issuance()
        with working():
            assert issuance() not in {"", outer}
        assert issuance() == outer
    assert issuance() == ""


def test_threads_work_for_the_issuance_of_whoever_started_them():
    with working():
        outcomes = side_by_side(lambda _: issuance(), range(5), limit=3, scope=CancelScope())
        assert {outcome.result() for outcome in outcomes} == {issuance()}


def test_everything_between_start_and_finish_is_of_one_issuance(start: Start):
    lab = start()
    seen: list[events.Event] = []
    client = lab.client(TxtSolver(zone=lab.zone))
    client.watch(seen.append)
    client.obtain(NAMES)
    started, *_, finished = seen
    assert isinstance(started, events.IssuanceStarted)
    assert isinstance(finished, events.IssuanceFinished)
    assert started.names == finished.names == tuple(NAMES)
    assert (finished.error, finished.error_type) == (None, "")
    assert 0 < finished.seconds < finished.at
    # A nonce that is fetched beforehand is for whoever needs one.
    others = [event for event in seen if not (isinstance(event, events.RequestFinished) and not event.issuance)]
    assert {event.issuance for event in others} == {started.issuance}
    assert started.issuance != ""


def test_requests_say_whose_they_are(start: Start):
    lab = start()
    seen: list[events.Event] = []
    client = lab.client(TxtSolver(zone=lab.zone), on_event=seen.append)
    order = client.obtain(NAMES).order_url
    whose = defaultdict(set)
    for event in seen:
        if isinstance(event, events.RequestFinished):
            whose[event.exchange.operation].add((event.order, event.identifier))
    assert whose["newOrder"] == {("", "")}
    assert whose["authorization"] == {(order, "")}  # it says itself whose it is, and has not been read yet
    assert whose["challenge"] == {(order, name) for name in NAMES}
    assert whose["finalize"] == whose["certificate"] == {(order, "")}


def test_certificates_side_by_side_are_not_mixed_up(start: Start):
    lab = start()
    seen: list[events.Event] = []
    client = lab.client(WebSolver(web=lab.web), on_event=seen.append)
    specs = [[f"shop-{number}.example.org"] for number in range(10)]
    assert all(each.certificate for each in client.obtain_many(specs, at_once=5))
    names = {event.issuance: event.names for event in seen if isinstance(event, events.IssuanceStarted)}
    assert len(names) == 10
    for event in seen:
        if isinstance(event, events.IdentifierEvent):
            assert names[event.issuance] == (event.identifier,)


def test_an_issuance_that_fails_ends_after_its_clean_up(start: Start):
    lab = start()
    seen: list[events.Event] = []
    with pytest.raises(ChallengesFailed) as raised:
        lab.client(BlindWebSolver(web=lab.web, on_clean_up=fail), on_event=seen.append).obtain(["a.example.org"])
    finished = seen[-1]
    assert isinstance(finished, events.IssuanceFinished)
    assert (finished.error, finished.error_type) == (str(raised.value), "ChallengesFailed")
    assert any(isinstance(event, events.ChallengeCleanedUp) and event.error for event in seen)


def test_an_issuance_that_gets_no_order_ends_too(start: Start):
    lab = start()
    lab.ca.faults.add("new-order", Problem("rejectedIdentifier", "not here", 403))
    seen: list[events.Event] = []
    with pytest.raises(ProblemError):
        lab.client(WebSolver(web=lab.web), on_event=seen.append).obtain(["a.example.org"])
    assert [event.name for event in seen if event.issuance][-1] == "issuance-finished"
    assert seen[-1].order == ""


def test_what_cancels_an_order_says_which(start: Start):
    lab = start()
    seen: list[events.Event] = []
    scope = CancelScope()
    solver = WebSolver(web=lab.web, on_present=lambda challenge, _: scope.cancel())
    with pytest.raises(Cancelled):
        lab.client(solver, on_event=seen.append).obtain(["a.example.org"], scope=scope)
    (created,) = [event for event in seen if isinstance(event, events.OrderCreated)]
    failed, finished = (event for event in seen if event.name in {"order-failed", "issuance-finished"})
    assert failed.order == finished.order == created.order


def test_several_may_watch_and_one_that_fails_keeps_nobody_from_it(start: Start, caplog: pytest.LogCaptureFixture):
    lab = start()
    first: list[events.Event] = []
    last: list[events.Event] = []
    client = lab.client(WebSolver(web=lab.web), on_event=first.append)

    def broken(event: events.Event) -> None:
        raise RuntimeError("boom")

    client.watch(broken)
    client.watch(last.append)
    client.obtain(["a.example.org"])
    assert [event.name for event in last] == [event.name for event in first if event.at >= last[0].at]
    assert "an observer failed on certificate-issued" in caplog.text
