from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtensionOID

from acmez.acme import Identifier, InputError, MalformedAnswer, PrivateKey
from acmez.acme.challenges import TlsAlpnCertificate, tls_alpn_01
from tests.acme.challenges.making import THUMBPRINT, TOKEN, make

EXTENSION_VALUE = "0420653471d42925d7eb4cd39a39cda8b34d3034c94cb90067ab78c8123560ba2e5f"
EXTENSION_DER = "303106082b0601050507011f0101ff04220420653471d42925d7eb4cd39a39cda8b34d3034c94cb90067ab78c8123560ba2e5f"
NAME = Identifier.dns("example.com")
IPV4, IPV6 = Identifier.ip("192.0.2.1"), Identifier.ip("2001:db8::1")
IPV6_SNI = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


def der(tag: int, content: bytes) -> bytes:
    assert len(content) < 0x80
    return bytes([tag, len(content)]) + content


@pytest.mark.parametrize(
    ("token", "thumbprint", "digest"),
    [
        pytest.param(TOKEN, THUMBPRINT, EXTENSION_VALUE[4:], id="RFC 7638"),
        pytest.param(
            "rSoI9JpyvFi-ltdnBW0W1DjKstzG7cHixjzcOjwzAEQ",
            "HnWjTDnyqlCrm6tZ-6wX-TrEXgRdeNu9G71gqxSO6o0",
            "9557e464279449dada4682e178d9d5c255dcef8f530e02e3c52f9c7c6b7b85bc",
            id="acme4j",
        ),
    ],
)
def test_the_extension_is_an_octet_string_of_the_digest(token: str, thumbprint: str, digest: str):
    assert tls_alpn_01.extension_value(f"{token}.{thumbprint}").hex() == "0420" + digest
    made = tls_alpn_01.certificate(make("tls-alpn-01", token=token, thumbprint=thumbprint))
    extension = made.certificate.extensions.get_extension_for_oid(tls_alpn_01.ACME_IDENTIFIER)
    assert extension.value.public_bytes().hex() == "0420" + digest


@pytest.mark.parametrize(
    ("identifier", "sni", "general_name"),
    [
        (NAME, "example.com", der(0x82, b"example.com")),
        (IPV4, "1.2.0.192.in-addr.arpa", der(0x87, bytes([192, 0, 2, 1]))),
        (IPV6, IPV6_SNI, der(0x87, ipaddress.ip_address("2001:db8::1").packed)),
    ],
    ids=["name", "ipv4", "ipv6"],
)
def test_the_certificate_passes_the_checks_that_boulder_makes(identifier: Identifier, sni: str, general_name: bytes):
    made = tls_alpn_01.certificate(make("tls-alpn-01", identifier))
    found = made.certificate
    assert made.sni == sni
    # issuer and subject are the same bytes, and the certificate's own key signed it
    found.verify_directly_issued_by(found)
    assert found.issuer.public_bytes() == found.subject.public_bytes()
    # the subject alternative name is this name and nothing else, byte for byte
    names = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    assert names.value.public_bytes() == der(0x30, general_name)
    # the extension is there once, critical
    whole = found.public_bytes(serialization.Encoding.DER)
    assert whole.count(bytes.fromhex("06082b0601050507011f")) == 1
    assert whole.count(bytes.fromhex(EXTENSION_DER)) == 1
    assert found.extensions.get_extension_for_oid(tls_alpn_01.ACME_IDENTIFIER).critical
    assert found.version is x509.Version.v3


def test_the_certificate_is_valid_for_a_week_and_a_little_before():
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    made = tls_alpn_01.certificate(make("tls-alpn-01"), now=now).certificate
    assert made.not_valid_before_utc == now - timedelta(hours=1)
    assert made.not_valid_after_utc == now + timedelta(days=7)


@pytest.mark.parametrize(
    "generate",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["P-384", "RSA", "Ed25519"],
)
def test_any_kind_of_key_may_be_given(generate: Callable[[], PrivateKey]):
    key = generate()
    made = tls_alpn_01.certificate(make("tls-alpn-01"), key)
    assert made.private_key is key
    assert made.certificate.public_key() == key.public_key()
    made.certificate.verify_directly_issued_by(made.certificate)


def test_a_new_key_is_made_for_each_certificate():
    first, second = (tls_alpn_01.certificate(make("tls-alpn-01")) for _ in range(2))
    assert first.certificate.public_key() != second.certificate.public_key()
    assert first.certificate.serial_number != second.certificate.serial_number


def test_the_key_is_not_in_the_repr():
    assert "private" not in repr(tls_alpn_01.certificate(make("tls-alpn-01"))).lower()


@pytest.mark.parametrize("identifier", [NAME, IPV4, IPV6], ids=["name", "ipv4", "ipv6"])
def test_a_ca_gets_the_certificate_in_a_tls_handshake(identifier: Identifier, tmp_path: Path):
    made = tls_alpn_01.certificate(make("tls-alpn-01", identifier))
    asked: list[str | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        context = serving(made, tmp_path)
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        server = threading.Thread(target=handshake_once, args=(listener, context))
        server.start()
        try:
            protocol, shown = validate(listener.getsockname(), made.sni)
        finally:
            server.join()
    assert protocol == "acme-tls/1"
    assert shown == made.certificate.public_bytes(serialization.Encoding.DER)
    assert asked == [made.sni]


def serving(made: TlsAlpnCertificate, folder: Path) -> ssl.SSLContext:
    chain = folder / "challenge.pem"
    chain.write_bytes(made.private_key_pem + made.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.set_alpn_protocols([tls_alpn_01.ALPN_PROTOCOL])
    return context


def handshake_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    channel, _ = listener.accept()
    channel.settimeout(10)
    # A client that has not read the session tickets of TLS 1.3 resets the connection as it closes it.
    with channel, context.wrap_socket(channel, server_side=True) as tls, contextlib.suppress(ConnectionResetError):
        tls.recv(1)


def validate(address: tuple[str, int], server_name: str) -> tuple[str | None, bytes | None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["acme-tls/1"])
    with (
        socket.create_connection(address, timeout=10) as channel,
        context.wrap_socket(channel, server_hostname=server_name) as tls,
    ):
        return tls.selected_alpn_protocol(), tls.getpeercert(binary_form=True)


@pytest.mark.parametrize("identifier", [Identifier("ip", "::g"), Identifier("dns", "*.example.com")])
def test_nothing_is_certified_that_is_neither_name_nor_address(identifier: Identifier):
    with pytest.raises(MalformedAnswer, match="the identifier is not"):
        tls_alpn_01.certificate(make("tls-alpn-01", identifier))


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'tls-alpn-01'"):
        tls_alpn_01.certificate(make("http-01"))
