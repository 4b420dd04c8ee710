"""When the responder is up, and what becomes of it."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from acmez_tls_alpn import TlsAlpnError, TlsAlpnSolver

from acmez.acme.errors import Cancelled, InputError, MalformedAnswer
from acmez.protocols import CancelScope, Challenge, Signalling, Solver
from tests.pebble.ports import ReservedPorts

from .sites import echo, serving
from .visiting import validate, visit


@pytest.fixture
def solver() -> TlsAlpnSolver:
    return TlsAlpnSolver(host="127.0.0.1", port=0)


@pytest.fixture
def presented(solver: TlsAlpnSolver, challenge: Challenge, scope: CancelScope) -> Iterator[TlsAlpnSolver]:
    solver.present(challenge, scope)
    yield solver
    solver.clean_up(challenge, None, scope)


def server_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "acmez-tls-alpn"]


def test_it_is_a_solver_of_tls_alpn_01_that_sees_the_ca(solver: TlsAlpnSolver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("tls-alpn", "tls-alpn-01")
    assert isinstance(solver, Signalling)


def test_a_hundred_names_are_answered_at_once(solver, challenge_for, scope):
    challenges = [challenge_for(f"{number}.example", f"token-{number}") for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda challenge: solver.present(challenge, scope), challenges)]
        assert len(server_threads()) == 1
        [*pool.map(lambda challenge: validate(solver.addresses[0], challenge), challenges)]
        [*pool.map(lambda challenge: solver.clean_up(challenge, None, scope), challenges)]
    assert (solver.addresses, server_threads()) == ([], [])


@pytest.mark.usefixtures("every_address")
def test_without_host_both_families_are_served_on_one_port(challenge, scope):
    solver = TlsAlpnSolver(port=0)
    solver.present(challenge, scope)
    try:
        assert {host for host, _ in solver.addresses} == {"127.0.0.1", "::1"}
        assert len({port for _, port in solver.addresses}) == 1
        for address in solver.addresses:
            validate(address, challenge)
    finally:
        solver.clean_up(challenge, None, scope)


class TestLife:
    def test_a_new_solver_has_no_sockets_and_no_threads(self, solver):
        assert (solver.addresses, server_threads()) == ([], [])

    def test_the_server_stops_with_the_last_challenge_and_its_port_is_free(self, solver, challenge_for, scope):
        first, second = challenge_for("one.example"), challenge_for("two.example")
        solver.present(first, scope)
        solver.present(second, scope)
        (address,) = solver.addresses
        solver.clean_up(first, None, scope)
        with pytest.raises(OSError, match=r"(?i)unrecognized.name"):
            visit(address, "one.example")
        validate(address, second)
        solver.clean_up(second, None, scope)
        assert (solver.addresses, server_threads()) == ([], [])
        socket.create_server(address).close()

    def test_in_front_of_a_backend_it_stays_until_it_is_stopped(self, challenge, scope):
        with serving(echo) as (host, port):
            solver = TlsAlpnSolver(host="127.0.0.1", port=0, backend=f"{host}:{port}")
            solver.present(challenge, scope)
            address = solver.addresses[0]
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(b"first")
                assert connection.recv(10) == b"first"
                solver.clean_up(challenge, None, scope)
                assert solver.addresses == [address]
                connection.sendall(b"then")
                assert connection.recv(10) == b"then"
                solver.stop()
                assert connection.recv(10) == b""
        assert (solver.addresses, server_threads()) == ([], [])

    def test_it_can_be_started_before_the_first_challenge(self, challenge, scope):
        with (
            serving(echo) as (host, port),
            TlsAlpnSolver(host="127.0.0.1", port=0, backend=f"{host}:{port}") as solver,
        ):
            address = solver.addresses[0]
            solver.start()
            solver.present(challenge, scope)
            validate(address, challenge)
            solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_it_starts_again(self, solver, challenge, scope):
        for _ in range(3):
            solver.present(challenge, scope)
            validate(solver.addresses[0], challenge)
            solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_presenting_twice_is_presenting_once(self, solver, challenge, scope):
        solver.present(challenge, scope)
        solver.present(challenge, scope)
        validate(solver.addresses[0], challenge)
        solver.clean_up(challenge, None, scope)
        assert server_threads() == []

    def test_cleaning_up_twice_or_without_present_is_silent(self, solver, challenge, challenge_for, scope):
        solver.clean_up(challenge, None, scope)
        solver.clean_up(challenge_for(token=None), None, scope)
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


class TestValidated:
    def test_it_can_be_asked_for_before_and_after(self, solver, challenge, challenge_for, scope):
        before = solver.validated(challenge)
        other = solver.validated(challenge_for("other.example"))
        solver.present(challenge, scope)
        assert not before.is_set()
        validate(solver.addresses[0], challenge)
        assert before.wait(10)
        assert solver.validated(challenge) is before
        assert not other.is_set()
        solver.clean_up(challenge, None, scope)

    def test_it_is_forgotten_when_nobody_waits(self, solver, challenge, scope):
        solver.present(challenge, scope)
        validate(solver.addresses[0], challenge)
        assert solver.validated(challenge).wait(10)
        solver.clean_up(challenge, None, scope)
        gc.collect()
        assert not solver.validated(challenge).is_set()


class TestErrors:
    def test_a_port_in_use_is_named_with_the_ways_out(self, challenge, scope):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            solver = TlsAlpnSolver(host="127.0.0.1", port=port)
            with pytest.raises(TlsAlpnError) as caught:
                solver.present(challenge, scope)
        assert str(caught.value).startswith(f"port {port}: is in use: let the server that listens there forward")
        assert "'backend'" in str(caught.value)
        assert server_threads() == []

    def test_a_challenge_that_could_not_be_presented_is_not_shown_later(self, solver, challenge, challenge_for, scope):
        with ReservedPorts(1) as reserved:
            (solver.port,) = reserved.numbers
            with socket.create_server(("127.0.0.1", solver.port)), pytest.raises(TlsAlpnError):
                solver.present(challenge, scope)
            later = challenge_for("later.example")
            solver.present(later, scope)
            with pytest.raises(OSError, match=r"(?i)unrecognized.name"):
                visit(solver.addresses[0], "example.com")
            solver.clean_up(later, None, scope)
            assert server_threads() == []

    @pytest.mark.parametrize("name", ["a b.example", "*.example.com", "", "ä.example", "a" * 64 + ".example"])
    def test_what_is_no_name_is_the_cas_mistake(self, solver, challenge_for, scope, name):
        with pytest.raises(MalformedAnswer, match="not a DNS name"):
            solver.present(challenge_for(name or "."), scope)
        assert server_threads() == []

    def test_a_challenge_without_token_is_the_cas_mistake(self, solver, challenge_for, scope):
        with pytest.raises(MalformedAnswer, match="there is no token"):
            solver.present(challenge_for(token=None), scope)

    def test_another_type_is_refused(self, solver, challenge, scope):
        with pytest.raises(InputError, match="expected a challenge of type 'tls-alpn-01', got 'http-01'"):
            solver.present(replace(challenge, type="http-01"), scope)

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_a_port_out_of_range_is_refused(self, port):
        with pytest.raises(ValueError, match=rf"^port: {port} is not a port"):
            TlsAlpnSolver(port=port)

    def test_a_directory_and_a_backend_are_refused_together(self, tmp_path):
        with pytest.raises(ValueError, match=r"^directory: its responders listen, "):
            TlsAlpnSolver(directory=tmp_path, backend="127.0.0.1:8443")

    def test_no_representation_shows_what_is_proved(self, presented):
        assert "tok-EN_1" not in repr(presented)
        assert "thumb-PRINT_1" not in repr(presented)
