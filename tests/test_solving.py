"""The challenges of one order: which are tried, in what order, and that nothing stays behind (RFC 8555 §7.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from acmez_testkit import Answer, Drop, LoseAnswer, Problem

from acmez import (
    CancelScope,
    Challenge,
    ChallengesFailed,
    Polling,
    ProblemError,
    Route,
    events,
    solving,
)
from acmez.acme.errors import MalformedAnswer
from acmez.acme.wire import JSONObject
from tests.solvers import (
    BlindWebSolver,
    CallWaiter,
    Lab,
    TxtSolver,
    Watcher,
    WebSolver,
    fail,
    laboratory,
)

Start = Callable[..., Lab]
NAME = "www.example.org"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def authorization(name: str, status: str = "pending") -> Answer:
    """What a CA might answer for an authorization, with one http-01 challenge that nobody serves."""
    challenge = {"type": "http-01", "url": "https://localhost:1/challenge", "status": status, "token": "AAAA"}
    if status == "invalid":
        challenge["error"] = {"type": "urn:ietf:params:acme:error:dns", "detail": "failed last week"}  # type: ignore[assignment]
    return Answer(200, {"identifier": {"type": "dns", "value": name}, "status": status, "challenges": [challenge]})


def steps(error: ChallengesFailed) -> list[tuple[str, str | None, str]]:
    return [(failed.identifier, failed.solver, failed.step) for failed in error.failed]


# What the authorizations say


def test_what_is_authorized_already_is_not_proved_again(start: Start):
    lab = start(reuse_authorizations=True)
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    client.obtain([NAME])
    before = lab.requests()
    client.obtain([NAME])
    assert solver.called("present") == [NAME]
    assert lab.requests() - before == {"new-order": 1, "finalize": 1, "certificate": 1}


def test_only_what_is_not_authorized_is_proved(start: Start):
    lab = start(reuse_authorizations=True)
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    client.obtain([NAME])
    client.obtain([NAME, "example.org"])
    assert solver.called("present") == [NAME, "example.org"]


def test_an_authorization_that_failed_before_the_order_leads_to_another_order(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    lab.ca.faults.add("authz", authorization(NAME, "invalid"))
    client.obtain([NAME])
    assert lab.requests()["new-order"] == 2
    assert solver.called("present") == [NAME]


def test_a_ca_that_never_forgets_a_failure_is_given_up(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("authz", authorization(NAME, "invalid"), times=None)
    with pytest.raises(ChallengesFailed, match="is 'invalid' already") as raised:
        client.obtain([NAME])
    assert {failed.step for failed in raised.value.failed} == {"choose"}
    assert 1 < lab.requests()["new-order"] <= 5
    lab.ca.faults.clear()


def test_an_authorization_for_what_nobody_ordered_is_not_answered(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    lab.ca.faults.add("authz", authorization("bank.example"))
    with pytest.raises(MalformedAnswer, match=r"'bank\.example' to be proved, which was not ordered"):
        client.obtain([NAME])
    assert solver.calls == []


def test_what_is_still_pending_is_given_up_when_the_order_fails(start: Start):
    lab = start()
    client = lab.client(Route(WebSolver(web=lab.web), domains=(NAME, "valid.example.org")))
    with pytest.raises(ChallengesFailed, match="no solver"):
        client.obtain([NAME, "valid.example.org", "unrouted.example.org"])
    assert {a.status for a in lab.ca.authorizations} == {"deactivated"}


def test_an_authorization_that_cannot_be_fetched_fails_the_order_before_anything_is_presented(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    lab.ca.faults.add("authz", Problem("unauthorized", status=403))
    with pytest.raises(ProblemError, match="unauthorized"):
        client.obtain([NAME, "example.org"])
    assert solver.calls == []


def test_valid_authorizations_outlive_the_order(start: Start):
    """Another order may use them, and they count against nobody."""
    lab = start(reuse_authorizations=True, hosts={"down.example.org": "127.0.0.2"})
    client = lab.client(WebSolver(web=lab.web))
    with pytest.raises(ChallengesFailed):
        client.obtain([NAME, "down.example.org"])
    client.obtain([NAME])
    assert {(a.identifier.value, a.status) for a in lab.ca.authorizations} == {
        (NAME, "valid"),
        ("down.example.org", "invalid"),
    }


# Lost answers


def test_a_lost_answer_to_the_challenge_is_not_followed_by_a_second_one(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("challenge", LoseAnswer())
    client.obtain([NAME])
    assert lab.requests()["challenge"] == 1


def test_the_challenge_is_answered_again_if_the_answer_never_arrived(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("challenge", Drop())
    client.obtain([NAME])
    assert lab.requests()["challenge"] == 2


@pytest.mark.parametrize("kind", ["authz", "order"])
@pytest.mark.parametrize("fault", [LoseAnswer(), Drop(), Answer(502, b"<html>bad gateway</html>")])
def test_what_is_only_read_is_read_again(start: Start, kind: str, fault: LoseAnswer | Drop | Answer):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add(kind, fault)
    client.obtain([NAME])
    assert lab.requests()["new-order"] == 1


def test_a_conflict_at_a_challenge_means_that_the_ca_is_looking_already(start: Start):
    lab = start()

    @dataclass
    class EagerSolver(WebSolver):
        """Tells the CA to look before the library does."""

        def payload(self, challenge: Challenge) -> JSONObject:
            client.acme.respond(client.account(), challenge)
            return {}

    client = lab.client(EagerSolver(web=lab.web))
    lab.ca.faults.add("challenge", Problem("conflict", status=409), after=1)
    client.obtain([NAME])
    assert lab.requests()["challenge"] == 2
    assert lab.requests()["new-order"] == 1


def test_a_challenge_that_the_ca_refuses_gives_way_to_another_in_the_same_order(start: Start):
    lab = start()
    watcher = Watcher()
    client = lab.client(WebSolver(web=lab.web), TxtSolver(zone=lab.zone), on_event=watcher)
    lab.ca.faults.add("challenge", Problem("malformed", "not this one"))
    client.obtain([NAME])
    assert watcher.presented() == ["http-01", "dns-01"]
    assert lab.requests()["new-order"] == 1


def test_a_challenge_that_fails_at_once_gives_way_to_another_in_a_new_order(start: Start):
    """step-ca validates while the client waits for the answer to its POST."""
    lab = start()
    watcher = Watcher()
    client = lab.client(WebSolver(web=lab.web), TxtSolver(zone=lab.zone), on_event=watcher)
    error = {"type": "urn:ietf:params:acme:error:connection", "detail": "nobody is there"}
    lab.ca.faults.add("challenge", Answer(200, {"type": "http-01", "status": "invalid", "error": error}))
    client.obtain([NAME])
    assert watcher.presented() == ["http-01", "dns-01"]
    assert lab.requests()["new-order"] == 2


# Failing, and falling back


def test_a_solver_that_cannot_present_gives_way_to_another_in_the_same_order(start: Start):
    lab = start()
    web = WebSolver(web=lab.web, on_present=fail)
    client = lab.client(web, TxtSolver(zone=lab.zone))
    client.obtain([NAME])
    assert web.calls == [("present", NAME), ("clean_up", NAME)]
    assert lab.requests()["new-order"] == 1


def test_a_waiter_that_gives_up_makes_way_for_another_in_the_same_order(start: Start):
    lab = start()
    web = WebSolver(web=lab.web)
    client = lab.client(Route(web, waiter=CallWaiter(fail)), TxtSolver(zone=lab.zone))
    client.obtain([NAME])
    assert web.calls == [("present", NAME), ("clean_up", NAME)]
    assert lab.requests()["new-order"] == 1
    assert lab.requests()["challenge"] == 1


def test_a_validation_that_fails_makes_way_for_another_in_a_new_order(start: Start):
    lab = start()
    web = BlindWebSolver(web=lab.web)
    client = lab.client(web, TxtSolver(zone=lab.zone))
    client.obtain([NAME])
    assert web.calls == [("present", NAME), ("clean_up", NAME)]
    assert lab.requests()["new-order"] == 2


def test_every_way_that_failed_is_told(start: Start):
    lab = start()
    broken = Route(TxtSolver(zone=lab.zone, on_present=fail), name="broken-dns")
    blind = Route(BlindWebSolver(web=lab.web), name="blind")
    with pytest.raises(ChallengesFailed) as raised:
        lab.client(broken, blind, preferred_challenges=["dns-01"]).obtain([NAME])
    assert steps(raised.value) == [(NAME, "broken-dns", "present"), (NAME, "blind", "validate")]
    assert "the disk is full" in str(raised.value)
    assert "unauthorized" in str(raised.value)
    assert raised.value.order_url == lab.ca.orders[-1].url
    assert lab.requests()["finalize"] == 0


def test_only_what_failed_is_told(start: Start):
    lab = start(hosts={"down.example.org": "127.0.0.2"})
    with pytest.raises(ChallengesFailed) as raised:
        lab.client(WebSolver(web=lab.web)).obtain([NAME, "down.example.org", "example.org"])
    assert steps(raised.value) == [("down.example.org", "web", "validate")]


def test_without_a_solver_nothing_is_presented_and_all_is_told(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(Route(solver, name="mine", domains=("example.org",)))
    with pytest.raises(ChallengesFailed) as raised:
        client.obtain(["example.org", "*.example.org"])
    (failed,) = raised.value.failed
    assert (failed.identifier, failed.step, failed.challenge_type) == ("*.example.org", "choose", None)
    assert "solvers: 'mine' (http-01)" in failed.reason
    assert solver.calls == []


def test_a_failed_challenge_that_stays_pending_is_noticed(start: Start, monkeypatch: pytest.MonkeyPatch):
    """step-ca lets the order be pending for ever."""
    monkeypatch.setattr(solving, "_FIRST_AUTHORIZATION_LOOK", 0.05)
    lab = start(leave_failed_pending=True)
    client = lab.client(BlindWebSolver(web=lab.web), TxtSolver(zone=lab.zone))
    client.obtain([NAME])
    assert lab.requests()["new-order"] == 2


def test_an_order_that_nothing_happens_to_is_given_up(start: Start):
    lab = start(validation_delay=60)
    client = lab.client(WebSolver(web=lab.web), polling=Polling(timeout=0.2))
    with pytest.raises(Exception, match=f"still 'pending' after 0 s; waiting for: {NAME}"):
        client.obtain([NAME])


# What is told


def test_the_events_of_one_name_come_in_order(start: Start):
    lab = start()
    watcher = Watcher()
    waiter = CallWaiter(lambda challenge, scope: None)
    lab.client(Route(WebSolver(web=lab.web), waiter=waiter), on_event=watcher).obtain([NAME])
    told = [name for name in watcher.names if name != "challenge-cleaned-up"]  # beside what follows
    assert told == [
        "account-ready",
        "issuance-started",
        "order-created",
        "authorization-fetched",
        "challenge-presented",
        "challenge-waited",
        "challenge-answered",
        "authorization-valid",
        "order-ready",
        "order-finalized",
        "certificate-issued",
        "issuance-finished",
    ]
    assert watcher.names.count("challenge-cleaned-up") == 1


def test_a_failed_issuance_ends_with_its_event(start: Start):
    lab = start()
    watcher = Watcher()
    with pytest.raises(ChallengesFailed):
        lab.client(BlindWebSolver(web=lab.web), on_event=watcher).obtain([NAME])
    assert [name for name in watcher.names if "failed" in name] == ["authorization-failed", "order-failed"]
    (failed,) = [event for event in watcher.seen if isinstance(event, events.AuthorizationFailed)]
    assert failed.step == "validate"
    assert failed.problem is not None


def test_no_event_and_no_error_tells_the_key_authorization(start: Start, caplog: pytest.LogCaptureFixture):
    caplog.set_level(0)
    lab = start()
    secrets: list[str] = []
    seen: list[str] = []

    def keep(challenge: Challenge, scope: CancelScope) -> None:
        secrets.append(challenge.key_authorization)

    client = lab.client(
        BlindWebSolver(web=lab.web, on_present=keep, on_clean_up=fail), on_event=lambda event: seen.append(repr(event))
    )
    with pytest.raises(ChallengesFailed) as raised:
        client.obtain([NAME])
    assert secrets
    told = "\n".join([*seen, caplog.text, str(raised.value), repr(raised.value)])
    assert not any(secret in told for secret in secrets)
