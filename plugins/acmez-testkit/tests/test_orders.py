from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from .raw import csr


def identifiers(*values: str):
    return [{"type": "dns", "value": value} for value in values]


def test_names_are_lowered_and_duplicates_dropped(client):
    raw = client()
    _, order = raw.order("B.Example.com", "a.example.com", "b.example.com")
    assert order["identifiers"] == identifiers("b.example.com", "a.example.com")


@pytest.mark.parametrize(
    "name", ["", "a..b", "-a.example.com", "a b", "*", "a.*.com", "ü.example", "a" * 64, "192.0.2.1", "x." * 127 + "x"]
)
def test_what_is_no_host_name_is_malformed(client, name):
    assert client().new_order(name).problem == "malformed"


def test_each_rejected_name_has_a_subproblem(client):
    raw = client(rejected_names=frozenset({"bad.example.com", "worse.example.com"}))
    reply = raw.new_order("bad.example.com", "good.example.com", "worse.example.com")
    assert (reply.status, reply.problem) == (400, "rejectedIdentifier")
    assert "identifier" not in reply.json
    named = [(p["type"].rpartition(":")[2], p["identifier"]["value"]) for p in reply.json["subproblems"]]
    assert named == [("rejectedIdentifier", "bad.example.com"), ("rejectedIdentifier", "worse.example.com")]
    assert raw.ca.orders == ()


def test_different_faults_are_a_compound_problem(client):
    raw = client(rejected_names=frozenset({"bad.example.com"}))
    payload = {"identifiers": [*identifiers("bad.example.com"), {"type": "email", "value": "a@example.com"}]}
    reply = raw.post(raw.directory["newOrder"], payload)
    assert reply.problem == "compound"
    assert [p["type"].rpartition(":")[2] for p in reply.json["subproblems"]] == [
        "rejectedIdentifier",
        "unsupportedIdentifier",
    ]


@pytest.mark.parametrize("address", ["127.0.0.01", "0:0:0:0:0:0:0:1", "::FFFF", "example.com", "127.1"])
def test_an_address_is_in_its_canonical_form(client, address):
    raw = client()
    payload = {"identifiers": [{"type": "ip", "value": address}]}
    assert raw.post(raw.directory["newOrder"], payload).problem == "malformed"


def test_there_may_be_too_many_names(client):
    raw = client(max_names=2)
    assert raw.new_order("a.example", "b.example").status == 201
    assert raw.new_order("a.example", "b.example", "c.example").problem == "malformed"


def test_a_redundant_name_is_refused_on_request(client):
    assert client().new_order("*.example.com", "www.example.com").status == 201
    raw = client(refuse_redundant_names=True)
    reply = raw.new_order("*.example.com", "www.example.com")
    assert [p["identifier"]["value"] for p in reply.json["subproblems"]] == ["www.example.com"]
    assert raw.new_order("*.example.com", "example.com", "a.b.example.com").status == 201


def test_the_asked_validity_is_echoed_and_honoured(client, http01):
    raw = client(http_port=http01.port)
    validity = {"notBefore": "2100-01-02T03:04:05Z", "notAfter": "2100-01-09T05:04:05+02:00"}
    _, order = raw.ready(http01, "example.com", **validity)
    assert {name: order[name] for name in validity} == validity
    done = raw.post(order["finalize"], {"csr": csr("example.com")}).json
    leaf = x509.load_pem_x509_certificate(raw.post(done["certificate"]).body)
    assert leaf.not_valid_before_utc == datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert leaf.not_valid_after_utc == datetime(2100, 1, 9, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "validity",
    [
        {"notBefore": "tomorrow"},
        {"notBefore": "2026-01-01"},
        {"notAfter": "2026-01-01T00:00:00"},
        {"notAfter": 1767225600},
        {"notBefore": "2100-01-02T00:00:00Z", "notAfter": "2100-01-01T00:00:00Z"},
        {"notBefore": "2100-01-02T00:00:00Z", "notAfter": "2100-01-02T00:00:00Z"},
        {"notAfter": "2026-01-01T00:00:00Z"},
        {"notBefore": "1969-01-02T00:00:00Z"},
    ],
    ids=str,
)
def test_a_validity_that_makes_no_sense_is_malformed(client, validity):
    assert client().new_order("example.com", **validity).problem == "malformed"


def test_a_validity_can_be_refused(client):
    raw = client(refuse_validity=True)
    assert raw.new_order("example.com", notAfter="2027-01-01T00:00:00Z").problem == "malformed"


def test_the_profile_is_echoed_the_first_being_the_default(client):
    raw = client(profiles={"classic": "as ever", "short": "six days"})
    assert raw.order("example.com")[1]["profile"] == "classic"
    assert raw.order("example.com", profile="short")[1]["profile"] == "short"
    assert raw.new_order("example.com", profile="long").problem == "invalidProfile"


def test_a_profile_where_there_are_none_is_invalid(client):
    raw = client()
    assert "profile" not in raw.order("example.com")[1]
    assert raw.new_order("example.com", profile="classic").problem == "invalidProfile"


def test_valid_authorizations_are_used_again_on_request(client, http01):
    for reuse in (True, False):
        raw = client(http_port=http01.port, reuse_authorizations=reuse)
        raw.ready(http01, "example.com")
        _, order = raw.order("example.com", "www.example.com")
        states = {a["identifier"]["value"]: a["status"] for a in raw.authorizations(order)}
        assert states == {"example.com": "valid" if reuse else "pending", "www.example.com": "pending"}


