"""`python -m acmez_testkit`."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

COMMAND = (sys.executable, "-m", "acmez_testkit")


@contextmanager
def running(*options: str | Path, end: signal.Signals = signal.SIGINT) -> Iterator[list[str]]:
    """The lines that the command prints; it ends well at the signal and says nothing more."""
    command = [*COMMAND, "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().rstrip("\n") for _ in range(4)]
        finally:
            process.send_signal(end)
            rest = process.communicate(timeout=20)
        assert (process.returncode, *rest) == (0, "", "")


def get_directory(lines: list[str]) -> int:
    """GET the printed URL, trusting the printed root; return the status."""
    url, root = urlsplit(lines[0].removeprefix("directory: ")), lines[1].removeprefix("root: ")
    context = ssl.create_default_context(cafile=root)
    with closing(http.client.HTTPSConnection(str(url.hostname), url.port, context=context, timeout=20)) as connection:
        connection.request("GET", url.path, headers={"User-Agent": "test"})
        return connection.getresponse().status


def test_it_prints_where_clients_begin_what_they_trust_and_that_it_is_no_ca(tmp_path):
    with running("--root", tmp_path / "root.pem", "--http-port", "5080", "--tls-port", "5443") as lines:
        assert lines[1:] == [
            f"root: {tmp_path}/root.pem",
            "http-01: port 5080, tls-alpn-01: port 5443, every name: 127.0.0.1",
            "It is NOT A CA: nobody trusts what it signs, and it forgets everything when Ctrl-C ends it.",
        ]
        assert get_directory(lines) == 200


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_without_a_file_the_root_is_a_temporary_one(end):
    with running(end=end) as lines:
        root = Path(lines[1].removeprefix("root: "))
        assert root.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert not root.parent.exists()


def test_each_request_is_answered_later_by_the_latency(tmp_path):
    with running("--latency", "0.2") as lines:
        began = time.monotonic()
        assert get_directory(lines) == 200
        assert time.monotonic() - began >= 0.2


def test_a_resolver_is_told():
    with running("--resolver", "127.0.0.1:8053") as lines:
        assert lines[2].endswith("every name: what 127.0.0.1:8053 says")
    with running("--resolver", "[::1]:5353") as lines:
        assert lines[2].endswith("every name: what [::1]:5353 says")


def fails(*options: str | Path) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *map(str, options)], check=False, capture_output=True, text=True, timeout=30)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()[-1]


def test_a_port_that_is_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert fails("--port", str(port)) == (1, f"port {port}: is in use")


def test_a_root_that_cannot_be_written_is_told(tmp_path):
    assert fails("--port", "0", "--root", tmp_path) == (1, f"{tmp_path}: is a directory")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "65536", "expected a port, got '65536'"),
        ("--http-port", "http", "expected a port, got 'http'"),
        ("--latency", "-1", "expected seconds, got '-1'"),
        ("--latency", "nan", "expected seconds, got 'nan'"),
        ("--resolver", "localhost:53", "expected 'address:port', got 'localhost:53'"),
        ("--resolver", "127.0.0.1", "expected 'address:port', got '127.0.0.1'"),
        ("--resolver", "127.0.0.1:dns", "expected a port, got 'dns'"),
    ],
)
def test_a_wrong_option_is_told(option, value, message):
    assert fails(option + "=" + value) == (2, f"python -m acmez_testkit: error: argument {option}: {message}")
