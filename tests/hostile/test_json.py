"""JSON that is too deep, too large, of the wrong type, or said twice; and texts that play tricks on terminals."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from acmez_testkit import Answer, Problem

from acmez import AcmeError, DefaultRetry, events
from acmez.acme import (
    Account,
    Client,
    Delegation,
    Directory,
    MalformedAnswer,
    ProblemError,
    RenewalInfo,
    Response,
    SigningKey,
)
from acmez.acme.problem import problem_error
from acmez.acme.wire import parse_json
from tests.acme.answers import response
from tests.acme.keys import P256
from tests.acme.server import LoopbackServer, reply
from tests.hostile.answers import NAME, TRICKS, authorization, challenge, made, names, order, origin, tricky
from tests.hostile.conftest import Start
from tests.solvers import WebSolver

DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BODIES = {
    "deep objects": DEEP,
    "deep arrays": b"[" * 1_000_000,
    "open": b'{"a":' * 1000,
    "repeated": b'{"status":"pending","status":"valid"}',
    "repeated inside": b'{"identifiers":[{"type":"dns","type":"ip"}]}',
    "nan": b'{"status":NaN}',
    "infinity": b'{"status":-Infinity}',
    "long number": b'{"status":' + b"9" * 100_000 + b"}",
    "array": b"[]",
    "null": b"null",
    "text": b'"pending"',
    "empty": b"",
    "page": b"<!DOCTYPE html>",
    "latin-1": b'{"status":"\xe4"}',
    "utf-16": '{"status":"pending"'.encode("utf-16"),
}
WRONG: dict[str, object] = {
    "null": None,
    "flag": True,
    "number": -1e308,
    "long number": 10**400,
    "text": TRICKS,
    "surrogate": "\ud800",
    "array": [],
    "arrays": [[[]]],
    "object": {},
    "nulls": [None],
    "objects": [{"type": {}, "value": [], "url": 7, "token": {}, "status": []}],
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("kind", ["new-order", "authz", "order", "finalize"])
def test_a_bomb_is_an_answer_that_cannot_be_read(start: Start, kind: str, body: bytes):
    """The issuance ends with an error of acmez's own, or gets through it; nothing else is raised."""
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(attempts=1))
    lab.ca.faults.add(kind, Answer(201, body, {"Location": f"{origin(lab)}/order/1"}, "application/json"), times=None)
    with pytest.raises(AcmeError) as raised:
        client.obtain([NAME], timeout=5)
    lab.ca.faults.clear()
    assert len(str(raised.value)) < 1000
    assert names(client.obtain([NAME])) == {NAME}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_bomb_for_a_directory_is_told(server: LoopbackServer, client: Client, body: bytes):
    server.on("/directory", reply(200, body))
    with pytest.raises(MalformedAnswer, match=r"not JSON|nested too deeply|JSON object|not an ACME directory"):
        client.directory()


def test_depth_within_reason_is_read():
    body = b'{"a":' * 50 + b"1" + b"}" * 50
    assert json.dumps(parse_json(body, "https://ca.example/")) == body.decode().replace(":", ": ")


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("member", ["status", "identifiers", "authorizations", "finalize", "certificate", "expires"])
def test_a_member_of_an_order_of_the_wrong_type_does_no_harm(start: Start, member: str, wrong: object):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(attempts=1))
    status = "valid" if member == "certificate" else "ready" if member == "finalize" else "pending"
    lab.ca.faults.add("new-order", made(lab, order(lab, **{"status": status, member: wrong})))
    told = outcome(client, 1)
    assert not tricky(told)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(
    "member", ["status", "identifier", "challenges", "wildcard", "expires", "type", "url", "error"]
)
def test_a_member_of_an_authorization_of_the_wrong_type_does_no_harm(start: Start, member: str, wrong: object):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(solver, retry=DefaultRetry(attempts=1))
    inside = member in {"type", "url", "token", "error"}
    changed: dict[str, Any] = {"challenges": [challenge(lab, **{member: wrong})]} if inside else {member: wrong}
    lab.ca.faults.add("authz", Answer(200, authorization(lab, **changed)))
    told = outcome(client, 1)
    assert not tricky(told)
    assert solver.left == set()


