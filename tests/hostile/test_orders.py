"""Orders that are not what was ordered, or lead nowhere (RFC 8555 §7.1.3, §7.4)."""

from __future__ import annotations

import pytest
from acmez_testkit import Answer

from acmez import CertificateError, DefaultRetry
from acmez.acme.errors import MalformedAnswer
from acmez.acme.order import Order
from tests.acme.answers import response
from tests.hostile.answers import NAME, authorization, challenge, made, order, origin
from tests.hostile.conftest import Start
from tests.solvers import BlindWebSolver, TxtSolver, WebSolver

EVIL = {"type": "dns", "value": "evil.example"}


@pytest.mark.parametrize(
    "identifiers",
    [
        [EVIL],
        [{"type": "dns", "value": NAME}, EVIL],
        [{"type": "dns", "value": f"*.{NAME}"}],
        [{"type": "ip", "value": NAME}],
        [{"type": "dns", "value": "www.еxample.org"}],  # noqa: RUF001 - that is what it is about
    ],
    ids=["others", "more", "wildcard", "type", "look-alike"],
)
def test_identifiers_that_were_not_ordered_are_refused_before_anything_is_presented(start: Start, identifiers: object):
    lab = start()
    solver = TxtSolver(zone=lab.zone)
    client = lab.client(solver)
    lab.ca.faults.add("new-order", made(lab, order(lab, identifiers=identifiers)))
    with pytest.raises(MalformedAnswer, match="is not for what was asked for"):
        client.obtain([NAME])
    assert solver.calls == []
    assert lab.requests()["authz"] == 0


def test_identifiers_that_change_once_the_order_is_ready_change_nothing(start: Start):
    """What counts is what the certificate request asks for, and that the certificate fits it."""
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    foreign = client.obtain(["evil.example"]).chain
    finalized = order(lab, status="valid", identifiers=[EVIL], certificate=foreign.url)
    lab.ca.faults.add("finalize", Answer(200, finalized))
    with pytest.raises(CertificateError, match="another key"):
        client.obtain([NAME])


@pytest.mark.parametrize(
    "identifier",
    [
        EVIL,
        {"type": "dns", "value": "a.www.example.org"},
        {"type": "dns", "value": "ww.example.org"},
        {"type": "ip", "value": "192.0.2.1"},
        {"type": "dns", "value": f"{NAME}\x00.evil.example"},
    ],
)
def test_an_authorization_that_nobody_asked_for_is_not_answered(start: Start, identifier: dict[str, str]):
    lab = start()
    solver = TxtSolver(zone=lab.zone)
    client = lab.client(solver)
    more = [f"{origin(lab)}/authz/1", f"{origin(lab)}/authz/2"]
    lab.ca.faults.add("new-order", made(lab, order(lab, authorizations=more)))
    lab.ca.faults.add("authz", Answer(200, authorization(lab, challenges=[challenge(lab, type="dns-01")])))
    foreign = authorization(lab, identifier=identifier, challenges=[challenge(lab, type="dns-01")])
    lab.ca.faults.add("authz", Answer(200, foreign))
    with pytest.raises(MalformedAnswer, match="to be proved, which was not ordered"):
        client.obtain([NAME])
    assert solver.calls == []
    assert lab.ca.txt_records == {}


def test_an_authorization_that_is_named_twice_is_fetched_once():
    read = Order.from_response(response({"authorizations": ["/a/1", "/a/1", "/a/2", "/a/1"]}, location="/order/1"))
    assert [url.rpartition("/a/")[2] for url in read.authorizations] == ["1", "2"]


def test_one_order_for_two_issuances_gives_each_its_own_key_or_none(start: Start):
    """A CA that answers newOrder with an order that another key finalized cannot pass its certificate off."""
    lab = start(reuse_orders=True)
    client = lab.client(WebSolver(web=lab.web))
    first = client.obtain([NAME])
    answer = order(lab, status="valid", certificate=first.chain.url)
    lab.ca.faults.add("new-order", made(lab, answer))
    second = client.obtain([NAME])
    assert second.order_url != first.order_url
    assert second.leaf.public_key() != first.leaf.public_key()


def test_a_ca_that_offers_nothing_but_a_foreign_order_is_given_up(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    first = client.obtain([NAME])
    answer = order(lab, status="valid", certificate=first.chain.url)
    lab.ca.faults.add("new-order", made(lab, answer), times=5)
    with pytest.raises(CertificateError, match="another key"):
        client.obtain([NAME])


@pytest.mark.parametrize("status", ["valid", "ready"])
def test_an_authorized_order_needs_no_proof_and_leaks_none(start: Start, status: str):
    lab = start()
    solver = BlindWebSolver(web=lab.web)
    client = lab.client(solver, retry=DefaultRetry(attempts=1))
    lab.ca.faults.add("new-order", made(lab, order(lab, status=status, certificate=f"{origin(lab)}/certificate/1")))
    with pytest.raises(Exception, match="HTTP 404"):
        client.obtain([NAME])
    assert solver.calls == []
