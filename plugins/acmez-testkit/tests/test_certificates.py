from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from acmez_testkit.renewal import cert_id
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .raw import b64, csr, jwk_of, new_key

RFC_9773_EXAMPLE = b"""-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""


def der(certificate: x509.Certificate) -> str:
    return b64(certificate.public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize("length", [1, 3])
def test_there_is_a_chain_to_each_root(client, http01, length):
    raw = client(http_port=http01.port, alternate_roots=2, chain_length=length)
    raw.obtain(http01, "example.com")
    url = raw.ca.certificates[0].url
    default = raw.post(url)
    assert default.links("alternate") == [f"{url}/1", f"{url}/2"]
    assert raw.post(f"{url}/1").links("alternate") == [url, f"{url}/2"]
    for i, link in enumerate([url, f"{url}/1", f"{url}/2"]):
        chain = x509.load_pem_x509_certificates(raw.post(link).body + raw.ca.root_pem(i))
        assert len(chain) == length + 2
        for lower, upper in itertools.pairwise(chain):
            lower.verify_directly_issued_by(upper)
    assert raw.post(f"{url}/3").status == 404


def test_there_may_be_no_alternate(client, http01):
    raw = client(http_port=http01.port, alternate_roots=0)
    raw.obtain(http01, "example.com")
    assert raw.post(raw.ca.certificates[0].url).links("alternate") == []


def test_every_name_says_that_this_is_no_ca(client, http01):
    raw = client(http_port=http01.port)
    leaf = raw.obtain(http01, "example.com")
    root = x509.load_pem_x509_certificate(raw.ca.root_pem())
    assert root.subject.rfc4514_string() == "CN=acmez testkit root - NOT A CA"
    assert leaf.issuer.rfc4514_string() == "CN=acmez testkit intermediate 1 - NOT A CA"
    assert "NOT A CA" in x509.load_pem_x509_certificate(raw.ca.trust_pem).subject.rfc4514_string()


def test_a_certificate_is_shown_to_its_account_only(client, http01):
    raw = client(http_port=http01.port)
    raw.obtain(http01, "example.com")
    assert client(raw.ca).post(raw.ca.certificates[0].url).problem == "unauthorized"


class TestRevocation:
    def test_by_the_account_and_only_once(self, client, http01):
        raw = client(http_port=http01.port)
        payload = {"certificate": der(raw.obtain(http01, "example.com")), "reason": 1}
        assert raw.post(raw.directory["revokeCert"], payload).status == 200
        assert raw.ca.certificates[0].revocation_reason == 1
        again = raw.post(raw.directory["revokeCert"], payload)
        assert (again.status, again.problem) == (400, "alreadyRevoked")

    def test_by_the_key_of_the_certificate(self, client, http01):
        raw, key = client(http_port=http01.port), new_key()
        leaf = raw.obtain(http01, "example.com", key=key)
        raw.key = key
        reply = raw.post(raw.directory["revokeCert"], {"certificate": der(leaf)}, kid=None, jwk=jwk_of(key))
        assert reply.status == 200
        assert raw.ca.certificates[0].revocation_reason == 0

    def test_by_an_account_authorized_for_all_its_names(self, client, http01):
        raw = client(http_port=http01.port)
        payload = {"certificate": der(raw.obtain(http01, "a.example", "b.example"))}
        other = client(raw.ca)
        other.ready(http01, "a.example")
        assert other.post(raw.directory["revokeCert"], payload).problem == "unauthorized"
        other.ready(http01, "b.example")
        assert other.post(raw.directory["revokeCert"], payload).status == 200

    def test_not_by_any_other_key(self, client, http01):
        raw = client(http_port=http01.port)
        leaf, raw.key = raw.obtain(http01, "example.com"), new_key()
        reply = raw.post(raw.directory["revokeCert"], {"certificate": der(leaf)}, kid=None, jwk=jwk_of(raw.key))
        assert (reply.status, reply.problem) == (403, "unauthorized")

    @pytest.mark.parametrize("reason", [-1, 2, 6, 7, 8, 10, 11, True, "1", 1.5, [1], {"a": 1}])
    def test_not_for_a_reason_a_subscriber_cannot_have(self, client, http01, reason):
        raw = client(http_port=http01.port)
        payload = {"certificate": der(raw.obtain(http01, "example.com")), "reason": reason}
        assert raw.post(raw.directory["revokeCert"], payload).problem == "badRevocationReason"
        assert raw.ca.certificates[0].revocation_reason is None

    def test_not_of_a_certificate_from_elsewhere(self, client):
        raw = client()
        leaf = x509.load_pem_x509_certificate(raw.ca.trust_pem)
        assert raw.post(raw.directory["revokeCert"], {"certificate": der(leaf)}).status == 404
        assert raw.post(raw.directory["revokeCert"], {"certificate": "AAAA"}).status == 404
        assert raw.post(raw.directory["revokeCert"], {}).problem == "malformed"


class TestRenewalInfo:
    def url(self, raw, cert_id):
        return f"{raw.directory['renewalInfo']}/{cert_id}"

    def test_the_identifier_is_that_of_the_rfc(self):
        certificate = x509.load_pem_x509_certificate(RFC_9773_EXAMPLE)
        assert cert_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

    def test_the_window_opens_after_two_thirds_of_the_lifetime(self, client, http01):
        raw = client(http_port=http01.port)
        leaf = raw.obtain(http01, "example.com")
        reply = raw.get(self.url(raw, cert_id(leaf)))
        start, end = (datetime.fromisoformat(reply.json["suggestedWindow"][name]) for name in ("start", "end"))
        assert start == leaf.not_valid_before_utc + timedelta(days=60)
        assert start < end < leaf.not_valid_after_utc
        assert reply.headers["Retry-After"] == "21600"
        assert reply.headers["Replay-Nonce"] is None

    def test_the_test_can_set_the_window(self, client, http01):
        raw = client(http_port=http01.port, renewal_retry_after=60)
        leaf = raw.obtain(http01, "example.com")
        start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
        for name in (leaf.public_bytes(serialization.Encoding.PEM), cert_id(leaf)):
            raw.ca.set_renewal_window(name, start, end, "https://example.com/why")
            reply = raw.get(self.url(raw, cert_id(leaf)))
            assert json.loads(reply.body) == {
                "suggestedWindow": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
                "explanationURL": "https://example.com/why",
            }
            assert reply.headers["Retry-After"] == "60"
        with pytest.raises(KeyError):
            raw.ca.set_renewal_window("AAAA.AAAA", start, end)

    def test_a_revoked_certificate_is_to_be_renewed_at_once(self, client, http01):
        raw = client(http_port=http01.port)
        leaf = raw.obtain(http01, "example.com")
        raw.post(raw.directory["revokeCert"], {"certificate": der(leaf)})
        window = raw.get(self.url(raw, cert_id(leaf))).json["suggestedWindow"]
        assert datetime.fromisoformat(window["end"]) < datetime.now(UTC)

    def test_an_unknown_certificate_is_not_found(self, client):
        raw = client()
        assert raw.get(self.url(raw, "AAAA.AAAA")).status == 404
        assert raw.get(raw.directory["renewalInfo"]).status == 404
        assert raw.post(self.url(raw, "AAAA.AAAA")).status == 405


def test_a_certificate_says_what_browsers_want(client, http01):
    raw = client(http_port=http01.port)
    _, order = raw.ready(http01, "example.com")
    raw.post(order["finalize"], {"csr": csr("example.com")})
    extensions = raw.ca.certificates[0].leaf.extensions
    assert extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
    ]
