"""A CA's visit, with every check of Boulder's, and other visits."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from acmez.acme.identifier import Identifier
from acmez.protocols import Challenge

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
CA_ALPN = ("acme-tls/1",)


@dataclass(frozen=True)
class Shown:
    protocol: str | None
    der: bytes

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)


def client_context(protocols: Sequence[str] = CA_ALPN) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def visit(
    address: tuple[str, int],
    name: str | None,
    protocols: Sequence[str] = CA_ALPN,
    *,
    version: ssl.TLSVersion | None = None,
) -> Shown:
    """Make a handshake; raises ssl.SSLError with the server's alert."""
    context = client_context(protocols)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        return Shown(connection.selected_alpn_protocol(), connection.getpeercert(binary_form=True) or b"")


def server_name(identifier: Identifier) -> str:
    """Return what a CA sends as server name (RFC 8738 §6)."""
    return ipaddress.ip_address(identifier.value).reverse_pointer if identifier.type == "ip" else identifier.value


def validate(
    address: tuple[str, int], challenge: Challenge, *, version: ssl.TLSVersion | None = None
) -> x509.Certificate:
    """Check what Boulder's va/tlsalpn.go checks, and return the certificate."""
    shown = visit(address, server_name(challenge.identifier), version=version)
    assert shown.protocol == "acme-tls/1"
    certificate = shown.certificate
    assert certificate.issuer == certificate.subject
    certificate.verify_directly_issued_by(certificate)
    oids = [extension.oid for extension in certificate.extensions]
    assert len(set(oids)) == len(oids)
    names = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert names.public_bytes() == only_name(challenge.identifier)
    extension = certificate.extensions.get_extension_for_oid(ACME_IDENTIFIER)
    digest = hashlib.sha256(challenge.key_authorization.encode()).digest()
    assert extension.critical
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    assert extension.value.value == b"\x04\x20" + digest
    return certificate


def only_name(identifier: Identifier) -> bytes:
    """Return the DER of a subjectAltName with this name alone, written by hand as Boulder does."""
    if identifier.type == "ip":
        packed, tag = ipaddress.ip_address(identifier.value).packed, 0x87
    else:
        packed, tag = identifier.value.encode(), 0x82
    return bytes((0x30, len(packed) + 2, tag, len(packed))) + packed
