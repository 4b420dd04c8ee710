"""One case's CA and proxy, and one run of one client against them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from acmez import Client, FileKey
from benchmarks.cases import Case, Entry
from benchmarks.clients import CLIENTS, ROOT
from tests.pebble.server import Pebble

_HANDLED = b"-> calling handler()"
_tags = itertools.count(1)


class RunError(Exception):
    """A run failed; the message is the end of what the program said."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took; the units are those of `cases.Figure`."""

    wall: float
    cpu: float
    latency: float
    rss: float
    requests: int | None
    connections: int | None


class CA(Protocol):
    """A CA that validates on a port of ours."""

    @property
    def directory_url(self) -> str: ...
    @property
    def trust(self) -> Path: ...
    @property
    def http_port(self) -> int: ...

    def requests(self) -> int | None:
        """Return how many requests it has answered so far, `None` if it does not count."""
        ...


class Runs(Protocol):
    """Where one case's runs go."""

    def run(self, case: Case, entry: Entry) -> Run:
        """Run one client once, in a fresh process.

        Raises:
            RunError: it failed, or took too long.
        """
        ...


class CountingPebble(Pebble):
    """Pebble, whose log has a line for every request."""

    def requests(self) -> int:
        return self.log.read_bytes().count(_HANDLED)


class TestkitCA:
    """The embedded CA of acmez-testkit in a process of its own."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> Self:
        self._process = _python("benchmarks.testkit_ca", "--trust", str(self._directory / "testkit.pem"))
        said = json.loads(_line_of(self._process))
        self.directory_url: str = said["directory"]
        self.http_port: int = said["http_port"]
        self.trust = self._directory / "testkit.pem"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._process)

    def requests(self) -> None:
        return None


class Place:
    """Where one case's runs go: its CA, its proxy, its account.

    Args:
        program: starts the client, in place of the entry's own.
        options: what it gets besides.
    """

    def __init__(
        self,
        ca: CA,
        rtt: float,
        directory: Path,
        *,
        program: Sequence[str] = (),
        options: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self._ca = ca
        self._rtt = rtt
        self._program = program
        self._options = options
        self._directory = directory
        self._proxy: subprocess.Popen[str] | None = None
        self._url = ca.directory_url

    def __enter__(self) -> Self:
        if self._rtt:
            port = urlsplit(self._ca.directory_url).port
            self._proxy = _python("benchmarks.proxy", "--target", str(port), "--rtt", str(self._rtt))
            # Pebble builds its URLs from the Host header, so all that follows goes through the proxy, too.
            self._url = self._ca.directory_url.replace(f":{port}/", f":{int(_line_of(self._proxy))}/")
        self._key = self._directory / "account.pem"
        with Client(self._url, account_key=FileKey(self._key), trust=self._ca.trust) as client:
            self._account = client.register(terms_of_service_agreed=True).url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._proxy is not None:
            _end(self._proxy)

    def run(self, case: Case, entry: Entry) -> Run:
        """Run one client once, in a fresh process with the account at hand.

        Raises:
            RunError: it failed, or took too long.
        """
        command = [
            *(self._program or CLIENTS[entry.client].command),
            *pairs(
                directory=self._url,
                trust=self._ca.trust,
                account_key=self._key,
                account_url=self._account,
                http_port=self._ca.http_port,
                tag=f"t{os.getpid()}x{next(_tags)}",
                **self._options,
            ),
            *split([*case.arguments(), *entry.arguments]),
        ]
        self._connections()
        before = self._ca.requests()
        said = measured(command, case.timeout)
        after = self._ca.requests()
        return Run(
            wall=said["wall"],
            cpu=said["cpu"],
            latency=said["latency"],
            rss=said["rss"] / 1e6,
            requests=None if before is None or after is None else after - before,
            connections=self._connections(),
        )

    def _connections(self) -> int | None:
        if self._proxy is None or self._proxy.stdin is None:
            return None
        self._proxy.stdin.write("\n")
        self._proxy.stdin.flush()
        return int(_line_of(self._proxy))


def measured(command: list[str], timeout: float) -> dict[str, float]:
    """Run a program and return what it measured."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise RunError(f"not done after {timeout:g} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise RunError(last[0][:300])
    said: dict[str, float] = json.loads(done.stdout)
    return said


def pairs(**options: object) -> Iterator[str]:
    """Spell options so that every program's parser understands them."""
    for name, value in options.items():
        yield f"--{name.replace('_', '-')}"
        yield str(value)


def split(options: list[str]) -> Iterator[str]:
    """Part the names of options from their values."""
    for option in options:
        yield from option.split("=", 1)


def _python(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _line_of(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RunError(f"{process.args!r} said nothing")
    return line


def _end(process: subprocess.Popen[str]) -> None:
    """Close its input, at which it ends."""
    if process.stdin is not None:
        process.stdin.close()
    process.wait(30)
    if process.stdout is not None:
        process.stdout.close()
