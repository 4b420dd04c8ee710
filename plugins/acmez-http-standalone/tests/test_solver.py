"""What a CA gets, and when the server is up."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse

import pytest
from acmez_http_standalone import StandaloneError, StandaloneSolver

from acmez.acme.errors import Cancelled, MalformedAnswer
from acmez.protocols import CancelScope, Challenge, Signalling, Solver
from tests.pebble.ports import ReservedPorts

PATH = "/.well-known/acme-challenge/tok-EN_1"
KEY_AUTHORIZATION = b"tok-EN_1.thumb-PRINT_1"


@pytest.fixture
def solver() -> StandaloneSolver:
    return StandaloneSolver(host="127.0.0.1", port=0)


@pytest.fixture
def presented(solver: StandaloneSolver, challenge: Challenge, scope: CancelScope) -> Iterator[StandaloneSolver]:
    solver.present(challenge, scope)
    yield solver
    solver.clean_up(challenge, None, scope)


def fetch(
    solver: StandaloneSolver, path: str = PATH, *, method: str = "GET", host: str = "example.com", address: int = 0
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*solver.addresses[address], timeout=10)
    try:
        connection.request(method, path, headers={"Host": host})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def ended(connection: socket.socket) -> bool:
    """Tell whether the server closed the connection without a word; a reset is a close with data unread."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def server_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "acmez-http-standalone"]


