from __future__ import annotations

import hashlib
import ssl

import pytest
from cryptography import x509

from .responders import challenge_certificate, general_name, server_context

DRAFT_OID = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.30.1")


def attempt(raw, tls_alpn01, make, name="example.com", kind="dns", server_name=None):
    """Respond with the context that `make` builds from the extension's right value; return the challenge."""
    order = raw.post(raw.directory["newOrder"], {"identifiers": [{"type": kind, "value": name}]}).json
    (authorization,) = raw.authorizations(order)
    challenge = raw.challenge(authorization, "tls-alpn-01")
    tls_alpn01.contexts[server_name or name] = make(b"\x04\x20" + raw.digest(challenge))
    return raw.challenge(raw.respond(authorization, "tls-alpn-01"), "tls-alpn-01")


def right(value, name="example.com"):
    return server_context(*challenge_certificate([general_name(name)], value))


def test_the_right_certificate_is_valid(client, tls_alpn01):
    raw = client(tls_port=tls_alpn01.port)
    assert attempt(raw, tls_alpn01, right)["status"] == "valid"
    assert tls_alpn01.seen == ["example.com", "example.com"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_will_do(client, tls_alpn01, version):
    def make(value):
        context = right(value)
        context.minimum_version = context.maximum_version = version
        return context

    assert attempt(client(tls_port=tls_alpn01.port), tls_alpn01, make)["status"] == "valid"


@pytest.mark.parametrize(
    ("address", "server_name"),
    [
        ("127.0.0.1", "1.0.0.127.in-addr.arpa"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_an_address_is_asked_for_by_its_reverse_name(client, tls_alpn01, address, server_name):
    raw = client(tls_port=tls_alpn01.port)
    found = attempt(raw, tls_alpn01, lambda value: right(value, address), address, "ip", server_name)
    assert found["status"] == "valid"
    assert tls_alpn01.seen[0] == server_name


EXAMPLE = x509.DNSName("example.com")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda v: challenge_certificate([EXAMPLE, x509.DNSName("b.example")], v), "subjectAltName"),
        (lambda v: challenge_certificate([x509.DNSName("b.example")], v), "subjectAltName"),
        (lambda v: challenge_certificate([x509.RFC822Name("example.com")], v), "subjectAltName"),
        (lambda v: challenge_certificate([EXAMPLE], v, critical=False), "not critical"),
        (lambda _: challenge_certificate([EXAMPLE], None), "no acmeIdentifier"),
        (lambda v: challenge_certificate([EXAMPLE], v, oid=DRAFT_OID, critical=False), "draft"),
        (lambda v: challenge_certificate([EXAMPLE], v[2:]), "wrong value"),
        (lambda v: challenge_certificate([EXAMPLE], v[:2] + hashlib.sha256(v).digest()), "wrong value"),
        (lambda v: challenge_certificate([EXAMPLE], v, self_signed=False), "self-signed"),
    ],
    ids=["two-names", "other-name", "mail", "uncritical", "missing", "draft", "bare", "digest", "signature"],
)
def test_any_other_certificate_is_unauthorized(client, tls_alpn01, make, reason):
    raw = client(tls_port=tls_alpn01.port)
    failed = attempt(raw, tls_alpn01, lambda value: server_context(*make(value)))
    assert failed["error"]["type"] == "urn:ietf:params:acme:error:unauthorized"
    assert reason in failed["error"]["detail"]


def test_the_protocol_has_to_be_chosen(client, tls_alpn01):
    raw = client(tls_port=tls_alpn01.port)
    failed = attempt(
        raw,
        tls_alpn01,
        lambda value: server_context(*challenge_certificate([EXAMPLE], value), protocol=None),
    )
    assert failed["error"]["type"].endswith(":unauthorized")
    assert "ALPN" in failed["error"]["detail"]


def test_a_server_that_speaks_no_tls_is_a_problem_of_tls(client, http01):
    raw = client(tls_port=http01.port)
    (authorization,) = raw.authorizations(raw.order("example.com")[1])
    failed = raw.challenge(raw.respond(authorization, "tls-alpn-01"), "tls-alpn-01")
    assert failed["error"]["type"].endswith(":tls")
