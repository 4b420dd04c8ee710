"""Every way in which HTTP goes wrong, against a real server on loopback."""

from __future__ import annotations

import gc
import gzip
import itertools
import os
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from unittest.mock import patch

import pytest
import trustme

from acmez.acme import (
    AcmeError,
    Cancelled,
    CancelScope,
    ConnectError,
    DeadlineExceeded,
    InputError,
    LostAnswer,
    MalformedAnswer,
    Response,
    Timeouts,
    Transport,
    TransportError,
)
from acmez.acme.connection import TLSConnection
from acmez.acme.errors import Stage
from acmez.acme.trust import Trust, ssl_context
from tests.acme.proxy import LoopbackProxy
from tests.acme.server import Answer, LoopbackServer, Peer, Request, reply

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")


@contextmanager
def opened(authority: trustme.CA, **options: Any) -> Iterator[Transport]:
    with Transport(trust=authority.cert_pem.bytes(), **options) as transport:
        yield transport


def get(transport: Transport, url: str, scope: CancelScope | None = None) -> Response:
    return transport.request("GET", url, headers={}, scope=scope)


def post(transport: Transport, url: str, scope: CancelScope | None = None) -> Response:
    return transport.request("POST", url, headers={"Content-Type": "application/jose+json"}, body=b"{}", scope=scope)


def cancelled_soon(scope: CancelScope) -> threading.Timer:
    timer = threading.Timer(0.1, scope.cancel)
    timer.start()
    return timer


@contextmanager
def half_heard(*, reset: bool) -> Iterator[str]:
    """Yield the URL of a server that takes the beginning of one request, and then resets the connection or nothing."""

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(1000)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                done.wait()

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            done.set()
            thread.join()


def hang(_: Request, peer: Peer) -> None:
    peer.hang()


def close_after_reading(_: Request, peer: Peer) -> None:
    peer.sock.shutdown(socket.SHUT_RDWR)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


