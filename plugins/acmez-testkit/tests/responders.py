"""Small real servers that answer the challenges."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import ipaddress
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


class Http01:
    """Answers `/.well-known/acme-challenge/<token>`; remembers what the requests looked like."""

    def __init__(
        self, family: socket.AddressFamily = socket.AF_INET, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.answers_once = False
        self.answers: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.seen: list[tuple[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append((self.headers["Host"], self.path))
                token = self.path.rpartition("/")[2]
                location, answer = outer.redirects.get(self.path), outer.answers.get(token)
                status = 302 if location else 200 if answer is not None else 404
                body = (answer or "").encode()
                if outer.answers_once:
                    outer.answers.pop(token, None)
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = family
            request_queue_size = 256
            daemon_threads = False

        self._server = Server(("::1" if family == socket.AF_INET6 else "127.0.0.1", port), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class TlsAlpn01:
    """Answers TLS handshakes with the certificate that is set for the server name."""

    def __init__(self) -> None:
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.seen: list[str | None] = []
        self._fallback = server_context(*challenge_certificate([x509.DNSName("fallback.invalid")], None))
        self._fallback.sni_callback = self._choose
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _choose(self, channel: Any, name: str | None, _: ssl.SSLContext) -> None:
        self.seen.append(name)
        channel.context = self.contexts.get(name or "", self._fallback)

    def _serve(self) -> None:
        while True:
            raw, _ = self._listener.accept()
            with raw:
                if self._stopping:
                    return
                raw.settimeout(5)
                with contextlib.suppress(OSError), self._fallback.wrap_socket(raw, server_side=True) as channel:
                    channel.recv(1)

    def close(self) -> None:
        self._stopping = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()


def challenge_certificate(
    names: list[x509.GeneralName],
    value: bytes | None,
    *,
    critical: bool = True,
    oid: x509.ObjectIdentifier = ACME_IDENTIFIER,
    self_signed: bool = True,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tls-alpn-01")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if value is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=critical)
    signer = key if self_signed else ec.generate_private_key(ec.SECP256R1())
    return builder.sign(signer, hashes.SHA256()), key


def server_context(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, protocol: str | None = "acme-tls/1"
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if protocol:
        context.set_alpn_protocols([protocol])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pair.pem")
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context


def general_name(value: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(value))
    except ValueError:
        return x509.DNSName(value)
