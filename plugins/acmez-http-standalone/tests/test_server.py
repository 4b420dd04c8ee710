"""What visitors do who are no CA."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from acmez_http_standalone.listening import listen
from acmez_http_standalone.server import Answer, ChallengeServer, Limits

REQUEST = b"GET /.well-known/acme-challenge/tok HTTP/1.1\r\nHost: example.com\r\n\r\n"
Start = Callable[[Limits], ChallengeServer]


@pytest.fixture
def answer() -> Answer:
    return Answer(b"tok.thumb", threading.Event())


@pytest.fixture
def start(answer: Answer) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(limits: Limits) -> ChallengeServer:
            server = ChallengeServer(listen("127.0.0.1", 0), {b"/.well-known/acme-challenge/tok": answer}, limits)
            stack.callback(server.stop)
            return server

        yield started


def connect(server: ChallengeServer) -> socket.socket:
    return socket.create_connection(server.addresses[0], timeout=10)


def exchange(server: ChallengeServer, *pieces: bytes) -> bytes:
    """Send a request in pieces; return all that comes back until the server closes."""
    with connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(4096):
            received += piece
    except ConnectionResetError:  # the server closed before it read all
        return received
    return received


def hoard_descriptors(descriptor: int, hoard: ExitStack) -> None:
    while True:
        hoard.callback(os.close, os.dup(descriptor))


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def status(response: bytes) -> int:
    return int(response.split(b" ")[1])


def test_a_request_in_small_pieces_is_understood(start):
    server = start(Limits())
    pieces = [REQUEST[number : number + 1] for number in range(len(REQUEST))]
    assert exchange(server, *pieces).endswith(b"\r\n\r\ntok.thumb")


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /.well-known/acme-challenge/tok\r\n\r\n",
        b"GET  /.well-known/acme-challenge/tok HTTP/1.1\r\n\r\n",
        b"GET /.well-known/acme-challenge/tok HTTP/2.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /\xff\x00 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_not_found(start, request_):
    assert status(exchange(start(Limits()), request_)) == 404


def test_http_1_0_without_host_is_answered(start):
    response = exchange(start(Limits()), b"GET /.well-known/acme-challenge/tok HTTP/1.0\r\n\r\n")
    assert response.endswith(b"tok.thumb")


def test_one_request_is_answered_on_a_connection(start):
    assert exchange(start(Limits()), REQUEST * 2).count(b"HTTP/1.1 ") == 1


def test_a_request_without_end_is_cut_off(start):
    server = start(Limits(request=1000))
    assert exchange(server, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000) == b""
    assert status(exchange(server, REQUEST)) == 200


def test_a_silent_visitor_is_sent_away(start):
    server = start(Limits(seconds=0.1))
    with connect(server) as silent:
        assert rest(silent) == b""


def test_a_drip_does_not_prolong_the_life_of_a_connection(start):
    server = start(Limits(seconds=0.3))
    stopped = threading.Event()
    with connect(server) as dripping:

        def drip() -> None:
            try:
                while not stopped.wait(0.02):
                    dripping.sendall(b"x")
            except OSError:
                return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert rest(dripping) == b""
        finally:
            stopped.set()
            thread.join()


def test_a_crowd_drives_out_its_own_and_not_the_ca(start, answer):
    server = start(Limits(connections=10))
    with ExitStack() as crowd:
        idle = [crowd.enter_context(connect(server)) for _ in range(50)]
        assert status(exchange(server, REQUEST)) == 200
        assert [rest(connection) for connection in idle[:40]] == [b""] * 40
        idle[-1].sendall(REQUEST)
        assert rest(idle[-1]).endswith(b"tok.thumb")
    assert answer.fetched.wait(10)


def test_visitors_who_leave_at_once_do_no_harm(start):
    server = start(Limits())
    for _ in range(50):
        with connect(server) as leaving:
            # Closing with a linger time of zero resets the connection.
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            leaving.sendall(REQUEST)
    assert status(exchange(server, REQUEST)) == 200


def test_a_process_out_of_descriptors_answers_again_later(start):
    server = start(Limits())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(socket.socket()) as visitor, ExitStack() as hoard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                hoard_descriptors(visitor.fileno(), hoard)
            visitor.settimeout(10)
            visitor.connect(server.addresses[0])
            visitor.sendall(REQUEST)
        finally:
            hoard.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert status(rest(visitor)) == 200


def test_stopping_leaves_no_descriptor_open():
    before = descriptors()
    server = ChallengeServer(listen("127.0.0.1", 0), {})
    with connect(server):
        server.stop()
    assert descriptors() <= before