DOCUMENTS: dict[str, tuple[Callable[[Response], object], dict[str, Any]]] = {
    "directory": (
        Directory.from_response,
        {
            "newNonce": "/nonce",
            "newAccount": "/account",
            "newOrder": "/order",
            "renewalInfo": "/info",
            "meta": {
                "termsOfService": "/terms",
                "website": "/",
                "caaIdentities": ["ca.example"],
                "externalAccountRequired": True,
                "profiles": {"classic": "/classic"},
                "auto-renewal": {"min-lifetime": 1},
                "subdomainAuthAllowed": True,
            },
        },
    ),
    "account": (
        lambda answer: Account.from_response(answer, SigningKey(P256)),
        {"status": "valid", "contact": [], "termsOfServiceAgreed": True, "orders": "/orders", "delegations": "/d"},
    ),
    "renewal information": (
        RenewalInfo.from_response,
        {"suggestedWindow": {"start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00Z"}, "explanationURL": "/x"},
    ),
    "delegation": (
        Delegation.from_response,
        {"csr-template": {"keyTypes": []}, "cname-map": {"a.example": "b.example"}},
    ),
    "problem": (
        problem_error,
        {
            "type": "about:blank",
            "detail": "no",
            "status": 400,
            "instance": "/i",
            "algorithms": ["ES256"],
            "subproblems": [{"type": "x", "detail": "y", "identifier": {"type": "dns", "value": NAME}}],
        },
    ),
}
MEMBERS = [
    (kind, (outer, *inner))
    for kind, (_, document) in DOCUMENTS.items()
    for outer, value in document.items()
    for inner in [(), *((name,) for name in (value if isinstance(value, dict) else ()))]
]


@pytest.mark.parametrize(("kind", "path"), MEMBERS, ids=[f"{kind}-{'.'.join(path)}" for kind, path in MEMBERS])
def test_a_member_of_any_other_answer_of_the_wrong_type_does_no_harm(kind: str, path: tuple[str, ...]):
    read, document = DOCUMENTS[kind]
    for wrong in WRONG.values():
        changed = deepcopy(document)
        table = changed[path[0]] if path[1:] else changed
        table[path[-1]] = wrong
        try:
            told = str(read(response(changed, location="/1")))
        except AcmeError as exc:
            told = str(exc)
        assert not tricky(told)


def outcome(client: Any, timeout: float) -> str:
    """Return what an issuance ends with: an error of acmez's own, or names."""
    try:
        return str(client.obtain([NAME], timeout=timeout).leaf.subject)
    except AcmeError as exc:
        return f"{exc} {exc!r}"


class TestTerminals:
    """Texts of a CA are printed without what a terminal would obey."""

    def test_a_problem(self, start: Start, caplog: pytest.LogCaptureFixture):
        caplog.set_level(logging.DEBUG)
        lab = start()
        seen: list[events.Event] = []
        client = lab.client(WebSolver(web=lab.web), on_event=seen.append)
        lab.ca.faults.add("new-order", Problem(f"https://ca.example/{TRICKS}", TRICKS, 403))
        with pytest.raises(ProblemError) as raised:
            client.obtain([NAME])
        assert "\ufffd[31mred" in str(raised.value)
        assert not tricky(str(raised.value) + raised.value.problem.detail)
        assert not tricky(caplog.text + told(seen))

    def test_every_text_of_an_authorization(self, start: Start):
        lab = start()
        seen: list[events.Event] = []
        client = lab.client(WebSolver(web=lab.web), on_event=seen.append)
        error = {"type": TRICKS, "detail": TRICKS, "identifier": {"type": "dns", "value": TRICKS}}
        odd = [challenge(lab, type=TRICKS, status=TRICKS), challenge(lab, status="invalid", error=error)]
        lab.ca.faults.add("authz", Answer(200, authorization(lab, status="invalid", challenges=odd)), times=None)
        with pytest.raises(AcmeError) as raised:
            client.obtain([NAME])
        lab.ca.faults.clear()
        assert "\ufffd[31mred" in told(seen)
        assert not tricky(str(raised.value) + told(seen))

    @pytest.mark.parametrize("member", ["identifiers", "status", "error"])
    def test_every_text_of_an_order(self, start: Start, member: str):
        lab = start()
        seen: list[events.Event] = []
        client = lab.client(WebSolver(web=lab.web), on_event=seen.append, retry=DefaultRetry(attempts=1))
        changed: dict[str, Any] = {
            "identifiers": {"identifiers": [{"type": "dns", "value": TRICKS}]},
            "status": {"status": TRICKS, "authorizations": []},
            "error": {"status": "invalid", "error": {"type": TRICKS, "detail": TRICKS}},
        }
        lab.ca.faults.add("new-order", made(lab, order(lab, **changed[member])))
        with pytest.raises(AcmeError) as raised:
            client.obtain([NAME], timeout=1)
        assert not tricky(str(raised.value) + told(seen))

    def test_a_page_that_is_no_problem_document(self, server: LoopbackServer, client: Client):
        server.on("/directory", reply(502, f"<html>{TRICKS}"))
        with pytest.raises(ProblemError, match="<html>\ufffd") as raised:
            client.directory()
        assert not tricky(str(raised.value))


def told(seen: list[events.Event]) -> str:
    """What the texts of events are, as somebody who prints them sees them."""
    texts: list[str] = []
    for event in seen:
        for value in vars(event).values():
            texts += value if isinstance(value, tuple) else [str(value)]
    return " ".join(texts)
