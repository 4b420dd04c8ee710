"""Keys and certificates: roots, intermediates, leaves, and the API's own HTTPS certificate."""

from __future__ import annotations

import ipaddress
import itertools
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from acmez_testkit.model import Identifier

_WARNING = "NOT A CA"
_DAY = timedelta(days=1)


class _Authority:
    """A name with its key, and with one certificate for each authority above it."""

    def __init__(self, name: str) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"acmez testkit {name} - {_WARNING}")])
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign_authority(self, subject: _Authority) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = _builder(subject.name, self, subject.key.public_key(), now - _DAY, now + 3650 * _DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def sign_server(
        self,
        names: Sequence[x509.GeneralName],
        key: CertificatePublicKeyTypes,
        validity: tuple[datetime, datetime],
        common_name: str | None = None,
    ) -> x509.Certificate:
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
        builder = _builder(x509.Name(attributes), self, key, *validity)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not attributes)
        return builder.sign(self.key, hashes.SHA256())


class Issuer:
    """The issuing side: chain 0 is the default, the others lead to the alternate roots."""

    def __init__(self, *, alternate_roots: int, chain_length: int) -> None:
        roots = [_Authority("root" if i == 0 else f"root {i}") for i in range(alternate_roots + 1)]
        between = [_Authority(f"intermediate {i + 1}") for i in range(chain_length)]
        self._signer = between[-1]
        lower = [above.sign_authority(below) for above, below in itertools.pairwise(between)]
        chains = [[*reversed(lower), root.sign_authority(between[0])] for root in roots]
        self._chains = [b"".join(map(_pem, chain)) for chain in chains]
        self.roots = tuple(_pem(root.sign_authority(root)) for root in roots)

    def issue(
        self,
        identifiers: Sequence[Identifier],
        key: CertificatePublicKeyTypes,
        validity: tuple[datetime, datetime],
        common_name: str | None,
    ) -> tuple[x509.Certificate, tuple[bytes, ...]]:
        """Return the certificate for `identifiers` and its PEM chains, the default one first."""
        leaf = self._signer.sign_server([general_name(i) for i in identifiers], key, validity, common_name)
        pem = _pem(leaf)
        return leaf, tuple(pem + chain for chain in self._chains)


def general_name(identifier: Identifier) -> x509.GeneralName:
    """Return the subjectAltName entry of an identifier (RFC 8738 §3 for addresses)."""
    if identifier.type == "ip":
        return x509.IPAddress(ipaddress.ip_address(identifier.value))
    return x509.DNSName(identifier.value)


def api_identity() -> tuple[bytes, ssl.SSLContext]:
    """Return the PEM of a fresh root, and the TLS context of a server that it vouches for."""
    root, key = _Authority("API root"), ec.generate_private_key(ec.SECP256R1())
    loopback = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    now = datetime.now(UTC)
    certificate = root.sign_server(
        [x509.DNSName("localhost"), *loopback], key.public_key(), (now - _DAY, now + 30 * _DAY)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory(prefix="acmez-testkit-") as directory:
        path = Path(directory, "api.pem")  # the ssl module loads keys from files only
        path.touch(mode=0o600)
        path.write_bytes(_private_pem(key) + _pem(certificate))
        context.load_cert_chain(path)
    return _pem(root.sign_authority(root)), context


def _builder(
    subject: x509.Name,
    issuer: _Authority,
    key: CertificatePublicKeyTypes,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