def test_it_is_a_solver_of_http_01_that_sees_the_ca(solver: StandaloneSolver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("http-standalone", "http-01")
    assert isinstance(solver, Signalling)


def test_the_ca_gets_the_key_authorization(presented):
    response, body = fetch(presented)
    assert (response.status, body) == (200, KEY_AUTHORIZATION)
    assert response.getheader("Content-Type") == "application/octet-stream"
    assert response.getheader("Connection") == "close"


@pytest.mark.parametrize("host", ["example.com", "EXAMPLE.com:80", "[2001:db8::1]", "127.0.0.1", "elsewhere.test"])
def test_the_token_counts_and_not_the_host(presented, host):
    assert fetch(presented, host=host)[1] == KEY_AUTHORIZATION


def test_head_gets_the_length_and_no_body(presented):
    response, body = fetch(presented, method="HEAD")
    assert (response.status, response.getheader("Content-Length"), body) == (200, "22", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/other",
        f"{PATH}/",
        f"{PATH}?query",
        f"/x/..{PATH}",
        PATH.replace("tok", "%74ok"),
        PATH.replace("tok", "TOK"),
        f"http://example.com{PATH}",
    ],
)
def test_any_other_path_is_not_found(presented, path):
    response, body = fetch(presented, path)
    assert (response.status, body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_any_other_method_is_not_found(presented, method):
    assert fetch(presented, method=method)[0].status == 404


def test_many_challenges_are_served_side_by_side(solver, challenge_for, scope):
    challenges = [challenge_for(f"token-{number}") for number in range(100)]
    with ThreadPoolExecutor(16) as pool:
        [*pool.map(lambda challenge: solver.present(challenge, scope), challenges)]
        assert len(server_threads()) == 1
        paths = [f"/.well-known/acme-challenge/{challenge.token}" for challenge in challenges] * 3
        bodies = [body.decode() for _, body in pool.map(lambda path: fetch(solver, path), paths)]
        assert bodies == [challenge.key_authorization for challenge in challenges] * 3
        [*pool.map(lambda challenge: solver.clean_up(challenge, None, scope), challenges)]
    assert (solver.addresses, server_threads()) == ([], [])


@pytest.mark.usefixtures("every_address")
def test_without_host_both_families_are_served_on_one_port(challenge, scope):
    solver = StandaloneSolver(port=0)
    solver.present(challenge, scope)
    try:
        assert {host for host, _ in solver.addresses} == {"127.0.0.1", "::1"}
        assert len({port for _, port in solver.addresses}) == 1
        for address in (0, 1):
            assert fetch(solver, address=address)[1] == KEY_AUTHORIZATION
    finally:
        solver.clean_up(challenge, None, scope)


class TestLife:
    def test_a_new_solver_has_no_sockets_and_no_threads(self, solver):
        assert (solver.addresses, server_threads()) == ([], [])

    def test_the_server_stops_with_the_last_challenge_and_its_port_is_free(self, solver, challenge_for, scope):
        first, second = challenge_for("one"), challenge_for("two")
        solver.present(first, scope)
        solver.present(second, scope)
        (address,) = solver.addresses
        solver.clean_up(first, None, scope)
        assert fetch(solver, "/.well-known/acme-challenge/one")[0].status == 404
        assert fetch(solver, "/.well-known/acme-challenge/two")[0].status == 200
        solver.clean_up(second, None, scope)
        assert (solver.addresses, server_threads()) == ([], [])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        socket.create_server(address).close()

    def test_it_starts_again_on_the_same_port(self, solver, challenge, scope):
        for _ in range(3):
            solver.present(challenge, scope)
            solver.port = solver.addresses[0][1]
            assert fetch(solver)[1] == KEY_AUTHORIZATION
            solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_it_stops_with_connections_open(self, solver, challenge, scope):
        solver.present(challenge, scope)
        with socket.create_connection(solver.addresses[0], timeout=10) as idle:
            idle.sendall(b"GET ")
            solver.clean_up(challenge, None, scope)
            assert server_threads() == []
            assert ended(idle)

    def test_presenting_twice_is_presenting_once(self, solver, challenge, scope):
        solver.present(challenge, scope)
        solver.present(challenge, scope)
        assert fetch(solver)[1] == KEY_AUTHORIZATION
        solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_cleaning_up_twice_or_without_present_is_silent(self, solver, challenge, challenge_for, scope):
        solver.clean_up(challenge, None, scope)
        solver.clean_up(challenge_for(None), None, scope)
        solver.present(challenge, scope)
        solver.clean_up(challenge, None, scope)
        solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_cleaning_up_goes_on_after_the_end_of_the_scope(self, solver, challenge, scope):
        solver.present(challenge, scope)
        scope.cancel()
        solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_nothing_starts_after_the_end_of_the_scope(self, solver, challenge, scope):
        scope.cancel()
        with pytest.raises(Cancelled):
            solver.present(challenge, scope)
        assert server_threads() == []

    def test_threads_that_come_and_go_leave_nothing(self, challenge_for, scope):
        solver = StandaloneSolver(host="127.0.0.1", port=0)

        def work(thread: int) -> None:
            for number in range(20):
                challenge = challenge_for(f"{thread}-{number}")
                solver.present(challenge, scope)
                assert fetch(solver, f"/.well-known/acme-challenge/{challenge.token}")[0].status == 200
                solver.clean_up(challenge, None, scope)

        with ThreadPoolExecutor(8) as pool:
            [*pool.map(work, range(8))]
        assert (solver.addresses, server_threads()) == ([], [])


class TestValidated:
    def test_it_is_set_by_the_request_and_not_before(self, presented, challenge):
        event = presented.validated(challenge)
        fetch(presented, "/.well-known/acme-challenge/other")
        fetch(presented, method="HEAD")
        assert not event.is_set()
        fetch(presented)
        assert event.wait(10)

    def test_it_can_be_asked_for_before_and_after(self, solver, challenge, challenge_for, scope):
        before = solver.validated(challenge)
        other = solver.validated(challenge_for("other"))
        solver.present(challenge, scope)
        fetch(solver)
        assert before.wait(10)
        assert solver.validated(challenge) is before
        assert not other.is_set()
        solver.clean_up(challenge, None, scope)

    def test_it_is_forgotten_when_nobody_waits(self, solver, challenge, scope):
        solver.present(challenge, scope)
        fetch(solver)
        assert solver.validated(challenge).wait(10)
        solver.clean_up(challenge, None, scope)
        gc.collect()
        assert not solver.validated(challenge).is_set()


class TestErrors:
    def test_a_port_in_use_is_named_with_the_ways_out(self, challenge, scope):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            solver = StandaloneSolver(host="127.0.0.1", port=port)
            with pytest.raises(StandaloneError) as caught:
                solver.present(challenge, scope)
        assert str(caught.value).startswith(f"port {port}: is in use: stop the server that listens there")
        assert "acmez-http-webroot" in str(caught.value)
        assert server_threads() == []

    def test_a_challenge_that_could_not_be_presented_is_not_served_later(self, solver, challenge, challenge_for, scope):
        with ReservedPorts(1) as reserved:
            (solver.port,) = reserved.numbers
            with socket.create_server(("127.0.0.1", solver.port)), pytest.raises(StandaloneError):
                solver.present(challenge, scope)
            later = challenge_for("later")
            solver.present(later, scope)
            assert fetch(solver)[0].status == 404
            solver.clean_up(later, None, scope)
            assert server_threads() == []

    @pytest.mark.parametrize("token", ["../index", "a b", "a\r\nb", "ä", ""])
    def test_a_token_outside_base64url_is_refused(self, solver, challenge_for, scope, token):
        with pytest.raises(StandaloneError, match=r"^example\.com: the token is not base64url$"):
            solver.present(challenge_for(token), scope)
        solver.clean_up(challenge_for(token), None, scope)
        assert server_threads() == []

    def test_a_challenge_without_token_is_the_cas_mistake(self, solver, challenge_for, scope):
        with pytest.raises(MalformedAnswer, match="there is no token"):
            solver.present(challenge_for(None), scope)

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_a_port_out_of_range_is_refused(self, port):
        with pytest.raises(ValueError, match=rf"^port: {port} is not a port"):
            StandaloneSolver(port=port)

    def test_no_representation_shows_what_is_served(self, presented):
        assert "tok-EN_1" not in repr(presented)
        assert "thumb-PRINT_1" not in repr(presented)
