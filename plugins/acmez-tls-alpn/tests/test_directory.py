"""Answers in a directory: one process presents, and a responder that is always there shows them."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from acmez_tls_alpn import Front, StoredAnswers, TlsAlpnSolver

from acmez.answer_store import AnswerStoreError, DirectoryStore

from .sites import Address, tls_site
from .visiting import validate, visit


@pytest.fixture
def site() -> Iterator[tuple[Address, bytes]]:
    with tls_site() as running:
        yield running


@pytest.fixture
def responder(tmp_path: Path, site: tuple[Address, bytes]) -> Iterator[Address]:
    command = [sys.executable, "-m", "acmez_tls_alpn", "--host", "127.0.0.1", "--port", "0"]
    command += ["--directory", str(tmp_path / "answers"), "--backend", "{}:{}".format(*site[0])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        words = process.stderr.readline().split()
        try:
            assert words[:3] == ["listening", "on", "127.0.0.1"]
            yield words[2], int(words[4])
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_the_ca_sees_the_challenge_while_it_is_presented_and_the_rest_see_the_site(
    responder, site, tmp_path, challenge, challenge_for, scope
):
    solver = TlsAlpnSolver(directory=tmp_path / "answers")
    address = challenge_for("192.0.2.1")
    solver.present(challenge, scope)
    solver.present(address, scope)
    assert solver.addresses == []
    validate(responder, challenge)
    validate(responder, address)
    assert visit(responder, "example.com", ("http/1.1",)).der == site[1]
    solver.clean_up(challenge, None, scope)
    solver.clean_up(challenge, None, scope)
    assert visit(responder, "example.com").der == site[1]
    validate(responder, address)


def test_a_responder_that_cannot_listen_says_why(tmp_path):
    command = [sys.executable, "-m", "acmez_tls_alpn", "--host", "192.0.2.1", "--directory", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, "'192.0.2.1': is not an address of this machine\n")


def test_a_store_that_fails_is_logged_and_left_alone_for_a_while(challenge, caplog):
    class Failing(DirectoryStore):
        asked = 0

        def get(self, key: str) -> str | None:
            Failing.asked += 1
            raise AnswerStoreError("store: down")

    with Front(StoredAnswers(Failing(Path("nowhere"))).find, host="127.0.0.1", port=0) as front:
        for _ in range(3):
            with pytest.raises(OSError, match=r"(?i)unrecognized.name"):
                visit(front.addresses[0], "example.com")
    assert caplog.messages == ["example.com: no answer for tls-alpn-01: store: down"]
    assert Failing.asked == 1


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path, challenge, scope):
    (tmp_path / "file").touch()
    with pytest.raises(AnswerStoreError, match=r"file/answers: cannot be written: Not a directory"):
        TlsAlpnSolver(directory=tmp_path / "file" / "answers").present(challenge, scope)


def test_a_solver_goes_to_another_process_with_its_directory(tmp_path, challenge, scope):
    solver = TlsAlpnSolver(directory=tmp_path)
    elsewhere = pickle.loads(pickle.dumps(solver))  # noqa: S301 - our own bytes
    assert elsewhere == solver
    elsewhere.present(challenge, scope)
    solver.clean_up(challenge, None, scope)
    assert [*tmp_path.iterdir()] == []


def test_cleaning_up_without_token_is_silent(tmp_path, challenge_for, scope):
    TlsAlpnSolver(directory=tmp_path).clean_up(challenge_for(token=None), None, scope)
    assert [*tmp_path.iterdir()] == []
