"""Certificates for tests: the one of RFC 9773, and some made here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

#: RFC 9773 Appendix A
ARI_PEM = b"""\
-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of that name, always the same."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(
    name: str, serial: int = 1, authority_key_identifier: bytes | None = b"issuer", *, bare: bool = False
) -> x509.Certificate:
    """Return a certificate for the key of that name; `bare`: without extensions."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key(name).public_key(), serial)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=90))
    if not bare:
        identifier = x509.AuthorityKeyIdentifier(authority_key_identifier, None, None)
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key(name), SHA256())


def pem(*names: str) -> bytes:
    """Return a chain of certificates."""
    return b"".join(certificate(name).public_bytes(Encoding.PEM) for name in names)


@cache
def request(name: str) -> x509.CertificateSigningRequest:
    """Return a certificate request for the key of that name."""
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return builder.add_extension(names, critical=False).sign(key(name), SHA256())
