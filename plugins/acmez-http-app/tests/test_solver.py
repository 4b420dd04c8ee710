"""Answers in memory and in a directory, and what becomes of them."""

from __future__ import annotations

import gc
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from acmez_http_app import HttpAppError, HttpAppSolver

import acmez
from acmez.acme.errors import Cancelled, MalformedAnswer
from acmez.answer_store import AnswerStoreError
from acmez.protocols import Challenge, Signalling, Solver

PATH = "/.well-known/acme-challenge/tok-EN_1"


@pytest.fixture(params=["memory", "directory"])
def solver(request: pytest.FixtureRequest, tmp_path: Path) -> HttpAppSolver:
    return HttpAppSolver(tmp_path / "answers" if request.param == "directory" else None)


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None: ...


@contextmanager
def serving(solver: HttpAppSolver, port: int = 0) -> Iterator[Callable[[str], tuple[int, bytes]]]:
    """Serve an application with the solver's answers in this process."""
    with make_server("127.0.0.1", port, solver.wsgi(hello), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def fetch(path: str) -> tuple[int, bytes]:
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        try:
            yield fetch
        finally:
            server.shutdown()
            thread.join()


def test_it_is_a_solver_of_http_01_that_sees_the_ca(solver: HttpAppSolver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("http-app", "http-01")
    assert isinstance(solver, Signalling)


def test_the_answer_is_there_from_present_to_clean_up(solver, challenge, scope):
    with serving(solver) as fetch:
        assert fetch(PATH) == (200, b"hello")
        solver.present(challenge, scope)
        solver.present(challenge, scope)
        assert fetch(PATH) == (200, b"tok-EN_1.thumb-PRINT_1")
        assert fetch("/") == (200, b"hello")
        solver.clean_up(challenge, None, scope)
        solver.clean_up(challenge, None, scope)
        assert fetch(PATH) == (200, b"hello")


def test_a_ca_issues_through_the_application_of_the_same_process(acme_ca, solver, tmp_path):
    trust = acme_ca.write_trust(tmp_path / "trust.pem")
    with (
        serving(solver, acme_ca.behaviour.http_port),
        acmez.Client(acme_ca.directory_url, solvers=[solver], trust=trust) as client,
    ):
        client.register(terms_of_service_agreed=True)
        certificate = client.obtain([f"{number}.example" for number in range(20)], timeout=60)
    assert certificate.leaf.public_key() is not None
    assert not (tmp_path / "answers").exists() or [*(tmp_path / "answers").iterdir()] == []


def test_a_solver_of_another_process_with_the_same_directory_answers(tmp_path, challenge, scope):
    asked = HttpAppSolver(tmp_path)
    presenting = HttpAppSolver(tmp_path)
    presenting.present(challenge, scope)
    assert asked.find("tok-EN_1") == "tok-EN_1.thumb-PRINT_1"
    HttpAppSolver(tmp_path).clean_up(challenge, None, scope)
    assert asked.find("tok-EN_1") is None


def test_it_goes_to_another_process_with_its_directory(tmp_path, challenge, scope):
    solver = HttpAppSolver(tmp_path)
    elsewhere = pickle.loads(pickle.dumps(solver))  # noqa: S301 - our own bytes
    assert elsewhere == solver
    elsewhere.present(challenge, scope)
    assert solver.find("tok-EN_1") == "tok-EN_1.thumb-PRINT_1"


def test_threads_that_present_and_ask_leave_nothing(solver, challenge_for, scope):
    find = solver.find

    def work(number: int) -> None:
        challenge = challenge_for(f"token-{number}")
        solver.present(challenge, scope)
        assert find(f"token-{number}") == challenge.key_authorization
        solver.clean_up(challenge, None, scope)
        assert find(f"token-{number}") is None

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(work, range(100))]


class TestValidated:
    def test_it_is_set_when_the_answer_is_asked_for(self, solver, challenge, challenge_for, scope):
        find, before = solver.find, solver.validated(challenge)
        other = solver.validated(challenge_for("other"))
        solver.present(challenge, scope)
        find("other")
        assert not before.is_set()
        find("tok-EN_1")
        assert before.is_set()
        assert solver.validated(challenge) is before
        assert not other.is_set()

    def test_it_is_forgotten_when_nobody_waits(self, solver, challenge, scope):
        find = solver.find
        solver.present(challenge, scope)
        find("tok-EN_1")
        solver.clean_up(challenge, None, scope)
        gc.collect()
        assert not solver.validated(challenge).is_set()


class TestErrors:
    def test_answers_in_memory_that_no_application_has_are_told_before_the_ca_asks(self, challenge, scope):
        with pytest.raises(HttpAppError) as caught:
            HttpAppSolver().present(challenge, scope)
        assert str(caught.value).startswith("example.com: no application of this process was given the answers")
        assert "'directory'" in str(caught.value)

    def test_a_directory_that_cannot_be_written_is_told(self, tmp_path, challenge, scope):
        (tmp_path / "file").touch()
        solver = HttpAppSolver(tmp_path / "file" / "answers")
        with pytest.raises(AnswerStoreError, match="file/answers: cannot be written: Not a directory"):
            solver.present(challenge, scope)

    def test_a_challenge_without_token_is_the_cas_mistake(self, solver, challenge_for, scope):
        find = solver.find
        with pytest.raises(MalformedAnswer, match="there is no token"):
            solver.present(challenge_for(None), scope)
        solver.clean_up(challenge_for(None), None, scope)
        assert find("None") is None

    def test_nothing_is_presented_after_the_end_of_the_scope(self, solver, challenge, scope):
        scope.cancel()
        with pytest.raises(Cancelled):
            solver.present(challenge, scope)

    def test_no_representation_shows_what_is_served(self, solver, challenge: Challenge, scope):
        assert solver.find("x") is None
        solver.present(challenge, scope)
        assert "thumb-PRINT_1" not in repr(solver)
