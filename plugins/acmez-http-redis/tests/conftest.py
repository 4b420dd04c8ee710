from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acmez_http_redis import HttpRedisSolver

from acmez.acme.identifier import Identifier
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
PASSWORD = "pass-WORD_1"


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(30)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Redis that wants a password."""
    if REDIS is None:
        pytest.skip("redis-server is not installed (Debian: redis-server)")
    folder = tmp_path_factory.mktemp("redis")
    with ReservedPorts(1) as reserved:
        port = reserved.numbers[0]
        command = [REDIS, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        command += ["--dir", str(folder), "--requirepass", PASSWORD]
        with ServerProcess(command, folder / "log", {}, folder) as server:
            server.wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close())
            yield port


@pytest.fixture
def url(redis_port: int, request: pytest.FixtureRequest) -> Secret:
    return Secret(f"redis://:{PASSWORD}@127.0.0.1:{redis_port}/0")


@pytest.fixture
def solver(url: Secret, tmp_path: Path) -> Iterator[HttpRedisSolver]:
    """A solver whose keys are its own."""
    solver = HttpRedisSolver(url, prefix=f"{tmp_path.name}:")
    yield solver
    solver.store.close()


@pytest.fixture
def challenge() -> Challenge:
    return make_challenge()


@pytest.fixture
def challenge_for() -> Callable[..., Challenge]:
    return make_challenge


def make_challenge(kind: str = "http-01", name: str = "example.com", token: str | None = "tok-EN_1") -> Challenge:  # noqa: S107
    return Challenge(
        type=kind,
        url="https://ca.test/challenge/1",
        status="pending",
        identifier=Identifier.ip(name) if name[-1].isdigit() else Identifier.dns(name),
        token=token,
        thumbprint="thumb-PRINT_1",
        raw={} if token is None else {"token": token},
    )