class TestAnswers:
    def test_an_answer_is_read_whole(self, server: LoopbackServer, transport: Transport):
        server.on(
            "/a?b=c", reply(201, "text", location="/x", content_type="Text/Plain; charset=utf-8", link=["1", "2"])
        )

        response = post(transport, f"{server.url}/a?b=c")

        assert (response.status, response.ok, response.body) == (201, True, b"text")
        assert (response.method, response.url) == ("POST", f"{server.url}/a?b=c")
        assert response.headers["link"] == ("1", "2")
        assert response.header("Link") == "1"
        assert response.header("nothing") is None
        assert response.media_type == "text/plain"
        assert response.location == f"{server.url}/x"

    def test_a_post_says_how_long_it_is_and_nothing_it_need_not(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply())

        post(transport, server.url)

        (request,) = server.requests
        assert request.path == "/"
        assert set(request.headers) <= {"host", "content-length", "content-type", "user-agent", "accept-encoding"}
        assert request.headers["content-length"] == "2"

    @pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 404, 429, 500, 503])
    def test_every_status_is_an_answer_and_redirects_are_not_followed(
        self, server: LoopbackServer, transport: Transport, status: int
    ):
        server.on("/from", reply(status, location="/to"))

        assert post(transport, f"{server.url}/from").status == status
        assert server.asked("/to") == []

    def test_chunked_answers_are_read(self, server: LoopbackServer, transport: Transport):
        server.on("/", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

        assert get(transport, server.url).body == b"abcde"
        assert get(transport, server.url).body == b"abcde"
        assert server.connections == 1

    def test_an_answer_without_length_ends_with_the_connection(self, server: LoopbackServer, transport: Transport):
        def until_closed(_: Request, peer: Peer) -> None:
            peer.send(b"HTTP/1.0 200 OK\r\n\r\nabc")

        server.on("/", until_closed)

        assert get(transport, server.url).body == b"abc"

    def test_head_has_no_body(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(200, "body", content_encoding="gzip"))

        assert transport.request("HEAD", server.url, headers={}).body == b""

    @pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_compression_that_nobody_asked_for_is_undone(
        self, server: LoopbackServer, transport: Transport, encoding: str, encode: Callable[[bytes], bytes]
    ):
        server.on("/", reply(200, encode(b"plain"), content_encoding=encoding.upper()))

        assert get(transport, server.url).body == b"plain"

    @pytest.mark.parametrize(
        ("encoding", "body", "message"),
        [
            ("br", b"x", "the content encoding 'br' was not asked for"),
            ("gzip", b"not gzip", "the gzip answer cannot be decoded: .*"),
            ("gzip", gzip.compress(b"x" * 100, mtime=0)[:-9], "the gzip answer ends early"),
            ("gzip", gzip.compress(b"x" * 5000, mtime=0), "the answer is larger than 4096 bytes"),
        ],
    )
    def test_compression_that_cannot_be_undone_is_malformed(
        self, server: LoopbackServer, authority: trustme.CA, encoding: str, body: bytes, message: str
    ):
        server.on("/", reply(200, body, content_encoding=encoding))
        with (
            opened(authority, max_body=4096) as transport,
            pytest.raises(MalformedAnswer, match=f"^{server.url}/: {message}$"),
        ):
            get(transport, f"{server.url}/")

    def test_a_body_up_to_the_limit_is_read_and_a_larger_one_refused(
        self, server: LoopbackServer, authority: trustme.CA
    ):
        server.on("/fits", reply(200, b"x" * 100_000))
        server.on("/large", reply(200, b"x" * 100_001))
        with opened(authority, max_body=100_000, connections=1) as transport:
            for _ in range(3):
                with pytest.raises(MalformedAnswer, match=r"the answer is larger than 100000 bytes$"):
                    get(transport, f"{server.url}/large")
                assert len(get(transport, f"{server.url}/fits").body) == 100_000

    def test_an_endless_body_is_cut_off(self, server: LoopbackServer, authority: trustme.CA):
        def endless(_: Request, peer: Peer) -> None:
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while not peer.stopping.is_set():
                peer.send(b"x" * 65536)

        server.on("/", endless)
        with (
            opened(authority, max_body=1_000_000) as transport,
            pytest.raises(MalformedAnswer, match="larger than 1000000 bytes"),
        ):
            get(transport, server.url)

    def test_retry_after_dates_go_by_the_servers_clock(self, server: LoopbackServer, transport: Transport):
        theirs = datetime.now(UTC) - timedelta(days=300)
        in_a_minute = format_datetime(theirs + timedelta(minutes=1), usegmt=True)
        server.on("/", reply(503, date=format_datetime(theirs, usegmt=True), retry_after=in_a_minute))

        assert get(transport, server.url).retry_after == 60.0

    def test_links_are_read_from_all_fields(self, server: LoopbackServer, transport: Transport):
        server.on("/a/b", reply(200, link=['<c>;rel="alternate"', "</d>; rel=alternate", '<e>;rel="up"']))

        links = get(transport, f"{server.url}/a/b").links

        assert links == {"alternate": (f"{server.url}/a/c", f"{server.url}/d"), "up": (f"{server.url}/a/e",)}

    def test_a_location_that_is_no_url_counts_as_none(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(201, location="http://["))

        assert get(transport, server.url).location is None


class TestFailures:
    def test_a_refused_connection_sent_nothing(self, transport: Transport):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        with pytest.raises(ConnectError) as caught:
            post(transport, f"https://127.0.0.1:{port}/x")

        message = f"POST https://127.0.0.1:{port}/x: cannot connect to 127.0.0.1 port {port}: Connection refused"
        assert str(caught.value) == message
        assert (caught.value.method, caught.value.url) == ("POST", f"https://127.0.0.1:{port}/x")
        assert (caught.value.stage, caught.value.timed_out) == (Stage.CONNECT, False)

    @pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 64 + ".invalid", "a..invalid"])
    def test_a_host_without_address_sent_nothing(self, transport: Transport, host: str):
        with pytest.raises(ConnectError):
            post(transport, f"https://{host}/")

    def test_an_untrusted_server_gets_nothing(self, server: LoopbackServer):
        server.on("/", reply())
        with (
            Transport(trust=trustme.CA().cert_pem.bytes()) as transport,
            pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            post(transport, server.url)
        assert server.requests == []

    def test_a_server_with_another_name_gets_nothing(
        self, server: LoopbackServer, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ):
        server.on("/", reply())
        resolve_to(monkeypatch, "127.0.0.1")
        with pytest.raises(ConnectError, match=r"certificate is not valid for 'elsewhere.example'"):
            post(transport, f"https://elsewhere.example:{server.port}/")
        assert server.requests == []

    def test_a_server_that_speaks_no_tls_gets_nothing(self, transport: Transport):
        with LoopbackServer(None) as plain, pytest.raises(ConnectError):
            post(transport, plain.url.replace("http:", "https:"))

    @pytest.mark.parametrize(
        "answer",
        [
            close_after_reading,
            lambda _, peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
            lambda _, peer: peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
            b"HTTP/1.1 two-hundred OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        ],
        ids=["closed", "truncated", "half-chunk", "bad-chunk", "ssh", "bad-status", "many-fields", "long"],
    )
    def test_a_lost_answer_to_a_post_is_ambiguous_and_to_a_get_is_not(
        self, server: LoopbackServer, transport: Transport, answer: Answer
    ):
        server.on("/", answer)

        with pytest.raises(LostAnswer):
            post(transport, server.url)
        with pytest.raises(ConnectError):
            get(transport, server.url)

    def test_a_truncated_answer_still_tells_the_location(self, server: LoopbackServer, transport: Transport):
        truncated = b"HTTP/1.1 201 Created\r\nLocation: /order/1\r\nContent-Length: 100\r\n\r\n{"
        server.on("/", lambda _, peer: peer.send(truncated))
        server.on("/refused", lambda _, peer: peer.send(truncated.replace(b"201", b"403")))

        with pytest.raises(LostAnswer) as caught:
            post(transport, server.url)
        assert caught.value.location == f"{server.url}/order/1"
        with pytest.raises(LostAnswer) as caught:
            post(transport, f"{server.url}/refused")
        assert caught.value.location is None

    def test_a_request_that_breaks_off_cannot_have_been_acted_on(self):
        with half_heard(reset=True) as url, Transport(allow_http=True) as plain, pytest.raises(ConnectError) as caught:
            plain.request("POST", url, headers={}, body=bytes(50_000_000))
        assert (caught.value.stage, caught.value.timed_out) == (Stage.SEND, False)

    def test_a_request_that_nobody_takes_is_given_up(self):
        with (
            half_heard(reset=False) as url,
            Transport(allow_http=True, timeouts=Timeouts(total=0.3)) as plain,
            pytest.raises(ConnectError, match=r"no answer within 0\.3 s$") as caught,
        ):
            plain.request("POST", url, headers={}, body=bytes(50_000_000))
        assert (caught.value.stage, caught.value.timed_out) == (Stage.SEND, True)

    def test_a_silent_server_is_given_up_after_the_read_timeout(self, server: LoopbackServer, authority: trustme.CA):
        server.on("/", hang)
        with (
            opened(authority, timeouts=Timeouts(read=0.1)) as transport,
            pytest.raises(LostAnswer, match="timed out") as caught,
        ):
            post(transport, server.url)
        assert (caught.value.stage, caught.value.timed_out) == (Stage.ANSWER, True)

    @pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
    def test_a_slow_drip_does_not_outlast_the_total_timeout(
        self, server: LoopbackServer, authority: trustme.CA, head: bytes
    ):
        def drip(_: Request, peer: Peer) -> None:
            peer.send(head)
            peer.drip(b"HTTP/1.1 200 OK\r\n" * 1000, 0.02)

        server.on("/", drip)
        with (
            opened(authority, timeouts=Timeouts(read=5, total=0.3)) as transport,
            pytest.raises(LostAnswer, match=r"no answer within 0\.3 s$") as caught,
        ):
            post(transport, server.url)
        assert caught.value.timed_out

    def test_a_tls_handshake_that_never_ends_is_given_up(self, authority: trustme.CA):
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            opened(authority, timeouts=Timeouts(connect=0.1)) as transport,
            pytest.raises(ConnectError, match="timed out") as caught,
        ):
            post(transport, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        assert (caught.value.stage, caught.value.timed_out) == (Stage.CONNECT, True)

    def test_a_server_that_is_gone_before_the_handshake_leaves_no_socket_open(
        self, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
    ):
        def connected(connection: TLSConnection) -> socket.socket:
            sock = connect(connection)
            listener.accept()[0].close()
            reset.wait(0.05)
            return sock

        connect, reset = TLSConnection._new_conn, threading.Event()
        monkeypatch.setattr(TLSConnection, "_new_conn", connected)
        with socket.create_server(("127.0.0.1", 0)) as listener, opened(authority) as transport:
            # Accepted sockets inherit it: closing them resets the connection.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with pytest.raises(ConnectError):
                post(transport, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        gc.collect()  # which would warn

    def test_connecting_that_never_ends_is_given_up(self, authority: trustme.CA):
        with (
            full_backlog() as port,
            opened(authority, timeouts=Timeouts(connect=0.1)) as transport,
            pytest.raises(ConnectError, match=f"cannot connect to 127.0.0.1 port {port}: timed out") as caught,
        ):
            post(transport, f"https://127.0.0.1:{port}/")
        assert (caught.value.stage, caught.value.timed_out) == (Stage.CONNECT, True)

    def test_every_address_of_a_host_is_tried(
        self, server: LoopbackServer, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ):
        server.on("/", reply())
        resolve_to(monkeypatch, "127.0.0.77", "127.0.0.1")

        assert post(transport, f"https://localhost:{server.port}/").ok

    def test_all_addresses_are_told_when_they_fail_for_different_reasons(
        self, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
    ):
        resolve_to(monkeypatch, "127.0.0.77", "127.0.0.1")
        with (
            full_backlog() as port,
            opened(authority, timeouts=Timeouts(connect=0.2)) as transport,
            pytest.raises(ConnectError, match=r"127\.0\.0\.77: Connection refused; 127\.0\.0\.1: timed out$"),
        ):
            post(transport, f"https://localhost:{port}/")

    def test_a_host_with_no_address_at_all_is_told(self, transport: Transport, monkeypatch: pytest.MonkeyPatch):
        resolve_to(monkeypatch)
        with pytest.raises(ConnectError, match="cannot connect to localhost port 443: no address"):
            post(transport, "https://localhost:443/")


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port where the kernel answers no further connection, as behind a firewall that drops packets."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        assert host in ("localhost", "elsewhere.example")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr("socket.getaddrinfo", resolve)


class TestConnections:
    def test_one_connection_serves_requests_in_sequence(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(200, "x"))

        for _ in range(5):
            post(transport, server.url)

        assert server.connections == 1

    def test_32_threads_share_ten_connections(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(200, "x"))

        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: post(transport, server.url), range(200)))

        assert {answer.body for answer in answers} == {b"x"}
        assert len(server.requests) == 200
        assert server.connections <= 10

    def test_a_connection_that_the_server_closed_is_replaced(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(200, "x"))
        post(transport, server.url)
        server.drop_connections()
        while server._peers:
            CancelScope().sleep(0.001)

        assert post(transport, server.url).ok
        assert server.connections == 2

    def test_an_idle_connection_is_not_trusted_for_ever(self, server: LoopbackServer, authority: trustme.CA):
        server.on("/", reply(200, "x"))
        with opened(authority, timeouts=Timeouts(idle=0.0)) as transport:
            post(transport, server.url)
            post(transport, server.url)

        assert server.connections == 2

    def test_a_closed_transport_opens_again(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(200, "x"))
        post(transport, server.url)
        transport.close()

        assert post(transport, server.url).ok
        assert server.connections == 2

    def test_closing_lets_a_request_in_flight_finish(self, server: LoopbackServer, transport: Transport):
        arrived, go_on = threading.Event(), threading.Event()

        def slowly(_: Request, peer: Peer) -> None:
            arrived.set()
            go_on.wait(5)
            peer.send(reply(200, "late"))

        server.on("/", slowly)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, transport, server.url)
            assert arrived.wait(5)
            transport.close()
            go_on.set()
            assert answer.result(5).body == b"late"
        transport.close()

    def test_hosts_beyond_the_limit_are_forgotten_and_still_served(
        self, server: LoopbackServer, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("acmez.acme.transport._MAX_HOSTS", 2)
        server.on("/", reply(200, "x"))
        with Transport(allow_http=True) as plain, LoopbackServer(None) as one, LoopbackServer(None) as two:
            one.on("/", reply(200, "1"))
            two.on("/", reply(200, "2"))
            with LoopbackServer(None) as three:
                three.on("/", reply(200, "3"))
                bodies = [get(plain, peer.url).body for _ in range(2) for peer in (one, two, three)]

        assert bodies == [b"1", b"2", b"3"] * 2

    def test_the_tls_context_is_made_once(self, server: LoopbackServer, authority: trustme.CA, monkeypatch):
        made: list[Trust] = []

        def make(trust: Trust) -> ssl.SSLContext:
            made.append(trust)
            return ssl_context(trust)

        monkeypatch.setattr("acmez.acme.transport.ssl_context", make)
        server.on("/", reply())
        with opened(authority) as transport, ThreadPoolExecutor(8) as pool:
            list(
                pool.map(lambda host: get(transport, f"https://{host}:{server.port}/"), ["127.0.0.1", "localhost"] * 8)
            )

        assert len(made) == 1

    def test_a_forked_child_uses_connections_of_its_own(self, server: LoopbackServer, transport: Transport):
        server.on("/", reply(200, "x"))
        post(transport, server.url)
        parents = transport._watch
        transport._process = -1  # as a child sees its parent's

        post(transport, server.url)

        parents.close()
        assert server.connections == 2

    def test_no_file_descriptor_is_left_open(self, server: LoopbackServer, authority: trustme.CA):
        server.on("/", reply(200, "x"))
        server.on("/closed", close_after_reading)
        with opened(authority) as transport:  # what is opened once per process
            post(transport, server.url)
        server.drop_connections()
        before = open_files()
        with opened(authority) as transport:
            for _ in range(10):
                post(transport, server.url)
                with pytest.raises(TransportError):
                    post(transport, f"{server.url}/closed")
                with pytest.raises(ConnectError):
                    post(transport, "https://127.0.0.1:1/")
        while server._peers:
            CancelScope().sleep(0.001)

        assert open_files() <= before


class TestScopes:
    def test_a_cancelled_scope_sends_nothing(self, server: LoopbackServer, transport: Transport):
        scope = CancelScope()
        scope.cancel("enough")

        with pytest.raises(Cancelled, match=r"^enough$"):
            post(transport, server.url, scope)
        assert server.connections == 0

    @pytest.mark.parametrize(
        "answer",
        [
            hang,
            lambda _, peer: (peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), peer.hang()),
            lambda _, peer: (peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"), peer.hang()),
            lambda _, peer: peer.drip(b"HTTP/1.1 200 OK\r\n" * 1000, 0.01),
        ],
        ids=["silent", "in the body", "in a body without end", "dripping"],
    )
    def test_a_request_in_flight_ends_at_once_when_cancelled(
        self, server: LoopbackServer, transport: Transport, answer: Answer
    ):
        server.on("/", answer)
        scope = CancelScope()
        timer = cancelled_soon(scope)

        with pytest.raises(Cancelled):
            post(transport, server.url, scope)
        timer.join()

    @pytest.mark.parametrize("where", ["connect", "handshake"])
    def test_connecting_ends_at_once_when_cancelled(self, transport: Transport, where: str):
        scope = CancelScope()
        with full_backlog() as filled, socket.create_server(("127.0.0.1", 0)) as silent:
            timer = cancelled_soon(scope)
            port = filled if where == "connect" else silent.getsockname()[1]
            with pytest.raises(Cancelled):
                post(transport, f"https://127.0.0.1:{port}/", scope)
            timer.join()

    def test_a_deadline_ends_a_request(self, server: LoopbackServer, transport: Transport):
        server.on("/", hang)

        with pytest.raises(DeadlineExceeded):
            post(transport, server.url, CancelScope(0.1))

    def test_a_deadline_ends_a_drip(self, server: LoopbackServer, transport: Transport):
        server.on("/", lambda _, peer: peer.drip(b"HTTP/1.1 200 OK\r\n" * 1000, 0.01))

        with pytest.raises(DeadlineExceeded):
            post(transport, server.url, CancelScope(0.1))

    def test_waiting_for_a_connection_ends_with_the_scope(self, server: LoopbackServer, authority: trustme.CA):
        arrived = threading.Event()

        def occupy(_: Request, peer: Peer) -> None:
            arrived.set()
            peer.hang()

        server.on("/", occupy)
        occupying, waiting = CancelScope(), CancelScope()
        with opened(authority, connections=1) as transport, ThreadPoolExecutor(2) as pool:
            first = pool.submit(post, transport, server.url, occupying)
            assert arrived.wait(5)
            second = pool.submit(post, transport, server.url, waiting)
            with pytest.raises(DeadlineExceeded):
                post(transport, server.url, CancelScope(0.05))
            waiting.cancel()
            with pytest.raises(Cancelled):
                second.result(5)
            occupying.cancel()
            with pytest.raises(Cancelled):
                first.result(5)
        assert len(server.requests) == 1

    def test_a_cancelled_request_leaves_the_others_alone(self, server: LoopbackServer, transport: Transport):
        server.on("/hang", hang)
        server.on("/", reply(200, "x"))
        scope = CancelScope()

        def poll() -> set[bytes]:
            return {post(transport, server.url).body for _ in range(50)}

        with ThreadPoolExecutor(8) as pool:
            hanging = [pool.submit(post, transport, f"{server.url}/hang", scope) for _ in range(4)]
            polling = [pool.submit(poll) for _ in range(4)]
            scope.cancel()
            assert [future.result(10) for future in polling] == [{b"x"}] * 4
            for future in hanging:
                with pytest.raises(Cancelled):
                    future.result(5)

    def test_an_abort_that_comes_too_late_does_not_hit_the_connections_next_request(
        self, server: LoopbackServer, transport: Transport
    ):
        server.on("/", reply(200, "x"))
        scope = CancelScope()
        late: list[Callable[[], None]] = []
        with patch.object(scope, "_unsubscribe", lambda _: late.extend(scope._callbacks.values())):
            post(transport, server.url, scope)

        def abort_late(_: Request, peer: Peer) -> None:
            scope.cancel()
            peer.send(reply(200, "y"))

        server.on("/", abort_late)

        assert post(transport, server.url).body == b"y"
        assert late
        assert server.connections == 1


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        ["", "x", "ftp://a/b", "https://", "https:///x", "https://[", "https://a:b/", "https://a:99999/", "http://["],
    )
    def test_what_is_no_url_is_refused(self, transport: Transport, url: str):
        with pytest.raises(InputError, match="not a"):
            post(transport, url)

    def test_http_is_refused_unless_allowed(self, transport: Transport):
        with LoopbackServer(None) as plain:
            plain.on("/", reply(200, "x"))
            with pytest.raises(InputError, match=r"ACME needs https \(RFC 8555 §6.1\)"):
                post(transport, plain.url)
            assert plain.connections == 0
            with Transport(allow_http=True) as lax:
                assert post(lax, plain.url).ok

    @pytest.mark.parametrize(
        "url", ["https://127.0.0.1:1/\r\nX: y", "https://127.0.0.1:1/ä", "https://127.0.0.1:1/\ud800"]
    )
    def test_odd_characters_in_a_url_smuggle_nothing(self, transport: Transport, url: str):
        with pytest.raises(AcmeError):
            post(transport, url)

    def test_a_fragment_is_not_sent(self, server: LoopbackServer, transport: Transport):
        server.on("/a", reply(200, "x"))

        assert get(transport, f"{server.url}/a#b").ok

    def test_a_pinned_host_is_sent_to_on_any_port_and_however_it_is_written(
        self, server: LoopbackServer, authority: trustme.CA
    ):
        server.on("/", reply(200, "x"))
        with LoopbackServer(authority) as other, opened(authority, only_hosts=["LOCALHOST"]) as pinned:
            other.on("/", reply(200, "y"))

            assert get(pinned, f"https://localhost:{server.port}/").body == b"x"
            assert get(pinned, f"https://LocalHost:{other.port}/").body == b"y"

    @pytest.mark.parametrize(
        ("hosts", "allowed"), [(["localhost", "ca.example"], "ca.example, localhost"), ([], "none")]
    )
    def test_another_host_than_the_pinned_ones_is_refused(
        self, server: LoopbackServer, authority: trustme.CA, hosts: list[str], allowed: str
    ):
        with opened(authority, only_hosts=hosts) as pinned:
            with pytest.raises(InputError, match=rf"/a': not a host to send to; allowed: {allowed}$"):
                post(pinned, f"{server.url}/a")
            assert server.connections == 0


