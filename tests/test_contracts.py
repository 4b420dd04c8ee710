"""What acmez brings keeps the contracts that it asks plugins to keep."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from acmez_testkit.contracts import (
    KeyProviderContract,
    RetryPolicyContract,
    SolverContract,
    WaiterContract,
    check_plugin,
)
from acmez_testkit.contracts.challenges import new_challenge
from acmez_testkit.fake_dns import FakeDNS

from acmez import DefaultRetry, FileKey, GeneratedKey, Identifier, Secret, built_in
from acmez.acme.challenges import http_01, txt_record
from acmez.protocols import Challenge
from acmez.waiters.dns import DnsPropagation
from acmez.waiters.http import HttpSelfCheck
from examples import in_house_solver


@pytest.mark.parametrize("name", [name for name in vars(built_in) if name.islower() and not name.startswith("_")])
def test_each_built_in_plugin_is_one(name: str):
    plugin = getattr(built_in, name)
    if type(plugin).__module__ == built_in.__name__:
        check_plugin(plugin)


class TestFileKey(KeyProviderContract[FileKey]):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def make(self) -> FileKey:
        return FileKey(self.directory / "key.pem", passphrase=Secret("correct horse"))

    def make_failing(self) -> FileKey:
        return FileKey(self.directory / "missing" / "key.pem", passphrase=Secret("correct horse"))


class TestGeneratedKey(KeyProviderContract[GeneratedKey]):
    keeps = False
    test_a_failure_is_told_in_words = None  # type: ignore[assignment]  # nothing can go wrong

    def make(self) -> GeneratedKey:
        return GeneratedKey()


class TestDefaultRetry(RetryPolicyContract[DefaultRetry]):
    def make(self) -> DefaultRetry:
        return DefaultRetry()


class TestHttpSelfCheck(WaiterContract[HttpSelfCheck]):
    challenge_type = "http-01"

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        pages: dict[str, str] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write((page or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            self.port, self.pages = server.server_port, pages
            yield
            server.shutdown()
            thread.join()

    def make(self) -> HttpSelfCheck:
        return HttpSelfCheck(port=self.port, interval=0.05)

    def make_failing(self) -> HttpSelfCheck:
        return HttpSelfCheck(port=self.port, interval=0.05, timeout=0.1)

    def make_challenge(self) -> Challenge:
        return new_challenge("http-01", Identifier.ip("127.0.0.1"))

    def show(self, challenge: Challenge) -> None:
        answer = http_01.answer(challenge)
        self.pages[answer.path] = answer.body


class TestDnsPropagation(WaiterContract[DnsPropagation]):
    @pytest.fixture(autouse=True)
    def _dns(self, fake_dns: FakeDNS) -> None:
        self.dns = fake_dns

    def make(self) -> DnsPropagation:
        return DnsPropagation(nameservers=[self._server], resolvers=[self._server], interval=0.05)

    def make_failing(self) -> DnsPropagation:
        return DnsPropagation(nameservers=[self._server], resolvers=[self._server], interval=0.05, timeout=0.1)

    def show(self, challenge: Challenge) -> None:
        record = txt_record(challenge)
        self.dns.add(record.name, "TXT", record.value)

    @property
    def _server(self) -> str:
        host, port = self.dns.address
        return f"{host}:{port}"


class TestInHouseSolver(SolverContract[in_house_solver.FilesSolver]):
    """The example, which people begin from."""

    plugin = in_house_solver

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def make(self) -> in_house_solver.FilesSolver:
        return in_house_solver.FilesSolver(self.directory)

    def make_failing(self) -> in_house_solver.FilesSolver:
        return in_house_solver.FilesSolver(self.directory / "missing")

    def visible(self, challenge: Challenge) -> set[str]:
        return {file.read_text() for file in self.directory.iterdir()}

    def plant(self, challenge: Challenge) -> str:
        (self.directory / "other").write_text("somebody else's")
        return "somebody else's"
