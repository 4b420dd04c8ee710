"""Recursive resolvers can be asked too, or alone where port 53 is blocked."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.flags
import dns.message
import dns.rdatatype
import pytest
import trustme

from acmez.waiters.dns import DnsPropagation
from tests.dns.propagating import (
    CHALLENGE,
    NAME,
    RECORD,
    SOA,
    VALUE,
    failure,
    impatient,
    looking_once,
    scope,
    shows,
    start,
)
from tests.dns.scripted import Answer, answer

__all__ = ["impatient", "scope", "start"]


class TestResolvers:
    def test_they_are_asked_alone_where_nothing_else_can_be_reached(self, start, scope):
        server = start(shows(f"{NAME}. 60 IN CNAME x.acme.test.", f"x.acme.test. 60 IN TXT {VALUE}"))
        DnsPropagation(ask="resolvers", resolvers=[server.where]).wait(CHALLENGE, scope)
        assert server.asked == [f"{NAME} TXT"]

    def test_they_are_asked_too_when_the_nameservers_have_it(self, start):
        nameserver, resolver = start(shows(RECORD)), start(shows())
        message = failure(looking_once(nameserver, ask="both", resolvers=[resolver.where]))
        assert message.endswith(f"{resolver.where}: no TXT record")

    def test_they_are_not_asked_before(self, start):
        nameserver, resolver = start(shows()), start(shows())
        failure(looking_once(nameserver, ask="both", resolvers=[resolver.where]))
        assert resolver.asked == []

    def test_one_that_remembers_the_absence_is_not_asked_before_it_forgets(self, start):
        server = start(lambda query: [answer(query, rcode="NXDOMAIN", authority=[SOA])])
        waiter = DnsPropagation(ask="resolvers", resolvers=[server.where], interval=0.01, timeout=0.3)
        failure(waiter)
        assert len(server.asked) == 2  # at once, and at the very end

    def test_they_can_be_asked_over_https(self, monkeypatch, tmp_path, scope):
        with doh_server(shows(RECORD), monkeypatch, tmp_path) as url:
            DnsPropagation(ask="resolvers", resolvers=[url]).wait(CHALLENGE, scope)

    def test_an_https_server_that_fails_is_told(self, monkeypatch, tmp_path):
        with doh_server(None, monkeypatch, tmp_path) as url:
            message = failure(DnsPropagation(ask="resolvers", resolvers=[url], timeout=0.05))
        assert message.endswith(f"{url}: HTTP status 503")

    def test_an_https_server_that_nobody_vouches_for_is_not_believed(self, monkeypatch, tmp_path):
        with doh_server(shows(RECORD), monkeypatch, tmp_path) as url:
            monkeypatch.delenv("SSL_CERT_FILE")
            message = failure(DnsPropagation(ask="resolvers", resolvers=[url], timeout=0.05))
        assert "no answer" in message


@contextlib.contextmanager
def doh_server(script: Answer | None, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[str]:
    """Answer DNS over HTTPS as *script* says, or not at all, on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = dns.message.from_wire(self.rfile.read(int(self.headers["Content-Length"])))
            assert query.id == 0
            assert self.headers["Content-Type"] == "application/dns-message"
            if script is None:
                return self.send_error(503)
            (message,) = script(query)
            assert isinstance(message, dns.message.Message)
            body = message.to_wire()
            self.send_response(200)
            self.send_header("Content-Type", "application/dns-message")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not believe us is no error of the test."""

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "trust.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trust.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}/dns-query"
        finally:
            server.shutdown()
            thread.join()
