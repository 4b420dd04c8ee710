"""The front passes every other connection through, untouched."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from acmez_tls_alpn import Answers, Front, Limits, TlsAlpnError
from acmez_tls_alpn.backend import Backend

from .sites import Address, echo, serving, tls_site
from .visiting import client_context, validate, visit

NOT_TLS = b"plain text first\n"
Start = Callable[..., Address]


@pytest.fixture
def start(challenge) -> Iterator[Start]:
    answers = Answers()
    answers.add(challenge)
    with ExitStack() as stack:

        def started(backend: str, *, limits: Limits | None = None, proxy_protocol: bool = False) -> Address:
            parsed = Backend.parse(backend, proxy_protocol=proxy_protocol)
            return stack.enter_context(
                Front(answers.find, host="127.0.0.1", port=0, backend=parsed, limits=limits)
            ).addresses[0]

        yield started


@pytest.fixture
def echoing() -> Iterator[Address]:
    with serving(echo) as address:
        yield address


def text(address: Address) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}"


def through(address: Address, data: bytes) -> bytes:
    """Send *data* and the end; return all that comes back."""
    with socket.create_connection(address, timeout=10) as connection:

        def send() -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        sender.join()
        return received


def test_a_visitor_sees_the_site_and_its_certificate_and_the_ca_sees_the_challenge(start, challenge):
    with tls_site() as (site, der):
        front = start(text(site))
        for protocols in ((), ("http/1.1",), ("h2", "http/1.1"), ("acme-tls/1", "http/1.1")):
            assert visit(front, "example.com", protocols).der == der
        validate(front, challenge)


def test_a_ca_that_asks_for_another_name_is_passed_on_too(start):
    with tls_site(protocols=("acme-tls/1",)) as (site, der):
        shown = visit(start(text(site)), "other.example")
    assert (shown.der, shown.protocol) == (der, "acme-tls/1")


@pytest.mark.parametrize("size", [1, 100, 16_384, 16_385, 5_000_000])
def test_what_is_no_tls_comes_through_byte_for_byte(start, echoing, size):
    data = NOT_TLS + hashlib.shake_128(b"any bytes").digest(size)
    assert through(start(text(echoing)), data) == data


def test_data_goes_both_ways_through_tls(start):
    with tls_site() as (site, _):
        front = start(text(site))
        with (
            socket.create_connection(front, timeout=10) as plain,
            client_context(()).wrap_socket(plain, server_hostname="example.com") as connection,
        ):
            connection.sendall(b"GET")
            assert connection.recv(10) == b"hello"


def test_a_side_that_ends_can_still_listen(start):
    """A half-closed connection (RFC 9293 §3.6)."""

    def answer_at_the_end(connection: socket.socket) -> None:
        total = sum(len(data) for data in iter(lambda: connection.recv(65536), b""))
        connection.sendall(b"%d bytes" % total)

    with serving(answer_at_the_end) as site:
        assert through(start(text(site)), NOT_TLS) == b"17 bytes"


def test_a_reader_that_is_slow_stops_the_writer_and_loses_nothing(start):
    sent, begun = 30_000_000, threading.Event()

    def pour(connection: socket.socket) -> None:
        connection.recv(100)
        begun.set()
        connection.sendall(bytes(sent))

    with serving(pour) as site, socket.create_connection(start(text(site)), timeout=10) as connection:
        connection.sendall(NOT_TLS)
        assert begun.wait(10)
        received = 0
        while data := connection.recv(1 << 20):
            received += len(data)
    assert received == sent


def test_an_idle_connection_is_not_cut(start, echoing, scope):
    front = start(text(echoing), limits=Limits(seconds=0.1, connections=2))
    with socket.create_connection(front, timeout=10) as connection:
        connection.sendall(NOT_TLS)
        assert connection.recv(100) == NOT_TLS
        scope.sleep(0.2)
        for _ in range(4):
            assert through(front, NOT_TLS) == NOT_TLS
        connection.sendall(b"still here")
        assert connection.recv(100) == b"still here"


def test_many_connections_pass_side_by_side(start, echoing):
    front = start(text(echoing))

    def one(number: int) -> bool:
        data = NOT_TLS + str(number).encode() * 10_000
        return through(front, data) == data

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(one, range(200)))


def test_a_server_that_breaks_off_breaks_the_client_off(start):
    with serving(lambda connection: connection.close()) as site:
        assert through(start(text(site)), NOT_TLS) == b""


def test_a_backend_that_is_down_is_logged_once_and_does_not_keep_the_ca_away(start, challenge, caplog):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = deaf.getsockname()
        front = start(text(address))
        for _ in range(3):
            with pytest.raises(OSError, match=r"EOF|reset"):
                visit(front, "example.com", ("h2",))
        validate(front, challenge)
        assert caplog.messages == [f"backend '{text(address)}': cannot be reached"]


def test_the_next_address_is_tried_when_one_does_not_answer(challenge, echoing):
    addresses = tuple((int(socket.AF_INET), (host, echoing[1])) for host in ("127.0.0.2", "127.0.0.1"))
    with Front(lambda name: None, host="127.0.0.1", port=0, backend=Backend("two", addresses)) as front:
        assert through(front.addresses[0], NOT_TLS) == NOT_TLS


def test_the_backend_may_be_on_ipv6(start):
    with serving(echo, "::1") as site:
        assert through(start(text(site)), NOT_TLS) == NOT_TLS


def test_the_backend_is_told_the_clients_address(start, echoing):
    front = start(text(echoing), proxy_protocol=True)
    with socket.create_connection(front, timeout=10) as connection:
        own = connection.getsockname()
        connection.sendall(NOT_TLS)
        connection.shutdown(socket.SHUT_WR)
        line, _, data = b"".join(iter(lambda: connection.recv(100), b"")).partition(b"\r\n")
    assert line.decode() == f"PROXY TCP4 {own[0]} {front[0]} {own[1]} {front[1]}"
    assert data == NOT_TLS


class TestParsing:
    def test_names_and_addresses_are_looked_up(self):
        assert Backend.parse("127.0.0.1:8443").addresses == ((socket.AF_INET, ("127.0.0.1", 8443)),)
        assert Backend.parse("[::1]:8443").addresses == ((socket.AF_INET6, ("::1", 8443)),)
        assert (socket.AF_INET, ("127.0.0.1", 80)) in Backend.parse("localhost:80").addresses

    @pytest.mark.parametrize("wrong", ["", "8443", ":8443", "localhost", "localhost:", "localhost:0", "a:65536", "a:x"])
    def test_what_is_no_host_and_port_is_refused(self, wrong):
        with pytest.raises(TlsAlpnError, match=f"^backend: expected 'host:port', got '{wrong}'$"):
            Backend.parse(wrong)

    def test_an_ipv6_address_without_brackets_gets_a_hint(self):
        with pytest.raises(TlsAlpnError, match=r"did you mean '\[::1\]:8443'"):
            Backend.parse("::1:8443")

    def test_an_unknown_host_is_told(self):
        with pytest.raises(TlsAlpnError, match=r"^backend 'no such host:1': no such host: "):
            Backend.parse("no such host:1")


def test_a_client_that_resets_frees_the_backend(start):
    ended = threading.Event()

    def wait_for_the_end(connection: socket.socket) -> None:
        try:
            while connection.recv(100):
                pass
        finally:
            ended.set()

    with serving(wait_for_the_end) as site, socket.create_connection(start(text(site)), timeout=10) as connection:
        connection.sendall(NOT_TLS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        assert ended.wait(10)


def test_an_alert_of_the_backend_reaches_the_visitor(start):
    with tls_site() as (site, _):
        front = start(text(site))
        context = client_context(())
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(  # the site's key is for ECDSA
            "ECDHE-RSA-AES128-GCM-SHA256"
        )
        with (
            socket.create_connection(front, timeout=10) as plain,
            pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"),
        ):
            context.wrap_socket(plain, server_hostname="example.com")