def test_an_order_of_valid_authorizations_is_ready_at_once(client, http01):
    raw = client(http_port=http01.port, reuse_authorizations=True)
    raw.ready(http01, "example.com")
    assert raw.order("example.com")[1]["status"] == "ready"


def test_an_unfinished_order_is_found_again_on_request(client):
    raw = client(reuse_orders=True)
    url, _ = raw.order("a.example", "b.example")
    again = raw.new_order("b.example", "a.example")
    assert (again.status, again.headers["Location"]) == (201, url)
    assert raw.order("a.example")[0] != url
    other = client(raw.ca)
    assert other.order("a.example", "b.example")[0] != url


def test_a_pre_authorization_serves_the_next_order(client, http01):
    raw = client(http_port=http01.port)
    reply = raw.post(raw.directory["newAuthz"], {"identifier": {"type": "dns", "value": "example.com"}})
    assert (reply.status, reply.json["status"]) == (201, "pending")
    url = reply.headers["Location"]
    challenge = raw.challenge(reply.json, "http-01")
    http01.answers[challenge["token"]] = raw.key_authorization(challenge)
    raw.respond(reply.json, "http-01")
    _, order = raw.order("example.com")
    assert (order["authorizations"], order["status"]) == ([url], "ready")


def test_a_wildcard_cannot_be_pre_authorized(client):
    raw = client(rejected_names=frozenset({"bad.example"}))
    url = raw.directory["newAuthz"]
    assert raw.post(url, {"identifier": {"type": "dns", "value": "*.example.com"}}).problem == "malformed"
    assert raw.post(url, {"identifier": {"type": "dns", "value": "bad.example"}}).problem == "rejectedIdentifier"


def test_new_authz_may_not_be_offered(client):
    raw = client(new_authz=False)
    assert "newAuthz" not in raw.directory
    url = raw.directory["newOrder"].replace("new-order", "new-authz")
    assert raw.post(url, {"identifier": {"type": "dns", "value": "example.com"}}).status == 404


def test_a_deactivated_authorization_ends_its_order(client):
    raw = client()
    url, order = raw.order("a.example", "b.example")
    assert raw.post(order["authorizations"][0], {"status": "deactivated"}).json["status"] == "deactivated"
    assert raw.post(url).json["status"] == "invalid"
    assert raw.post(order["authorizations"][0], {"status": "deactivated"}).problem == "malformed"
    assert raw.post(order["authorizations"][1], {"status": "valid"}).problem == "malformed"


def test_orders_and_authorizations_expire(client):
    raw = client(order_lifetime_seconds=0, authorization_lifetime_seconds=0)
    url, order = raw.order("example.com")
    assert raw.post(url).json["status"] == "invalid"
    assert raw.authorizations(order)[0]["status"] == "invalid"


def test_only_the_challenges_that_suit_are_offered(client):
    raw = client()
    payload = {"identifiers": [*identifiers("a.example", "*.a.example"), {"type": "ip", "value": "127.0.0.1"}]}
    order = raw.post(raw.directory["newOrder"], payload).json
    offered = [{c["type"] for c in a["challenges"]} for a in raw.authorizations(order)]
    assert offered == [
        {"http-01", "dns-01", "tls-alpn-01", "dns-account-01"},
        {"dns-01", "dns-account-01"},
        {"http-01", "tls-alpn-01"},
    ]


def test_only_the_configured_challenges_are_offered(client):
    raw = client(challenge_types=("http-01",))
    assert [c["type"] for c in raw.authorizations(raw.order("a.example")[1])[0]["challenges"]] == ["http-01"]
    assert raw.new_order("*.a.example").problem == "rejectedIdentifier"


class TestReplaces:
    def test_the_replaced_certificate_is_echoed_and_replaced_only_once(self, client, http01):
        raw = client(http_port=http01.port)
        raw.obtain(http01, "example.com")
        cert_id = raw.ca.certificates[0].cert_id
        url, order = raw.order("example.com", "www.example.com", replaces=cert_id)
        assert order["replaces"] == cert_id
        assert raw.ca.certificates[0].replaced_by == url
        reply = raw.new_order("example.com", replaces=cert_id)
        assert (reply.status, reply.problem) == (409, "alreadyReplaced")

    def test_an_order_that_failed_does_not_count(self, client, http01):
        raw = client(http_port=http01.port)
        raw.obtain(http01, "example.com")
        cert_id = raw.ca.certificates[0].cert_id
        _, order = raw.order("example.com", replaces=cert_id)
        raw.post(order["authorizations"][0], {"status": "deactivated"})
        assert raw.new_order("example.com", replaces=cert_id).status == 201

    def test_the_certificate_is_known_the_account_s_and_has_a_name_of_the_order(self, client, http01):
        raw = client(http_port=http01.port)
        raw.obtain(http01, "example.com")
        cert_id = raw.ca.certificates[0].cert_id
        unknown = raw.new_order("example.com", replaces="AAAA.AAAA")
        assert (unknown.status, unknown.problem) == (404, "malformed")
        assert client(raw.ca).new_order("example.com", replaces=cert_id).problem == "unauthorized"
        assert raw.new_order("example.org", replaces=cert_id).problem == "malformed"

    def test_nothing_is_replaced_where_there_is_no_renewal_info(self, client):
        raw = client(renewal_info=False)
        assert "renewalInfo" not in raw.directory
        assert raw.new_order("example.com", replaces="AAAA.AAAA").problem == "malformed"


def test_lifetimes_are_those_configured(client, http01):
    raw = client(http_port=http01.port, certificate_lifetime_seconds=3600)
    leaf = raw.obtain(http01, "example.com")
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=1)
