"""Each example server obtains its certificate at its start, and serves with it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

CHECKOUT = Path(__file__).resolve().parents[1]
NAME = "www.shop.example"
SERVERS = {
    "fastapi_uvicorn": "from FastAPI",
    "django_gunicorn": "from Django",
    "aiohttp_server": "from aiohttp",
    "plain_http_server": "from http.server",
}


@contextmanager
def running(server: str, folder: Path) -> Iterator[int]:
    """Run an example and yield the port for HTTPS once it answers there."""
    with ReservedPorts(2) as reserved:
        http, https = reserved.numbers
        command = [sys.executable, "-m", f"examples.servers.{server}", NAME, "--folder", str(folder)]
        command += ["--http-port", str(http), "--https-port", str(https)]
        # gunicorn puts a socket into one of these directories.
        environ = {**os.environ, "HOME": str(folder.parent), "XDG_RUNTIME_DIR": str(folder.parent)}
        with ServerProcess(command, folder.with_suffix(".log"), environ, CHECKOUT) as process:
            process.wait_until(partial(fetch, https, folder))
            yield https


def fetch(port: int, folder: Path) -> tuple[object, bytes]:
    """Return the answer, and the certificate, which is checked against the embedded CA's root."""
    context = ssl.create_default_context(cafile=folder / "root.pem")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as connection,
    ):
        certificate = connection.getpeercert(binary_form=True) or b""
        connection.sendall(f"GET / HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(4096), b""))
        return json.loads(received.partition(b"\r\n\r\n")[2]), certificate


@pytest.mark.parametrize("server", SERVERS)
def test_it_serves_with_a_certificate_of_its_own_and_keeps_it_over_a_restart(server: str, tmp_path: Path):
    folder = tmp_path / "certs"
    with running(server, folder) as port:
        answer, certificate = fetch(port, folder)
        assert answer == {"hello": SERVERS[server]}
    with running(server, folder) as port:
        assert fetch(port, folder) == (answer, certificate)


def test_every_example_is_run_and_listed():
    there = {path.stem for path in (CHECKOUT / "examples/servers").glob("*.py")} - {"obtaining"}
    assert there == set(SERVERS)
    readme = (CHECKOUT / "examples/servers/README.md").read_text()
    assert all(f"[{name}.py]({name}.py)" in readme for name in there)