class TestProxies:
    def test_https_goes_through_a_tunnel(self, server: LoopbackServer, authority: trustme.CA):
        server.on("/a", reply(200, "x"))
        with LoopbackProxy() as proxy, opened(authority, proxy=proxy.url) as transport:
            assert post(transport, f"{server.url}/a").body == b"x"
            assert post(transport, f"{server.url}/a").body == b"x"

        assert proxy.asked in (
            [f"CONNECT 127.0.0.1:{server.port} HTTP/1.0"],
            [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"],
        )

    def test_http_is_asked_for_with_the_whole_url(self):
        with LoopbackServer(None) as plain, LoopbackProxy() as proxy:
            plain.on("/a", reply(200, "x"))
            with Transport(allow_http=True, proxy=proxy.url) as transport:
                assert get(transport, f"{plain.url}/a").body == b"x"

        assert proxy.asked == [f"GET {plain.url}/a HTTP/1.1"]

    def test_the_environment_names_the_proxy(self, server: LoopbackServer, authority: trustme.CA, monkeypatch):
        server.on("/", reply(200, "x"))
        with LoopbackProxy() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            with opened(authority) as transport:
                post(transport, server.url)
            assert len(proxy.asked) == 1

            with opened(authority, proxy="") as transport:
                post(transport, server.url)
            monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.1")
            with opened(authority) as transport:
                post(transport, server.url)
            assert len(proxy.asked) == 1

    def test_a_proxys_password_is_for_the_proxy(self, server: LoopbackServer, authority: trustme.CA):
        server.on("/", reply(200, "x"))
        with LoopbackProxy() as proxy, opened(authority, proxy=proxy.url.replace("//", "//user:secret@")) as transport:
            post(transport, server.url)

        assert any(field.lower().startswith("proxy-authorization: basic") for field in proxy.headers)
        assert "proxy-authorization" not in server.requests[0].headers

    def test_a_proxy_that_refuses_sent_nothing(self, server: LoopbackServer, authority: trustme.CA):
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        with (
            LoopbackProxy(refusal) as proxy,
            opened(authority, proxy=proxy.url) as transport,
            pytest.raises(ConnectError, match="407 Proxy Authentication Required"),
        ):
            post(transport, server.url)

    def test_an_absent_proxy_sent_nothing_and_its_password_is_not_told(self, server: LoopbackServer, authority):
        with (
            opened(authority, proxy="http://user:secret@127.0.0.1:1") as transport,
            pytest.raises(ConnectError, match=r"cannot connect to 127.0.0.1 port 1: Connection refused") as caught,
        ):
            post(transport, server.url)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("proxy", ["http://", "socks5://127.0.0.1:1", "gopher://127.0.0.1:1"])
    def test_a_proxy_that_cannot_be_used_is_told(self, server: LoopbackServer, authority: trustme.CA, proxy: str):
        with (
            opened(authority, proxy=proxy) as transport,
            pytest.raises(InputError, match=f"^proxy: cannot be used for '{server.url}': "),
        ):
            post(transport, server.url)

    def test_a_tunnel_being_dug_ends_at_once_when_cancelled(self, server: LoopbackServer, authority: trustme.CA):
        scope = CancelScope()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with opened(authority, proxy=proxy) as transport:
                timer = cancelled_soon(scope)
                with pytest.raises(Cancelled):
                    post(transport, server.url, scope)
                timer.join()


def test_many_cancellations_leave_no_file_descriptor_open(server: LoopbackServer, transport: Transport):
    server.on("/", hang)
    server.on("/ok", reply(200, "x"))
    post(transport, f"{server.url}/ok")
    before = open_files()
    for _ in range(10):
        scope = CancelScope()
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(post, transport, server.url, scope) for _ in range(8)]
            deadline = time.monotonic() + 5
            while len(server.asked("/")) < 1 and time.monotonic() < deadline:
                CancelScope().sleep(0.001)
            scope.cancel()
            for future in futures:
                with pytest.raises(Cancelled):
                    future.result(5)
    transport.close()
    while server._peers:
        CancelScope().sleep(0.001)

    assert open_files() <= before


def test_bodies_of_all_sizes_arrive_whole(server: LoopbackServer, transport: Transport):
    for size in itertools.chain(range(3), (65535, 65536, 65537, 300_000)):
        server.on("/", reply(200, b"x" * size))
        assert get(transport, server.url).body == b"x" * size
    assert server.connections == 1
