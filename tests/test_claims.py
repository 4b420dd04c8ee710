"""An order is one living process's at a time."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from acmez.claims import Claims
from tests.unprivileged import unprivileged


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal.claims"


def test_an_order_is_one_callers_until_it_is_dropped(directory: Path):
    one, other = Claims(directory), Claims(directory)
    assert one.take(7)
    assert not one.take(7)
    assert not other.take(7)
    assert other.take(8)
    one.drop(7)
    assert other.take(7)
    other.close()
    assert list(directory.iterdir()) == []
    assert one.take(8)
    one.close()


def test_dropping_what_is_not_claimed_does_nothing(directory: Path):
    one, other = Claims(directory), Claims(directory)
    assert one.take(7)
    other.drop(7)
    assert not other.take(7)
    one.close()


def test_the_lock_files_are_for_nobody_else(directory: Path):
    before = os.umask(0)
    claims = Claims(directory)
    try:
        assert claims.take(1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "order-1").stat().st_mode) == 0o600
    claims.close()


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path):
    tmp_path.chmod(0o700)
    with unprivileged(), pytest.raises(PermissionError):
        Claims(tmp_path / "claims").take(1)


def replaced(path: Path) -> None:
    path.unlink()
    path.touch()


@pytest.mark.parametrize("happens", [Path.unlink, replaced])
def test_a_lock_on_a_file_that_is_gone_is_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], None]
):
    """Who had the order before removes its file between opening and locking."""
    flock, seen = fcntl.flock, list[int]()

    def flock_late(descriptor: int, operation: int) -> None:
        if not seen:
            happens(directory / "order-1")
        seen.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    one, other = Claims(directory), Claims(directory)
    assert one.take(1)
    assert len(seen) == 2
    assert not other.take(1)
    one.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_an_error_while_locking_keeps_nothing_open(directory: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(descriptor: int, operation: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    open_before = open_files()
    with pytest.raises(OSError, match="no locks here"):
        Claims(directory).take(1)
    assert open_files() == open_before


def test_many_threads_never_have_the_same_order(directory: Path):
    inside: list[int] = []
    together: list[int] = []

    def contend(number: int) -> None:
        claims = Claims(directory)
        for _ in range(300):
            if claims.take(1):
                inside.append(number)
                together.append(len(inside))
                inside.remove(number)
                claims.drop(1)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together
    assert set(together) == {1}


def test_a_claim_ends_with_its_process_though_a_fork_of_that_lives_on(directory: Path):
    program = """
import os, signal, sys
from pathlib import Path
from acmez.claims import Claims
claims = Claims(Path(sys.argv[1]))
assert claims.take(1)
if os.fork():
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
assert not claims.take(1)
print(os.getpid(), flush=True)
signal.pause()
"""
    claims = Claims(directory)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not claims.take(1)
        parent.stdin.write("die\n")
        parent.stdin.flush()
        assert parent.wait(10) == -signal.SIGKILL
        os.kill(child, 0)
        assert claims.take(1)
        os.kill(child, signal.SIGKILL)
    claims.close()


def test_a_child_has_no_claims(directory: Path):
    claims, other = Claims(directory), Claims(directory)
    assert claims.take(1)
    claims.before_fork()
    claims.after_fork(in_child=False)
    assert not claims.take(1)
    claims.before_fork()
    claims.after_fork(in_child=True)
    assert other.take(1)  # the last descriptor is closed
    assert not claims.take(1)
    other.close()
