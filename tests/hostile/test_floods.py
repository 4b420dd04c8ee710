"""Answers without end: each has a limit, and what lies beyond it is refused before it costs anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from acmez_testkit import Answer, EditHeaders

from acmez import DefaultRetry, TryAgainLater
from acmez.acme import Account, Client, MalformedAnswer, SigningKey, UnsupportedError
from acmez.acme.authorization import Authorization
from acmez.acme.headers import parse_links
from acmez.acme.nonces import nonce_of
from acmez.acme.order import Order
from tests.acme.answers import response
from tests.acme.keys import P256
from tests.acme.server import LoopbackServer, Peer, Request, reply
from tests.hostile.answers import NAME, made, names, order, origin
from tests.hostile.conftest import Start
from tests.solvers import TxtSolver, WebSolver

ACCOUNT = Account("https://ca.example/account/1", SigningKey(P256))
DNS = {"type": "dns", "value": NAME}


def test_an_order_of_100_000_authorizations_is_refused_without_fetching_one(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(solver, retry=DefaultRetry(attempts=1))
    many = [f"/a/{number}" for number in range(100_000)]
    lab.ca.faults.add("new-order", made(lab, order(lab, authorizations=many)))
    with pytest.raises(MalformedAnswer, match=r"has 100000 authorizations \(limit: 1000\)"):
        client.obtain([NAME])
    assert lab.requests()["authz"] == 0
    assert solver.calls == []


def test_an_order_may_have_more_authorizations_than_identifiers():
    for identifiers, authorizations in ((1, 1000), (500, 5000)):
        document = {"identifiers": [DNS] * identifiers, "authorizations": [f"/{n}" for n in range(authorizations)]}
        read = Order.from_response(response(document, location="/order/1"))
        assert len(read.authorizations) == authorizations


def test_an_authorization_of_10_000_challenges_is_refused():
    document = {"identifier": DNS, "challenges": [{"type": "http-01", "token": "AAAA"}] * 10_000}
    with pytest.raises(MalformedAnswer, match=r"has 10000 challenges \(limit: 100\)"):
        Authorization.from_response(response(document), ACCOUNT, url="https://ca.example/authz/1")


def test_ten_thousand_certificates_are_refused_before_one_is_parsed(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(attempts=1))
    flood = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" * 10_000
    lab.ca.faults.add("certificate", Answer(200, flood, content_type="application/pem-certificate-chain"))
    with pytest.raises(MalformedAnswer, match=r"the chain holds 10000 certificates \(limit: 32\)"):
        client.obtain([NAME])


def test_a_body_without_end_is_cut_off(server: LoopbackServer, client: Client):
    def endless(request: Request, peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
        while True:
            peer.send(b" " * 65536)

    server.on("/directory", endless)
    with pytest.raises(MalformedAnswer, match="the answer is larger than 4194304 bytes"):
        client.directory()


def test_a_head_without_end_is_cut_off(server: LoopbackServer, client: Client):
    server.on("/directory", reply(200, {}, **{f"x_{number}": "y" for number in range(1000)}))
    with pytest.raises(Exception, match="got more than 100 headers"):
        client.directory()


def test_pages_that_link_to_each_other_end(server: LoopbackServer, client: Client):
    for page, following in ((1, 2), (2, 3), (3, 1)):
        server.on(f"/{page}", reply(200, {"orders": [f"/order/{page}"]}, link=f'</{following}>;rel="next"'))
    account = replace(ACCOUNT, orders=f"{server.url}/1")
    assert len(list(client.orders(account))) == 3
    assert [len(server.asked(f"/{page}")) for page in (1, 2, 3)] == [1, 1, 1]


def test_pages_without_end_are_read_as_they_are_asked_for(server: LoopbackServer, client: Client):
    """Nobody who stops reading fetches more; who does not stop ends at the limit."""
    for page in range(5):
        server.on(f"/{page}", reply(200, {"orders": [f"/order/{page}"]}, link=f'</{page + 1}>;rel="next"'))
    orders = client.orders(replace(ACCOUNT, orders=f"{server.url}/0"))
    assert next(orders) == f"{server.url}/order/0"
    assert server.asked("/1") == []
    with pytest.raises(UnsupportedError):
        next(client.orders(ACCOUNT))


def test_chains_that_link_to_each_other_end(start: Start):
    lab = start(alternate_roots=0)
    client = lab.client(WebSolver(web=lab.web))
    chain = client.obtain([NAME]).chain
    loop = {"Link": f'<{chain.url}>;rel="alternate", <{origin(lab)}/certificate/2>;rel="alternate"'}
    lab.ca.faults.add("certificate", EditHeaders(add=loop), times=1)
    assert names(client.obtain([NAME], preferred_chain="nowhere")) == {NAME}
    assert lab.requests()["certificate"] == 4  # the first one, the second one, and each link of that once


def test_ten_thousand_links_are_cut():
    flood = ", ".join(f'<https://ca.example/{number}>;rel="alternate"' for number in range(10_000))
    assert len(parse_links([flood], "https://ca.example/")["alternate"]) == 64


@pytest.mark.parametrize(
    "value", ["-1", "-1e9", "nan", "inf", "-inf", "1e400", "", "soon", "0x10", "9" * 5000, "Thu, 99 Foo 0000", "\u0661"]
)
def test_a_retry_after_that_makes_no_sense_neither_hurries_nor_stops_the_client(start: Start, value: str):
    lab = start(async_finalize=True, processing_seconds=0.01, retry_after=(None, None))
    client = lab.client(WebSolver(web=lab.web))
    field = value.encode("utf-8").decode("latin-1")
    lab.ca.faults.add("finalize", EditHeaders(add={"Retry-After": field}))
    assert names(client.obtain([NAME])) == {NAME}


@pytest.mark.parametrize("value", ["86400", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_retry_after_beyond_all_patience_ends_the_wait(start: Start, value: str):
    lab = start(async_finalize=True, processing_seconds=0.01, retry_after=(None, None))
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("finalize", EditHeaders(add={"Retry-After": value}))
    with pytest.raises(TryAgainLater, match="the CA asks to come back"):
        client.obtain([NAME])


@pytest.mark.parametrize("nonce", ["a b", "a+b/", "a=", "", "ä", '"}', "A" * 1025, "\x1b[31m"])
def test_a_nonce_outside_the_alphabet_is_never_signed(server: LoopbackServer, client: Client, nonce: str):
    assert nonce_of(response(replay_nonce=nonce)) is None
    server.on("/nonce", reply(200, replay_nonce=nonce))
    with pytest.raises(MalformedAnswer, match="no usable Replay-Nonce"):
        client.new_account(ACCOUNT.key)
    assert [request.method for request in server.requests] == ["GET", "HEAD"]


def test_a_solver_is_not_asked_for_what_was_refused(start: Start):
    lab = start()
    solver = TxtSolver(zone=lab.zone)
    client = lab.client(solver, retry=DefaultRetry(attempts=1))
    offered = [{"type": "dns-01", "url": f"{origin(lab)}/challenge/{n}", "token": "AAAA"} for n in range(101)]
    lab.ca.faults.add("authz", Answer(200, {"identifier": DNS, "status": "pending", "challenges": offered}))
    with pytest.raises(MalformedAnswer, match=r"has 101 challenges"):
        client.obtain([NAME])
    assert solver.calls == []
