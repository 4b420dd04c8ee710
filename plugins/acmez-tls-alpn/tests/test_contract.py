"""The contract of solvers, for a responder of its own and for a directory that a responder reads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from acmez_testkit.contracts import SolverContract
from acmez_tls_alpn import Front, StoredAnswers, TlsAlpnSolver
from cryptography import x509

from acmez.answer_store import DirectoryStore
from acmez.protocols import Challenge
from tests.pebble.ports import ReservedPorts

from .visiting import ACME_IDENTIFIER, server_name, visit


def shown(port: int, challenge: Challenge) -> set[str]:
    """Return the acmeIdentifier that a CA is shown, in hex."""
    try:
        certificate = visit(("127.0.0.1", port), server_name(challenge.identifier)).certificate
    except OSError:
        return set()
    extension = certificate.extensions.get_extension_for_oid(ACME_IDENTIFIER).value
    assert isinstance(extension, x509.UnrecognizedExtension)
    return {extension.value.hex()}


class TestResponder(SolverContract[TlsAlpnSolver]):
    outlives_process = False
    test_what_others_put_there_stays = None  # type: ignore[assignment]  # nobody else has a place in this server

    @pytest.fixture(autouse=True)
    def _port(self) -> Iterator[None]:
        # The second port stays taken.
        with ReservedPorts(1) as free, socket.create_server(("127.0.0.1", 0)) as taken:
            (self.port,), self.taken = free.numbers, taken.getsockname()[1]
            yield

    def make(self) -> TlsAlpnSolver:
        return TlsAlpnSolver(host="127.0.0.1", port=self.port)

    def make_failing(self) -> TlsAlpnSolver:
        return TlsAlpnSolver(host="127.0.0.1", port=self.taken)

    def visible(self, challenge: Challenge) -> set[str]:
        return shown(self.port, challenge)


class TestDirectory(SolverContract[TlsAlpnSolver]):
    @pytest.fixture(autouse=True)
    def _responder(self, tmp_path: Path) -> Iterator[None]:
        self.directory = tmp_path / "answers"
        with Front(StoredAnswers(DirectoryStore(self.directory)).find, host="127.0.0.1", port=0) as front:
            self.port = front.addresses[0][1]
            yield

    def make(self) -> TlsAlpnSolver:
        return TlsAlpnSolver(directory=self.directory)

    def make_failing(self) -> TlsAlpnSolver:
        return TlsAlpnSolver(directory=Path("/dev/null/answers"))

    def visible(self, challenge: Challenge) -> set[str]:
        planted = {file.read_text() for file in self.directory.glob("of-*")}
        return shown(self.port, challenge) | planted

    def plant(self, challenge: Challenge) -> str:
        self.directory.mkdir()
        (self.directory / "of-somebody-else").write_text("somebody else's")
        return "somebody else's"
