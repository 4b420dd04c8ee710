"""tls-alpn-01: a certificate that answers ALPN "acme-tls/1" on port 443 (RFC 8737, RFC 8738 §6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.identifier import IdentifierType
from acmez.acme.jws import PrivateKey

from .reading import domain_name, ip_address, key_authorization, require_type

#: The one protocol that the CA offers in the TLS handshake.
ALPN_PROTOCOL = "acme-tls/1"
#: id-pe-acmeIdentifier.
ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@dataclass(frozen=True, slots=True)
class TlsAlpnCertificate:
    """What a TLS server must show when it is asked for *sni* and `ALPN_PROTOCOL`, and only then.

    Attributes:
        sni: the server name that the CA sends: the DNS name, or an address's reverse name.
        certificate: self-signed.
        private_key: the certificate's, not the account's.
    """

    sni: str
    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def private_key_pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 PEM; a key in hardware cannot give it."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def certificate(
    challenge: Challenge, key: PrivateKey | None = None, *, now: datetime | None = None
) -> TlsAlpnCertificate:
    """Return the certificate that answers *challenge*.

    Args:
        key: of the certificate; a new P-256 key by default. Never the account's.
        now: with a time zone; the current time by default.

    Raises:
        InputError: the challenge is of another type, or carries no thumbprint.
        MalformedAnswer: its token, name or address cannot be used.
    """
    require_type(challenge, ChallengeType.TLS_ALPN_01)
    sni, general_name = _names(challenge)
    extension = x509.UnrecognizedExtension(ACME_IDENTIFIER, extension_value(key_authorization(challenge)))
    private_key = ec.generate_private_key(ec.SECP256R1()) if key is None else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME challenge")])
    today = datetime.now(UTC) if now is None else now
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(hours=1))
        .not_valid_after(today + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([general_name]), critical=False)
        .add_extension(extension, critical=True)
    )
    algorithm = None if isinstance(private_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return TlsAlpnCertificate(sni, builder.sign(private_key, algorithm), private_key)


def extension_value(key_authorization: str) -> bytes:
    """Return the content of id-pe-acmeIdentifier: a DER OCTET STRING of the SHA-256 (RFC 8737 §3)."""
    return b"\x04\x20" + hashlib.sha256(key_authorization.encode()).digest()


def _names(challenge: Challenge) -> tuple[str, x509.GeneralName]:
    if challenge.identifier.type != IdentifierType.IP:
        name = domain_name(challenge)
        return name, x509.DNSName(name)
    address = ip_address(challenge)
    return address.reverse_pointer, x509.IPAddress(address)
