from __future__ import annotations

import contextlib
import http.client
import threading
import time

import pytest
from acmez_testkit import Answer, Delay, Drop, EditHeaders, LoseAnswer, Problem, Seen, Truncate
from acmez_testkit.faults import KINDS

LOST = (http.client.RemoteDisconnected, ConnectionError)


def test_an_answer_replaces_the_handling(client):
    raw = client()
    raw.ca.faults.add("new-order", Answer(503, "<h1>busy</h1>", {"Retry-After": "5"}, "text/html"))
    reply = raw.new_order("example.com")
    assert (reply.status, reply.body) == (503, b"<h1>busy</h1>")
    assert (reply.headers["Retry-After"], reply.headers["Content-Type"]) == ("5", "text/html")
    assert reply.headers["Replay-Nonce"] is None
    assert raw.ca.orders == ()
    raw.nonce = None
    assert raw.new_order("example.com").status == 201


def test_an_answer_of_a_mapping_is_json(client):
    raw = client()
    raw.ca.faults.add("account", Answer(200, {"status": "revoked"}))
    reply = raw.post(raw.kid)
    assert (reply.json, reply.headers["Content-Type"]) == ({"status": "revoked"}, "application/json")


def test_a_problem_replaces_the_handling_and_has_a_nonce(client):
    raw = client()
    raw.ca.faults.add("new-order", Problem("rateLimited", "too many", 429, {"Retry-After": "60"}))
    reply = raw.new_order("example.com")
    assert (reply.status, reply.problem, reply.json["detail"]) == (429, "rateLimited", "too many")
    assert reply.headers["Retry-After"] == "60"
    assert raw.new_order("example.com").status == 201


def test_a_problem_may_have_any_type(client):
    raw = client()
    raw.ca.faults.add("account", Problem("urn:keyon:error:expired"))
    assert raw.post(raw.kid).json["type"] == "urn:keyon:error:expired"


def test_a_drop_handles_nothing(client):
    raw = client()
    raw.ca.faults.add("new-order", Drop())
    with pytest.raises(LOST):
        raw.new_order("example.com")
    assert raw.ca.orders == ()
    assert raw.ca.requests[-1] == Seen("POST", "/new-order", "new-order", 0)


def test_a_lost_answer_was_handled(client):
    raw = client()
    raw.ca.faults.add("new-order", LoseAnswer())
    with pytest.raises(LOST):
        raw.new_order("example.com")
    assert len(raw.ca.orders) == 1
    assert raw.ca.requests[-1] == Seen("POST", "/new-order", "new-order", 201)


def test_a_truncated_answer_says_how_long_it_should_have_been(client):
    raw = client()
    raw.ca.faults.add("account", Truncate(10))
    with pytest.raises(http.client.IncompleteRead) as caught:
        raw.post(raw.kid)
    assert caught.value.partial == b'{"status":'


def test_a_delay_comes_before_the_handling(client):
    raw = client()
    raw.ca.faults.add("account", Delay(0.05))
    began = time.monotonic()
    assert raw.post(raw.kid).status == 200
    assert time.monotonic() - began >= 0.05


def test_a_delay_ends_when_the_server_stops(client):
    raw = client()
    raw.ca.faults.add("account", Delay(3600))

    def ask():
        with contextlib.suppress(OSError):
            raw.post(raw.kid)

    thread = threading.Thread(target=ask)
    thread.start()
    while raw.ca.faults.pending:
        threading.Event().wait(0.001)
    raw.ca.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_headers_can_be_removed_and_added(client):
    raw = client()
    raw.ca.faults.add("account", EditHeaders(("replay-nonce", "link"), {"X-Cache": "MISS"}))
    reply = raw.post(raw.kid)
    assert (reply.headers["Replay-Nonce"], reply.headers["Link"], reply.headers["X-Cache"]) == (None, None, "MISS")
    assert reply.json["status"] == "valid"


def test_a_fault_happens_so_often_and_not_too_early(client):
    raw = client()
    raw.ca.faults.add("account", Problem("serverInternal", status=500), times=2, after=1)
    assert [raw.post(raw.kid).status for _ in range(5)] == [200, 500, 500, 200, 200]
    assert raw.ca.faults.pending == ()


def test_a_fault_without_end_lasts_until_it_is_cleared(client):
    raw = client()
    raw.ca.faults.add("*", Problem("serverInternal", status=500), times=None)
    assert [raw.post(raw.kid).status for _ in range(3)] == [500, 500, 500]
    assert raw.get(raw.ca.directory_url).status == 500
    raw.ca.faults.clear()
    assert raw.post(raw.kid).status == 200


def test_answers_follow_each_other_in_the_order_they_were_added(client):
    raw = client()
    for status in (500, 502, 503):
        raw.ca.faults.add("account", Answer(status))
    assert [raw.post(raw.kid, nonce="any").status for _ in range(3)] == [500, 502, 503]


def test_actions_of_different_stages_combine(client):
    raw = client()
    raw.ca.faults.add("account", Delay(0.05))
    raw.ca.faults.add("account", Problem("serverInternal", status=500))
    raw.ca.faults.add("account", EditHeaders(add={"X-Cache": "HIT"}))
    began = time.monotonic()
    reply = raw.post(raw.kid)
    assert (reply.status, reply.headers["X-Cache"]) == (500, "HIT")
    assert time.monotonic() - began >= 0.05


def test_other_kinds_are_not_touched(client):
    raw = client()
    raw.ca.faults.add("finalize", Drop())
    assert raw.new_order("example.com").status == 201
    assert raw.ca.faults.pending == (Drop(),)


@pytest.mark.parametrize(("kind", "hint"), [("newOrder", r" \(did you mean 'new-order'\?\)"), ("ocsp", "")])
def test_a_kind_that_no_request_has_is_refused(client, kind, hint):
    raw = client()
    with pytest.raises(ValueError, match=rf"^kind: '{kind}' is none of directory, .*, unknown, and not '\*'{hint}$"):
        raw.ca.faults.add(kind, Drop())
    assert raw.ca.faults.pending == ()


def test_every_kind_of_request_can_meet_a_fault(client):
    raw = client()
    paths = {
        "orders": "/account/1/orders",
        "finalize": "/order/1/finalize",
        "revoke": "/revoke-cert",
        "renewal-info": "/renewal-info/1",
        "unknown": "/elsewhere",
    }
    resources = ("account", "order", "authz", "challenge", "certificate")
    for kind in KINDS:
        raw.ca.faults.add(kind, Answer(418))
        path = paths.get(kind, f"/{kind}/1" if kind in resources else f"/{kind}")
        assert raw.get(raw.ca.directory_url.replace("/directory", path)).status == 418
        assert raw.ca.requests[-1].kind == kind
