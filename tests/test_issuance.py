"""One certificate, from newOrder to download, by a CA that does not always make it easy (RFC 8555 §7.4)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from acmez_testkit import Answer, Drop, LoseAnswer, Problem, Truncate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from acmez import (
    AcmeError,
    CertificateError,
    CertificateSpec,
    ChallengesFailed,
    DefaultRetry,
    InputError,
    OrderFailed,
    PluginManager,
    Polling,
    ProblemError,
    RateLimited,
    Route,
    TransportError,
    TryAgainLater,
    hookimpl,
)
from acmez.acme import RejectedIdentifier
from acmez.acme.certificate import Chain
from acmez.acme.errors import MalformedAnswer
from acmez.csr import build_request, certificate_names, identifiers
from tests.solvers import BlindWebSolver, Lab, TxtSolver, WebSolver, laboratory

Start = Callable[..., Lab]
Fault = Answer | Drop | LoseAnswer | Problem
NAME = "www.example.org"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def names_of(certificate: x509.Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate)}


def self_signed(names: list[str], key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bytes:
    """A certificate for *names* and *key* by some issuer, in PEM."""
    issuer = ec.generate_private_key(ec.SECP256R1())
    public = key if isinstance(key, ec.EllipticCurvePublicKey) else key.public_key()
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "some issuer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(title).issuer_name(title).public_key(public).serial_number(7)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return builder.add_extension(san, critical=False).sign(issuer, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem_answer(pem: bytes) -> Answer:
    return Answer(200, pem, content_type="application/pem-certificate-chain")


# newOrder


def test_an_order_for_other_names_is_refused(start: Start):
    """A CA dropped a wildcard once, and the client got a certificate without it."""
    lab = start()
    solver = TxtSolver(zone=lab.zone)
    client = lab.client(solver)
    order = {
        "status": "pending",
        "identifiers": [{"type": "dns", "value": "example.org"}],
        "authorizations": [f"{lab.ca.directory_url}/nowhere"],
        "finalize": f"{lab.ca.directory_url}/nowhere",
    }
    lab.ca.faults.add("new-order", Answer(201, order, {"Location": f"{lab.ca.directory_url}/order/1"}))
    with pytest.raises(MalformedAnswer, match=r"differing: \*\.example\.org"):
        client.obtain(["example.org", "*.example.org"])
    assert solver.calls == []


def test_identifiers_in_another_spelling_are_the_same(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    issued = client.obtain(["WWW.Example.ORG", "www.example.org.", "127.0.0.1"])
    assert names_of(issued.leaf) == {NAME, "127.0.0.1"}


def test_an_order_that_is_born_invalid_says_why(start: Start):
    lab = start()
    order = {
        "status": "invalid",
        "identifiers": [{"type": "dns", "value": NAME}],
        "error": {"type": "urn:ietf:params:acme:error:caa", "detail": "not by us"},
    }
    lab.ca.faults.add("new-order", Answer(201, order, {"Location": f"{lab.ca.directory_url}/order/1"}))
    with pytest.raises(OrderFailed, match="caa: not by us") as raised:
        lab.client(WebSolver(web=lab.web)).obtain([NAME])
    assert raised.value.order_url == f"{lab.ca.directory_url}/order/1"


def test_a_rejected_name_is_named(start: Start):
    lab = start(rejected_names=frozenset({"bad.example.org"}))
    solver = WebSolver(web=lab.web)
    with pytest.raises(ProblemError, match="rejectedIdentifier") as raised:
        lab.client(solver).obtain([NAME, "bad.example.org"])
    assert [str(sub.identifier) for sub in raised.value.problem.subproblems] == ["bad.example.org"]
    assert solver.calls == []


def test_a_rate_limit_beyond_the_patience_is_told_with_its_time(start: Start):
    lab = start()
    lab.ca.faults.add("new-order", Problem("rateLimited", status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(RateLimited) as raised:
        lab.client(WebSolver(web=lab.web)).obtain([NAME])
    assert raised.value.retry_after == 7200
    assert lab.requests()["new-order"] == 1


@pytest.mark.parametrize("request_", ["authz", "challenge", "order", "finalize", "certificate"])
def test_a_rate_limit_in_the_midst_of_an_order_names_the_order_too(start: Start, request_: str):
    lab = start()
    solver = WebSolver(web=lab.web)
    lab.ca.faults.add(request_, Problem("rateLimited", "too many", status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(
        TryAgainLater, match=r"/order/\d+: the CA asks to come back in 7200 s: rateLimited: too many$"
    ) as e:
        lab.client(solver).obtain([NAME])
    assert e.value.resume == lab.ca.orders[0].url
    assert 7100 < (e.value.not_before - datetime.now(UTC)).total_seconds() <= 7200
    assert lab.requests()["new-order"] == 1
    assert solver.left == set()


def test_a_lost_answer_to_neworder_is_not_followed_by_a_second_order(start: Start):
    lab = start()
    lab.ca.faults.add("new-order", LoseAnswer())
    assert names_of(lab.client(WebSolver(web=lab.web)).obtain([NAME]).leaf) == {NAME}
    assert lab.requests()["new-order"] == 1


@pytest.mark.parametrize("kind", ["new-order", "challenge", "finalize"])
@pytest.mark.parametrize(
    "fault",
    [
        Drop(),
        LoseAnswer(),
        Problem("serverInternal", status=500),
        Answer(502, "<html>", content_type="text/html"),
        Answer(200, "<html>", content_type="text/html"),
    ],
)
def test_what_may_be_acted_on_once_is_got_through_without_a_second_order(start: Start, kind: str, fault: Fault):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(first_delay=0.001))
    lab.ca.faults.add(kind, fault, times=3)
    assert names_of(client.obtain([NAME]).leaf) == {NAME}
    lab.ca.faults.clear()  # a lost answer to what the CA acted on is met only once
    assert len(lab.ca.orders) == 1


@pytest.mark.parametrize("answer", [Problem("malformed", status=404), Answer(200, "<html>")])
def test_a_list_of_orders_that_is_not_there_does_not_matter(start: Start, answer: Fault):
    lab = start(reuse_orders=True)
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(first_delay=0.001))
    lab.ca.faults.add("new-order", LoseAnswer())
    lab.ca.faults.add("orders", answer, times=None)
    assert names_of(client.obtain([NAME]).leaf) == {NAME}
    lab.ca.faults.clear()
    assert len(lab.ca.orders) == 1


def test_an_authorization_is_given_up_also_if_another_order_follows(start: Start):
    lab = start()
    stale = {"identifier": {"type": "dns", "value": NAME}, "status": "invalid", "challenges": []}
    lab.ca.faults.add("authz", Answer(200, stale))
    assert names_of(lab.client(WebSolver(web=lab.web)).obtain([NAME]).leaf) == {NAME}
    assert sorted(authorization.status for authorization in lab.ca.authorizations) == ["deactivated", "valid"]


def test_authorizations_that_cannot_be_read_are_given_up(start: Start):
    lab = start()
    lab.ca.faults.add("authz", Problem("unauthorized", status=403))
    with pytest.raises(ProblemError, match="unauthorized"):
        lab.client(WebSolver(web=lab.web)).obtain([NAME])
    assert [authorization.status for authorization in lab.ca.authorizations] == ["deactivated"]


def test_neworder_is_sent_again_if_it_never_arrived(start: Start):
    lab = start()
    lab.ca.faults.add("new-order", Drop())
    assert names_of(lab.client(WebSolver(web=lab.web)).obtain([NAME]).leaf) == {NAME}
    assert lab.requests()["new-order"] == 2
    assert len(lab.ca.orders) == 1


def test_the_validity_is_asked_for(start: Start):
    lab = start()
    end = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    issued = lab.client(WebSolver(web=lab.web)).obtain(CertificateSpec(names=(NAME,), not_after=end))
    assert issued.leaf.not_valid_after_utc == end


def test_a_profile_is_asked_for(start: Start):
    lab = start(profiles={"classic": "90 days", "short": "6 days"})
    lab.client(WebSolver(web=lab.web)).obtain([NAME], profile="short")
    assert [order.profile for order in lab.ca.orders] == ["short"]


def test_a_required_profile_that_is_not_offered_orders_nothing(start: Start):
    lab = start(profiles={"classic": "90 days"})
    with pytest.raises(InputError, match="'short' is not offered; profiles: classic"):
        lab.client(WebSolver(web=lab.web)).obtain([NAME], profile="short")
    assert lab.ca.orders == ()


def test_a_preferred_profile_that_is_not_offered_is_left_out(start: Start):
    lab = start(profiles={"classic": "90 days"})
    spec = CertificateSpec(names=(NAME,), profile="short", profile_required=False)
    lab.client(WebSolver(web=lab.web)).obtain(spec)
    assert [order.profile for order in lab.ca.orders] == ["classic"]


def test_the_replaced_certificate_is_named(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    old = client.obtain([NAME])
    client.obtain([NAME], replaces=old.leaf)
    first, second = lab.ca.orders
    assert second.replaces == lab.ca.certificates[0].cert_id
    assert lab.ca.certificates[0].replaced_by == second.url != first.url


def test_a_certificate_that_is_replaced_already_is_no_obstacle(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    old = client.obtain([NAME])
    client.obtain([NAME], replaces=old.leaf)
    client.obtain([NAME], replaces=old.leaf)
    assert [order.replaces is None for order in lab.ca.orders] == [True, False, True]


def test_without_renewal_info_nothing_is_said_to_be_replaced(start: Start):
    lab = start(renewal_info=False)
    client = lab.client(WebSolver(web=lab.web))
    old = client.obtain([NAME])
    client.obtain([NAME], replaces=old.leaf)
    assert [order.replaces for order in lab.ca.orders] == [None, None]
    assert lab.requests()["new-order"] == 2


def test_a_refusal_for_another_reason_is_not_blamed_on_replaces(start: Start):
    lab = start(rejected_names=frozenset({"bad.example.org"}))
    client = lab.client(WebSolver(web=lab.web))
    old = client.obtain([NAME])
    with pytest.raises(ProblemError, match="rejectedIdentifier"):
        client.obtain([NAME, "bad.example.org"], replaces=old.leaf)
    assert lab.requests()["new-order"] == 2


# finalize


def test_a_lost_answer_to_finalize_is_not_followed_by_a_second_finalize(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("finalize", LoseAnswer())
    issued = client.obtain([NAME])
    assert names_of(issued.leaf) == {NAME}
    assert lab.requests()["finalize"] == 1


def test_a_lost_answer_to_finalize_is_waited_for_while_the_ca_issues(start: Start):
    lab = start(async_finalize=True, retry_after=(None, None))
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("finalize", Truncate(10))
    issued = client.obtain([NAME])
    assert names_of(issued.leaf) == {NAME}
    assert lab.requests()["finalize"] == 1


def test_finalize_is_sent_again_if_it_never_arrived(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("finalize", Drop())
    assert names_of(client.obtain([NAME]).leaf) == {NAME}
    assert lab.requests()["finalize"] == 2


def test_finalize_that_never_arrives_is_given_up(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(first_delay=0.01))
    lab.ca.faults.add("finalize", Drop(), times=None)
    with pytest.raises(TransportError):
        client.obtain([NAME])
    assert 2 <= lab.requests()["finalize"] <= 10
    lab.ca.faults.clear()


@pytest.mark.parametrize("refusal", [Problem("orderNotReady", status=403), Problem("conflict", status=409)])
def test_an_order_that_cannot_be_finalized_just_now_is_read_again(start: Start, refusal: Problem):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("finalize", refusal, times=2)
    assert names_of(client.obtain([NAME]).leaf) == {NAME}
    assert lab.requests()["finalize"] == 3


def test_an_order_that_never_gets_ready_is_given_up(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), polling=Polling(timeout=0.2))
    lab.ca.faults.add("finalize", Problem("orderNotReady", status=403), times=None)
    with pytest.raises(AcmeError, match="orderNotReady"):
        client.obtain([NAME])
    lab.ca.faults.clear()


def test_a_bad_csr_is_told_as_the_ca_tells_it(start: Start):
    lab = start(min_rsa_bits=4096)
    key = rsa.generate_private_key(65537, 2048)
    with pytest.raises(ProblemError, match="badCSR"):
        lab.client(WebSolver(web=lab.web)).obtain([NAME], key=key)
    assert lab.requests()["finalize"] == 1


@pytest.mark.parametrize("async_finalize", [False, True])
def test_an_order_that_gets_invalid_says_why(start: Start, async_finalize: bool):
    lab = start(
        caa_refused_names=frozenset({NAME}),
        async_finalize=async_finalize,
        processing_seconds=0.02,
        retry_after=(None, None),
    )
    solver = WebSolver(web=lab.web)
    with pytest.raises(OrderFailed, match=f"caa: .*{NAME}") as raised:
        lab.client(solver).obtain([NAME])
    assert raised.value.order_url == lab.ca.orders[0].url
    assert solver.called("clean_up") == [NAME]


def test_retry_after_is_honoured(start: Start):
    """One look: after the second that the CA asked for, not before."""
    lab = start(async_finalize=True, processing_seconds=0.3, retry_after=(None, 1))
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("finalize", Problem("orderNotReady", status=403))  # marks the place in the requests
    client.obtain([NAME])
    kinds = [seen.kind for seen in lab.ca.requests]
    after = kinds[len(kinds) - kinds[::-1].index("finalize") :]
    assert after == ["order", "certificate"]


@pytest.mark.parametrize("value", [0, "-5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_an_odd_retry_after_neither_hurries_nor_stops_the_client(start: Start, value: int | str):
    lab = start(async_finalize=True, processing_seconds=0.2, retry_after=(None, value))
    lab.client(WebSolver(web=lab.web)).obtain([NAME])
    assert 1 < lab.requests()["order"] <= 14


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_beyond_the_patience_says_when_to_come_back(start: Start, as_date: bool):
    lab = start(async_finalize=True, processing_seconds=60, retry_after=(None, 3600), retry_after_as_date=as_date)
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    with pytest.raises(TryAgainLater) as raised:
        client.obtain([NAME])
    assert raised.value.resume == raised.value.order_url is not None
    wait = raised.value.not_before - datetime.now(UTC)
    assert timedelta(minutes=58) < wait <= timedelta(minutes=60, seconds=1)
    assert raised.value.order_url == lab.ca.orders[0].url
    assert not solver.left


def test_an_order_that_stays_processing_is_given_up(start: Start):
    lab = start(async_finalize=True, processing_seconds=60, retry_after=(None, None))
    client = lab.client(WebSolver(web=lab.web), polling=Polling(timeout=0.2))
    with pytest.raises(OrderFailed, match="still 'processing' after finalize"):
        client.obtain([NAME])


# download


@pytest.mark.parametrize("fault", [LoseAnswer(), Drop(), Truncate(100), Answer(502, b"bad gateway")])
def test_a_lost_certificate_is_downloaded_again(start: Start, fault: LoseAnswer | Drop | Truncate | Answer):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(first_delay=0.01))
    lab.ca.faults.add("certificate", fault)
    assert names_of(client.obtain([NAME]).leaf) == {NAME}
    assert lab.requests()["certificate"] == 2
    assert lab.requests()["finalize"] == 1


def test_a_certificate_for_another_key_is_refused(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("certificate", pem_answer(self_signed([NAME], ec.generate_private_key(ec.SECP256R1()))))
    with pytest.raises(CertificateError, match="another key"):
        client.obtain([NAME])


@pytest.mark.parametrize(
    ("issued", "message"),
    [
        ([NAME], r"lacks \*\.example\.org$"),
        ([NAME, "*.example.org", "evil.example"], r"is also for evil\.example$"),
    ],
)
def test_a_certificate_for_other_names_is_refused(start: Start, issued: list[str], message: str):
    lab = start()
    key = ec.generate_private_key(ec.SECP256R1())
    client = lab.client(TxtSolver(zone=lab.zone))
    lab.ca.faults.add("certificate", pem_answer(self_signed(issued, key)))
    with pytest.raises(CertificateError, match=message):
        client.obtain([NAME, "*.example.org"], key=key)


def test_a_certificate_that_is_none_is_refused(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(attempts=1))
    lab.ca.faults.add("certificate", pem_answer(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
    with pytest.raises(MalformedAnswer):
        client.obtain([NAME])


def root_of(lab: Lab, index: int) -> str:
    root = x509.load_pem_x509_certificate(lab.ca.root_pem(index))
    return str(root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def top_of(chain: Chain) -> str:
    return str(chain.certificates[-1].issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_preferred_chain_is_taken(start: Start, index: int):
    lab = start(alternate_roots=2)
    wanted = root_of(lab, index)
    issued = lab.client(WebSolver(web=lab.web)).obtain([NAME], preferred_chain=wanted)
    assert top_of(issued.chain) == wanted
    assert lab.requests()["certificate"] == 1 + index


def test_the_default_chain_does_if_the_preferred_one_is_not_offered(start: Start):
    lab = start(alternate_roots=1)
    issued = lab.client(WebSolver(web=lab.web)).obtain([NAME], preferred_chain="Nobody's Root")
    assert top_of(issued.chain) == root_of(lab, 0)


def test_an_alternate_that_cannot_be_had_does_not_cost_the_certificate(start: Start):
    lab = start(alternate_roots=1)
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("certificate", Problem("serverInternal", status=403), after=1)
    issued = client.obtain([NAME], preferred_chain=root_of(lab, 1))
    assert top_of(issued.chain) == root_of(lab, 0)


def test_a_plugin_chooses_among_all_chains(start: Start):
    lab = start(alternate_roots=2)

    class LastChain:
        @hookimpl
        def acmez_choose_chain(self, chains: list[Chain]) -> Chain:
            return chains[-1]

    plugins = PluginManager(discover=False).register(LastChain())
    issued = lab.client(WebSolver(web=lab.web), plugins=plugins).obtain([NAME])
    assert top_of(issued.chain) == root_of(lab, 2)


# Requests of one's own, and subsets


def test_a_request_of_ones_own_decides_the_names(start: Start):
    lab = start()
    csr = build_request(ec.generate_private_key(ec.SECP384R1()), identifiers([NAME, "example.org"]))
    issued = lab.client(WebSolver(web=lab.web)).obtain(csr)
    assert names_of(issued.leaf) == {NAME, "example.org"}
    assert issued.private_key is None
    assert issued.private_key_pem is None


def test_a_subset_is_issued_without_the_names_that_fail(start: Start):
    lab = start(hosts={"down.example.org": "127.0.0.2"})
    solver = WebSolver(web=lab.web)
    issued = lab.client(solver).obtain([NAME, "down.example.org"], allow_subset=True)
    assert names_of(issued.leaf) == {NAME}
    assert not solver.left


def test_a_subset_is_issued_without_the_names_that_no_solver_is_for(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web)
    issued = lab.client(Route(solver, domains=(NAME,))).obtain(
        [NAME, "example.org", "*.example.org"], allow_subset=True
    )
    assert names_of(issued.leaf) == {NAME}
    assert solver.called("present") == [NAME]


def test_a_subset_is_issued_without_the_names_that_the_ca_does_not_take(start: Start):
    lab = start(rejected_names=frozenset({"bad.example.org", "worse.example.org"}))
    solver = WebSolver(web=lab.web)
    issued = lab.client(solver).obtain([NAME, "bad.example.org", "worse.example.org"], allow_subset=True)
    assert names_of(issued.leaf) == {NAME}
    assert solver.called("present") == [NAME]
    assert len(lab.ca.orders) == 1


def test_a_refused_order_names_every_refused_name(start: Start):
    lab = start(rejected_names=frozenset({"bad.example.org", "worse.example.org"}))
    with pytest.raises(RejectedIdentifier) as raised:
        lab.client(WebSolver(web=lab.web)).obtain([NAME, "bad.example.org", "worse.example.org"])
    refused = {str(item.identifier) for item in raised.value.problem.subproblems}
    assert refused == {"bad.example.org", "worse.example.org"}
    assert all(name in str(raised.value) for name in refused)


def test_no_subset_is_issued_unasked(start: Start):
    lab = start(hosts={"down.example.org": "127.0.0.2"})
    with pytest.raises(ChallengesFailed) as raised:
        lab.client(WebSolver(web=lab.web)).obtain([NAME, "down.example.org"])
    assert [failed.identifier for failed in raised.value.failed] == ["down.example.org"]
    assert lab.ca.certificates == ()


def test_an_empty_subset_is_a_failure(start: Start):
    lab = start()
    with pytest.raises(ChallengesFailed) as raised:
        lab.client(BlindWebSolver(web=lab.web)).obtain([NAME, "example.org"], allow_subset=True)
    assert {failed.identifier for failed in raised.value.failed} == {NAME, "example.org"}


def test_a_request_of_ones_own_has_no_subset(start: Start):
    lab = start(hosts={"down.example.org": "127.0.0.2"})
    csr = build_request(ec.generate_private_key(ec.SECP256R1()), identifiers([NAME, "down.example.org"]))
    with pytest.raises(ChallengesFailed):
        lab.client(WebSolver(web=lab.web)).obtain(csr, allow_subset=True)
    assert len(lab.ca.orders) == 1


# Two at once


def test_two_issuances_for_one_name_that_share_an_order_get_a_certificate_each(start: Start):
    """Boulder answers newOrder with the unfinished order for the same names; only one key can have it."""
    lab = start(reuse_orders=True)
    client = lab.client(WebSolver(web=lab.web))
    together = threading.Barrier(2)
    results: list[set[str]] = []

    def obtain() -> None:
        together.wait()
        results.append(names_of(client.obtain([NAME]).leaf))

    threads = [threading.Thread(target=obtain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{NAME}, {NAME}]
