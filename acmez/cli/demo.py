"""`acmez demo`: one certificate, end to end, from a CA on this machine."""

from __future__ import annotations

import http.client
import http.server
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from acmez import events
from acmez.certificate import Certificate
from acmez.client import Client

from .waterfall import waterfall

if TYPE_CHECKING:
    from acmez_testkit import EmbeddedCA

NAMES = ("example.test", "www.example.test", "shop.example.test", "api.example.test", "mail.example.test")

_STATES = {
    events.AuthorizationFetched: ("the CA offers its challenges", "dim"),
    events.ChallengePresented: ("answer is being served", "yellow"),
    events.ChallengeAnswered: ("the CA was told to look", "cyan"),
    events.AuthorizationValid: ("proved", "green"),
    events.AuthorizationFailed: ("failed", "red"),
}


def run(console: Console | None = None) -> None:
    """Obtain, verify, serve and fetch a certificate, and show where the time went.

    Raises:
        AcmeError: it did not work.
    """
    from acmez_http_standalone import StandaloneSolver
    from acmez_testkit import Behaviour, EmbeddedCA

    console = console or Console(highlight=False)
    began = time.perf_counter()
    port = _free_port()
    with EmbeddedCA(Behaviour(http_port=port, tls_port=_free_port())) as ca:
        console.print(f"[bold]1[/] A test CA listens at {ca.directory_url} [dim](it is not a CA)[/]")
        board = _Board()
        with Client(
            ca.directory_url,
            solvers=[StandaloneSolver(port=port, host="127.0.0.1")],
            trust=ca.trust_pem,
            on_event=board.see,
        ) as client:
            account = client.register(["mailto:admin@example.test"], terms_of_service_agreed=True)
            console.print(f"[bold]2[/] It has an account for a new key: {account.url}")
            console.print(f"[bold]3[/] Order a certificate for {len(NAMES)} names, each proved by http-01:")
            with Live(board.table(), console=console, refresh_per_second=30, transient=True) as live:
                board.changed = lambda: live.update(board.table())
                certificate = client.obtain(NAMES)
            console.print(board.table())
        _verify(certificate, ca)
        leaf = certificate.leaf
        console.print(
            f"[bold]4[/] Issued by {leaf.issuer.rfc4514_string()!r} until {leaf.not_valid_after_utc:%Y-%m-%d}, "
            "verified up to its root"
        )
        with tempfile.TemporaryDirectory() as directory:
            certificate.write(directory)
            answer = _serve_and_fetch(Path(directory), ca)
        console.print(f"[bold]5[/] Served over HTTPS once, and fetched: {answer!r}")
    console.print("[bold]6[/] Where the time went:")
    console.print(waterfall(board.seen, width=max(20, min(60, console.width - 40))))
    requests = sum(isinstance(event, events.RequestFinished) for event in board.seen)
    console.print(
        f"[bold green]done[/] in {time.perf_counter() - began:.2f} s, with {requests} requests for {len(NAMES)} names"
    )


class _Board:
    """What is known of each name, as a table."""

    def __init__(self) -> None:
        self.seen: list[events.Event] = []
        self._states: dict[str, Text] = {name: Text("ordered", style="dim") for name in NAMES}
        self.changed: Callable[[], None] = lambda: None

    def see(self, event: events.Event) -> None:
        self.seen.append(event)
        if isinstance(event, events.IdentifierEvent) and type(event) in _STATES:
            text, style = _STATES[type(event)]
            self._states[event.identifier] = Text(text, style=style)
            self.changed()

    def table(self) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False)
        table.add_column(width=2)
        table.add_column()
        table.add_column()
        for name, state in self._states.items():
            table.add_row("", name, state)
        return table


def _verify(certificate: Certificate, ca: EmbeddedCA) -> None:
    """Check the chain against the test root, for each name, as a client would."""
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store

    roots = x509.load_pem_x509_certificates(ca.root_pem())
    for name in NAMES:
        verifier = PolicyBuilder().store(Store(roots)).build_server_verifier(x509.DNSName(name))
        verifier.verify(certificate.leaf, list(certificate.chain.certificates[1:]))


def _serve_and_fetch(directory: Path, ca: EmbeddedCA) -> str:
    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"hello from " + (self.headers["Host"] or "").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Hello)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(directory / "fullchain.pem", directory / "privkey.pem")
    server.socket = served.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    try:
        trusting = ssl.create_default_context(cadata=ca.root_pem().decode())
        return _fetch(server.server_address[1], trusting)
    finally:
        thread.join()
        server.server_close()


def _fetch(port: int, trusting: ssl.SSLContext) -> str:
    """GET / of the first name; it is not in the DNS, so the address is given."""
    connection = http.client.HTTPSConnection(NAMES[0], port, context=trusting, timeout=5)
    plain = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sock = trusting.wrap_socket(plain, server_hostname=NAMES[0])
    try:
        connection.request("GET", "/", headers={"Host": NAMES[0], "Connection": "close"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
