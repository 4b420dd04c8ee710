"""Real servers with real frameworks answer CAs, whichever of their processes is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from acmez_http_app import HttpAppSolver
from acmez_testkit import Behaviour, EmbeddedCA

import acmez
from acmez.csr import certificate_names
from acmez.protocols import CancelScope, Challenge
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess
from tests.pebble.server import PebbleOptions

SITES = Path(__file__).parent / "sites"
GUNICORN = ["-m", "gunicorn", "--workers=3", "--bind=127.0.0.1:{port}", "--no-control-socket", "--preload"]
UVICORN = ["-m", "uvicorn", "--host=127.0.0.1", "--port={port}"]
COMMANDS = {
    "flask on gunicorn": [*GUNICORN, "flask_site:app"],
    "django on gunicorn, threads": [*GUNICORN, "--threads=4", "django_site:wsgi"],
    "django on uvicorn": [*UVICORN, "django_site:asgi"],
    "fastapi on uvicorn": [*UVICORN, "--workers=2", "fastapi_site:app"],
    "starlette on hypercorn": ["-m", "hypercorn", "--bind=127.0.0.1:{port}", "starlette_site:app"],
    "aiohttp": ["-m", "aiohttp.web", "--hostname=127.0.0.1", "--port={port}", "aiohttp_site:make"],
}


class Site:
    """A running server, the directory of its answers, and its port."""

    def __init__(self, name: str, port: int, answers: Path) -> None:
        self.name, self.port, self.answers = name, port, answers

    def fetch(self, path: str, method: str = "GET") -> tuple[int, bytes, str | None]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Content-Length")
        finally:
            connection.close()


@pytest.fixture(scope="module", params=COMMANDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with ReservedPorts(1) as reserved:
        site = Site(request.param, reserved.numbers[0], folder / "answers")
        command = [sys.executable, *(part.format(port=site.port) for part in COMMANDS[request.param])]
        environ = {**os.environ, "ANSWERS": str(site.answers), "PYTHONPATH": str(SITES)}
        with ServerProcess(command, folder / "log", environ, folder) as server:
            server.wait_until(lambda: site.fetch("/"))
            yield site


@pytest.fixture
def solver(site: Site) -> HttpAppSolver:
    return HttpAppSolver(site.answers)


def test_the_application_is_as_it_was(site: Site):
    status, body, _ = site.fetch("/")
    assert (status, body.decode()) == (200, f"hello from {site.name.split()[0]}")
    assert site.fetch("/nothing")[0] == 404


def test_every_process_gives_the_answer_while_it_is_presented(
    site: Site, solver: HttpAppSolver, challenge: Challenge, scope: CancelScope
):
    path = "/.well-known/acme-challenge/tok-EN_1"
    assert site.fetch(path)[0] == 404
    solver.present(challenge, scope)
    assert {site.fetch(path) for _ in range(20)} == {(200, b"tok-EN_1.thumb-PRINT_1", "22")}
    assert site.fetch(path, "HEAD") == (200, b"", "22")
    assert site.fetch(path, "POST")[0] in {403, 404, 405}
    solver.clean_up(challenge, None, scope)
    assert {site.fetch(path)[0] for _ in range(20)} == {404}


def test_what_the_application_has_there_itself_it_still_gives(site: Site):
    if site.name == "aiohttp":
        assert site.fetch("/.well-known/acme-challenge/of-the-app")[0] == 404
    else:
        assert site.fetch("/.well-known/acme-challenge/of-the-app")[:2] == (200, b"the app's own")


@pytest.mark.parametrize("kind", ["embedded", "pebble"])
def test_a_ca_issues(site: Site, solver: HttpAppSolver, kind: str, request: pytest.FixtureRequest, tmp_path: Path):
    names = [f"{number}.{site.name.split()[0]}.example" for number in range(5)]
    with ExitStack() as stack:
        if kind == "embedded":
            ca = stack.enter_context(EmbeddedCA(Behaviour(http_port=site.port)))
            directory, trust = ca.directory_url, ca.write_trust(tmp_path / "trust.pem")
        else:
            factory: PebbleFactory = request.getfixturevalue("pebble_factory")
            pebble = factory(PebbleOptions(http_port=site.port, authz_reuse=0))
            directory, trust = pebble.directory_url, pebble.trust
        client = stack.enter_context(acmez.Client(directory, solvers=[solver], trust=trust))
        client.register(terms_of_service_agreed=True)
        certificate = client.obtain(names, timeout=60)
    assert {value for _, value in certificate_names(certificate.leaf)} == set(names)
    assert [*site.answers.iterdir()] == []
