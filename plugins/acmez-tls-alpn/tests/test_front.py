"""What the responder shows, and what visitors do who are no CA."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from acmez_tls_alpn import Answers, Front, Limits

from .visiting import client_context, validate, visit

Start = Callable[[Limits], Front]


@pytest.fixture
def answers(challenge) -> Answers:
    answers = Answers()
    answers.add(challenge)
    return answers


@pytest.fixture
def start(answers: Answers) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(limits: Limits) -> Front:
            return stack.enter_context(Front(answers.find, host="127.0.0.1", port=0, limits=limits))

        yield started


@pytest.fixture
def front(start: Start) -> Front:
    return start(Limits())


def connect(front: Front) -> socket.socket:
    return socket.create_connection(front.addresses[0], timeout=10)


def rest(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(4096):
            received += piece
    except ConnectionResetError:  # the server closed before it read all
        return received
    return received


def hello(name: str = "example.com") -> bytes:
    """Return the first bytes of a CA."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_context().wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ca_sees_what_boulder_checks(front, challenge, version):
    validate(front.addresses[0], challenge, version=version)


@pytest.mark.parametrize("name", ["192.0.2.1", "2001:db8::1"])
def test_an_address_is_asked_for_by_its_reverse_name(front, answers, challenge_for, name):
    challenge = challenge_for(name)
    answers.add(challenge)
    validate(front.addresses[0], challenge)


def test_the_name_counts_however_it_is_written(front):
    assert visit(front.addresses[0], "EXAMPLE.com").protocol == "acme-tls/1"


def test_of_two_challenges_for_a_name_the_latest_is_shown_and_then_the_other(front, answers, challenge, challenge_for):
    later = challenge_for(token="later")
    answers.add(later)
    validate(front.addresses[0], later)
    answers.remove(later)
    validate(front.addresses[0], challenge)


@pytest.mark.parametrize(
    ("name", "protocols", "alert"),
    [
        ("example.com", (), "no application protocol"),
        ("example.com", ("h2", "http/1.1"), "no application protocol"),
        ("example.com", ("acme-tls/1", "h2"), "no application protocol"),
        ("example.com", ("h2", "acme-tls/1"), "no application protocol"),
        ("other.example", ("acme-tls/1",), "unrecognized name"),
        (None, ("acme-tls/1",), "unrecognized name"),
    ],
)
def test_everybody_else_gets_an_alert_and_no_certificate(front, challenge, name, protocols, alert):
    with pytest.raises(ssl.SSLError) as caught:
        visit(front.addresses[0], name, protocols)
    assert alert in str(caught.value).lower().replace("_", " ")
    validate(front.addresses[0], challenge)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_before_1_2_is_refused(front, version):
    """RFC 8737 §4."""
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with connect(front) as plain, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        context.wrap_socket(plain, server_hostname="example.com")


def test_what_is_no_tls_is_ended(front, challenge):
    with connect(front) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert rest(connection) == b"\x15\3\3\0\2\2\x32"
    validate(front.addresses[0], challenge)


def test_the_connection_is_closed_after_the_handshake(front):
    with (
        connect(front) as plain,
        client_context().wrap_socket(plain, server_hostname="example.com", suppress_ragged_eofs=True) as connection,
    ):
        assert connection.recv(1) == b""


def test_the_signal_comes_with_the_handshake_and_not_before(front, answers, challenge):
    seen = answers.seen(challenge)
    with connect(front) as leaving:
        leaving.sendall(hello())
        assert leaving.recv(1)
    with pytest.raises(ssl.SSLError):
        visit(front.addresses[0], "example.com", ("h2",))
    assert not seen.is_set()
    visit(front.addresses[0], "example.com")
    assert seen.wait(10)


def test_a_hello_may_come_byte_by_byte(front):
    with connect(front) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for value in hello():
            connection.sendall(bytes([value]))
        assert connection.recv(1) == b"\x16"


def test_a_hello_without_end_is_cut_off(front, challenge):
    with connect(front) as connection:
        connection.sendall(b"\x16\3\1\x40\0\1\xff\xff\xff" + bytes(16_000))
        connection.sendall(bytes(384) + b"\x16\3\1\x40\0" + bytes(16_000))
        assert rest(connection) in {b"\x15\3\3\0\2\2\x32", b""}
    validate(front.addresses[0], challenge)


def test_a_silent_visitor_is_sent_away(start):
    with connect(start(Limits(seconds=0.1))) as silent:
        assert rest(silent) == b""


def test_a_drip_does_not_prolong_the_life_of_a_connection(start):
    stopped = threading.Event()
    with connect(start(Limits(seconds=0.3))) as dripping:

        def drip() -> None:
            try:
                for value in hello()[:100]:
                    if stopped.wait(0.02):
                        return
                    dripping.sendall(bytes([value]))
            except OSError:
                return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert rest(dripping) == b""
        finally:
            stopped.set()
            thread.join()


def test_a_handshake_that_stops_halfway_is_ended(start):
    with connect(start(Limits(seconds=0.2))) as silent:
        silent.sendall(hello())
        assert rest(silent).startswith(b"\x16")


def test_a_crowd_drives_out_its_own_and_not_the_ca(start, challenge):
    front = start(Limits(connections=10))
    with ExitStack() as crowd:
        idle = [crowd.enter_context(connect(front)) for _ in range(50)]
        validate(front.addresses[0], challenge)
        assert [rest(connection) for connection in idle[:40]] == [b""] * 40


def test_visitors_who_leave_at_once_do_no_harm(front, challenge):
    for _ in range(50):
        with connect(front) as leaving:
            # Closing with a linger time of zero resets the connection.
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            leaving.sendall(hello())
    validate(front.addresses[0], challenge)


def test_a_mistake_in_finding_ends_one_connection_and_is_logged(caplog):
    def broken(name: str) -> None:
        raise RuntimeError(f"no {name}")

    with Front(broken, host="127.0.0.1", port=0) as front:
        for _ in range(2):
            with connect(front) as connection:
                connection.sendall(hello())
                assert rest(connection) == b""
    assert "ended by a mistake of ours" in caplog.text


def test_a_process_out_of_descriptors_answers_again_later(front, challenge):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(socket.socket()) as visitor, ExitStack() as hoard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                hoard_descriptors(visitor.fileno(), hoard)
            visitor.settimeout(10)
            visitor.connect(front.addresses[0])
            visitor.sendall(hello())
        finally:
            hoard.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert visitor.recv(1) == b"\x16"
    validate(front.addresses[0], challenge)


def test_stopping_leaves_no_descriptor_and_no_thread(answers):
    before, threads = descriptors(), threading.active_count()
    front = Front(answers.find, host="127.0.0.1", port=0)
    with connect(front) as connection:
        connection.sendall(hello()[:10])
        visit(front.addresses[0], "example.com")
        front.stop()
    assert (descriptors() <= before, threading.active_count()) == (True, threads)


def hoard_descriptors(descriptor: int, hoard: ExitStack) -> None:
    while True:
        hoard.callback(os.close, os.dup(descriptor))


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])
