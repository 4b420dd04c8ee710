"""A real CA fetches the answers of both http-01 solvers."""

from __future__ import annotations

import http.server
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from acmez_http_standalone import StandaloneSolver
from acmez_http_webroot import WebrootSolver

from acmez import Certificate, ChallengesFailed, Client
from acmez.csr import certificate_names
from acmez.protocols import Solver
from tests.pebble.server import Pebble
from tests.solvers import assert_no_threads


def fresh(count: int = 1) -> list[str]:
    return [f"{secrets.token_hex(4)}.http.example" for _ in range(count)]


def names_of(certificate: Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate.leaf)}


@contextmanager
def registered(pebble: Pebble, solver: Solver) -> Iterator[Client]:
    with Client(pebble.directory_url, solvers=[solver], trust=pebble.trust) as client:
        client.register(terms_of_service_agreed=True)
        yield client
    assert_no_threads()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256  # Pebble looks at each name three times, and at all of them at once


@pytest.fixture
def webroot(pebble: Pebble, tmp_path: Path) -> Iterator[Path]:
    """The document root of a web server that the CA reaches."""
    root = tmp_path / "html"
    root.mkdir()
    (root / "index.html").write_text("the site's own")
    handler = partial(_Silent, directory=str(root))
    with _Server(("127.0.0.1", pebble.http_port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield root
        server.shutdown()
        thread.join()


def test_through_the_files_of_a_web_server(pebble: Pebble, webroot: Path):
    names = fresh(20)
    with registered(pebble, WebrootSolver(path=webroot)) as client:
        assert names_of(client.obtain(names)) == set(names)
    assert [path.name for path in webroot.rglob("*")] == ["index.html"]


def test_files_that_the_ca_does_not_find(pebble: Pebble, webroot: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with registered(pebble, WebrootSolver(path=elsewhere)) as client, pytest.raises(ChallengesFailed, match="404"):
        client.obtain(fresh())
    assert list(elsewhere.rglob("*")) == []


def test_through_a_server_of_its_own(pebble: Pebble):
    names = fresh(20)
    solver = StandaloneSolver(port=pebble.http_port, host="127.0.0.1")
    with registered(pebble, solver) as client:
        assert names_of(client.obtain(names)) == set(names)
        assert names_of(client.obtain(names[:1])) == set(names[:1])
    assert solver.addresses == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", pebble.http_port)) != 0


def test_a_port_that_somebody_else_has(pebble: Pebble, webroot: Path):
    solver = StandaloneSolver(port=pebble.http_port, host="127.0.0.1")
    with registered(pebble, solver) as client, pytest.raises(ChallengesFailed, match="is in use") as raised:
        client.obtain(fresh())
    assert [failed.step for failed in raised.value.failed] == ["present"]
