from __future__ import annotations

import ipaddress
import warnings
from email.utils import parsedate_to_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .raw import b64, csr, new_key


def test_an_order_that_is_not_ready_cannot_be_finalized(client, http01):
    raw = client(http_port=http01.port)
    _, order = raw.order("example.com")
    reply = raw.post(order["finalize"], {"csr": csr("example.com")})
    assert (reply.status, reply.problem) == (403, "orderNotReady")
    raw.authorize(http01, order)
    assert raw.post(order["finalize"], {"csr": csr("example.com")}).json["status"] == "valid"
    assert raw.post(order["finalize"], {"csr": csr("example.com")}).problem == "orderNotReady"


def test_the_names_of_the_csr_are_a_set_without_case(client, http01):
    raw = client(http_port=http01.port)
    _, order = raw.ready(http01, "a.example", "b.example")
    request = csr("B.example", "a.EXAMPLE", common_name="A.example")
    assert raw.post(order["finalize"], {"csr": request}).json["status"] == "valid"
    leaf = raw.ca.certificates[0].leaf
    assert leaf.subject.rfc4514_string() == "CN=A.example"


@pytest.mark.parametrize(
    "request_for",
    [
        lambda: csr("a.example"),
        lambda: csr("a.example", "b.example", "c.example"),
        lambda: csr("a.example", "b.example", x509.IPAddress(ipaddress.ip_address("127.0.0.1"))),
        lambda: csr("a.example", "b.example", x509.RFC822Name("a@b.example")),
        lambda: csr("a.example", common_name="b.example"),
        lambda: csr("a.example", "b.example", common_name="c.example"),
        lambda: csr(common_name="a.example"),
        lambda: csr("a.example", "b.example", key=rsa.generate_private_key(65537, 1024)),  # noqa: S505 - refused
        lambda: csr("a.example", "b.example", key=ec.generate_private_key(ec.SECP256K1())),
        lambda: b64(b"not a csr"),
        lambda: _with_broken_signature(csr("a.example", "b.example")),
    ],
    ids=["fewer", "more", "address", "mail", "in-cn", "other-cn", "only-cn", "weak", "curve", "rubbish", "broken"],
)
def test_a_csr_that_does_not_fit_is_bad_and_the_order_stays_ready(client, http01, request_for):
    raw = client(http_port=http01.port)
    url, order = raw.ready(http01, "a.example", "b.example")
    reply = raw.post(order["finalize"], {"csr": request_for()})
    assert (reply.status, reply.problem) == (400, "badCSR")
    assert raw.post(url).json["status"] == "ready"


def _with_broken_signature(request):
    return request[:-8] + ("AAAAAAAA" if request[-8:] != "AAAAAAAA" else "BBBBBBBB")


def test_a_common_name_has_64_characters_at_most(client, http01):
    raw = client(http_port=http01.port)
    name = f"{'a' * 60}.example"
    _, order = raw.ready(http01, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        request = csr_with_long_name(name)
        assert raw.post(order["finalize"], {"csr": request}).problem == "badCSR"
    assert raw.post(order["finalize"], {"csr": request}).problem == "badCSR"


def test_the_key_of_an_account_cannot_be_certified(client, http01):
    raw = client(http_port=http01.port)
    other = client(raw.ca)
    _, order = raw.ready(http01, "example.com")
    for key in (raw.key, other.key):
        assert raw.post(order["finalize"], {"csr": csr("example.com", key=key)}).problem == "badCSR"


@pytest.mark.parametrize("payload", [{}, {"csr": None}, {"csr": "a+b="}, {"csr": "AAAA", "more": 1}, ""], ids=str)
def test_a_payload_without_a_csr_is_malformed(client, http01, payload):
    raw = client(http_port=http01.port)
    _, order = raw.ready(http01, "example.com")
    assert raw.post(order["finalize"], payload).problem == "malformed"


def test_an_rsa_key_with_sha512_is_certified(client, http01):
    raw = client(http_port=http01.port)
    key = rsa.generate_private_key(65537, 2048)
    _, order = raw.ready(http01, "example.com")
    request = csr("example.com", key=key, digest=hashes.SHA512())
    assert raw.post(order["finalize"], {"csr": request}).json["status"] == "valid"
    assert raw.ca.certificates[0].leaf.public_key() == key.public_key()


def test_issuance_may_take_its_time(client, http01):
    raw = client(http_port=http01.port, async_finalize=True, processing_seconds=0.05, retry_after=(None, 7))
    url, order = raw.ready(http01, "example.com")
    reply = raw.post(order["finalize"], {"csr": csr("example.com")})
    assert (reply.json["status"], reply.headers["Retry-After"]) == ("processing", "7")
    assert "certificate" not in reply.json
    assert raw.post(order["finalize"], {"csr": csr("example.com")}).problem == "orderNotReady"
    assert raw.post(raw.until(url, "valid")["certificate"]).status == 200
    assert raw.post(url).headers["Retry-After"] is None


def test_retry_after_may_be_a_date(client, http01):
    raw = client(http_port=http01.port, async_finalize=True, retry_after=(None, 30), retry_after_as_date=True)
    _, order = raw.ready(http01, "example.com")
    value = raw.post(order["finalize"], {"csr": csr("example.com")}).headers["Retry-After"]
    assert value.endswith(" GMT")
    assert parsedate_to_datetime(value).year >= 2026


def test_retry_after_may_be_rubbish(client):
    raw = client(retry_after=("soon", None))
    _, order = raw.order("example.com")
    assert raw.post(order["authorizations"][0]).headers["Retry-After"] == "soon"


@pytest.mark.parametrize("async_finalize", [False, True])
def test_caa_makes_the_order_invalid_and_names_whom_it_refused(client, http01, async_finalize):
    raw = client(http_port=http01.port, caa_refused_names=frozenset({"b.example"}), async_finalize=async_finalize)
    url, order = raw.ready(http01, "a.example", "b.example")
    assert raw.post(order["finalize"], {"csr": csr("a.example", "b.example")}).status == 200
    error = raw.until(url, "invalid")["error"]
    assert error["type"] == "urn:ietf:params:acme:error:caa"
    assert [p["identifier"]["value"] for p in error["subproblems"]] == ["b.example"]
    assert raw.ca.certificates == ()


def csr_with_long_name(name):
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([attribute]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return b64(builder.sign(new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER))
