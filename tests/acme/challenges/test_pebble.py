"""Pebble accepts what the helpers build."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from acmez.acme import Account, Challenge, Client, Identifier, SigningKey, Transport
from acmez.acme.challenges import HttpAnswer, TlsAlpnCertificate, http_01, tls_alpn_01, txt_record
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions


@dataclass(frozen=True)
class Ordering:
    """An account at a Pebble that hardly reuses authorizations."""

    pebble: Pebble
    client: Client
    account: Account

    def challenge(self, kind: str, identifier: Identifier) -> tuple[str, Challenge]:
        """Order *identifier* and return the authorization's URL and its challenge of a type."""
        status = "valid"
        while status == "valid":  # told to reuse 0 % of the valid ones, Pebble 2.10 reuses 1 % of them
            order = self.client.new_order(self.account, [identifier])
            authorization = self.client.authorization(self.account, order.authorizations[0])
            status = authorization.status
        return order.authorizations[0], next(each for each in authorization.challenges if each.type == kind)

    def validate(self, url: str, challenge: Challenge) -> str:
        """Let Pebble look, and return what the authorization becomes."""
        self.client.respond(self.account, challenge)
        authorization = self.client.authorization(self.account, url)
        return self.client.poll_authorization(self.account, authorization).status


@pytest.fixture(scope="module")
def ordering(pebble_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordering]:
    options = PebbleOptions(authz_reuse=0, caa_identities=("pebble.test",))
    with (
        Pebble(tmp_path_factory.mktemp("pebble"), options, pebble_binaries) as pebble,
        Transport(trust=pebble.trust) as transport,
    ):
        client = Client(pebble.directory_url, transport=transport)
        key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
        yield Ordering(pebble, client, client.new_account(key, terms_of_service_agreed=True))


@pytest.mark.parametrize("name", ["plain.challenges.test", "*.wild.challenges.test"])
@pytest.mark.parametrize("kind", ["dns-01", "dns-account-01", "dns-persist-01"])
def test_a_txt_record_proves_a_name(ordering: Ordering, kind: str, name: str):
    url, challenge = ordering.challenge(kind, Identifier.dns(name))
    record = txt_record(challenge, meta=ordering.client.directory().meta)
    ordering.pebble.dns.set_txt(record.name, record.value)
    try:
        assert ordering.validate(url, challenge) == "valid"
    finally:
        ordering.pebble.dns.clear_txt(record.name)


@pytest.mark.parametrize(
    "identifier", [Identifier.dns("web.challenges.test"), Identifier.ip("127.0.0.1")], ids=["name", "address"]
)
def test_a_web_server_proves_a_name_or_address(ordering: Ordering, identifier: Identifier):
    url, challenge = ordering.challenge("http-01", identifier)
    with answering(http_01.answer(challenge), ordering.pebble.http_port):
        assert ordering.validate(url, challenge) == "valid"


@pytest.mark.parametrize(
    "identifier", [Identifier.dns("tls.challenges.test"), Identifier.ip("127.0.0.1")], ids=["name", "address"]
)
def test_a_tls_server_proves_a_name_or_address(ordering: Ordering, identifier: Identifier, tmp_path: Path):
    url, challenge = ordering.challenge("tls-alpn-01", identifier)
    with showing(tls_alpn_01.certificate(challenge), ordering.pebble.tls_port, tmp_path):
        assert ordering.validate(url, challenge) == "valid"


@contextlib.contextmanager
def answering(answer: HttpAnswer, port: int) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == answer.path and self.headers["Host"].partition(":")[0] == answer.host
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(answer.body.encode() if known else b"")

        def log_message(self, *_: object) -> None: ...

    with (
        http.server.HTTPServer(("127.0.0.1", port), Handler) as server,
        running(lambda: server.serve_forever(poll_interval=0.02)),
    ):
        try:
            yield
        finally:
            server.shutdown()


@contextlib.contextmanager
def showing(made: TlsAlpnCertificate, port: int, folder: Path) -> Iterator[None]:
    chain = folder / "challenge.pem"
    chain.write_bytes(made.private_key_pem + made.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.set_alpn_protocols([tls_alpn_01.ALPN_PROTOCOL])

    def serve() -> None:
        while True:
            channel, _ = listener.accept()
            with channel, contextlib.suppress(OSError):
                context.wrap_socket(channel, server_side=True).close()
            if stopping.is_set():
                return

    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as listener, running(serve):
        try:
            yield
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()


@contextlib.contextmanager
def running(target: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        thread.join()
