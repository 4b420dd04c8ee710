"""What a process claimed is its own until it dies, and no longer."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acmez.claims import Claims
from tests.unprivileged import unprivileged


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal.claims"


def test_a_name_lives_until_it_is_given_up(directory: Path):
    one, other = Claims(directory), Claims(directory)
    name = one.own
    assert one.own == name != other.own
    assert one.live(name)
    assert other.live(name)
    one.close()
    one.close()
    assert not other.live(name)
    assert not other.live("nobody")
    assert one.own != name
    one.close()
    other.close()
    assert list(directory.iterdir()) == []


def test_nothing_is_made_before_it_is_needed(directory: Path):
    claims = Claims(directory)
    assert not claims.live("nobody")
    claims.close()
    assert not directory.exists()


def test_threads_of_one_process_have_one_name(directory: Path):
    claims = Claims(directory)
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: claims.own, range(50)))) == 1
    claims.close()


def test_the_lock_files_are_for_nobody_else(directory: Path):
    before = os.umask(0)
    claims = Claims(directory)
    try:
        name = claims.own
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    claims.close()


def test_several_may_look_at_the_same_time(directory: Path, monkeypatch: pytest.MonkeyPatch):
    """One that looks must not be taken for the process itself."""
    directory.mkdir()
    (directory / "dead").touch()
    flock = fcntl.flock

    def flock_twice(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        if (directory / "dead").exists():
            monkeypatch.setattr(fcntl, "flock", flock)
            assert not Claims(directory).live("dead")

    monkeypatch.setattr(fcntl, "flock", flock_twice)
    assert not Claims(directory).live("dead")


def test_the_dead_are_forgotten_and_the_living_and_the_unborn_are_not(directory: Path):
    living = Claims(directory)
    kept = {living.own, "new-born"}
    (directory / "dead").touch()
    (directory / "new-born").touch()
    (directory / "something else").mkdir()
    claims = Claims(directory)
    assert {path.name for path in directory.iterdir()} >= kept
    assert claims.own in {path.name for path in directory.iterdir()}
    assert {path.name for path in directory.iterdir()} == {*kept, claims.own, "something else"}
    claims.close()
    living.close()


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path):
    tmp_path.chmod(0o700)
    with unprivileged(), pytest.raises(PermissionError):
        _ = Claims(tmp_path / "claims").own


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_an_error_while_locking_keeps_nothing_open(directory: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(descriptor: int, operation: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    before = open_files()
    with pytest.raises(OSError, match="no locks here"):
        _ = Claims(directory).own
    (directory / "other").touch()
    with pytest.raises(OSError, match="no locks here"):
        Claims(directory).live("other")
    assert open_files() == before


def test_a_name_dies_with_its_process_though_a_fork_of_that_lives_on(directory: Path):
    program = """
import os, signal, sys
from pathlib import Path
from acmez.claims import Claims
claims = Claims(Path(sys.argv[1]))
parent = claims.own
if os.fork():
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
assert claims.live(parent) and claims.own != parent
print(os.getpid(), parent, claims.own, flush=True)
signal.pause()
"""
    claims = Claims(directory)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child, parents, childs = parent.stdout.readline().split()
        assert claims.live(parents)
        assert claims.live(childs)
        parent.stdin.write("die\n")
        parent.stdin.flush()
        assert parent.wait(10) == -signal.SIGKILL
        os.kill(int(child), 0)
        assert not claims.live(parents)
        assert claims.live(childs)
        os.kill(int(child), signal.SIGKILL)
    while claims.live(childs):
        pass
    assert list(directory.iterdir()) == []


def test_a_child_has_a_name_of_its_own(directory: Path):
    claims, other = Claims(directory), Claims(directory)
    claims.before_fork()
    claims.after_fork(in_child=True)  # there was nothing to let go of
    name = claims.own
    claims.before_fork()
    claims.after_fork(in_child=False)
    assert claims.own == name
    assert other.live(name)
    claims.before_fork()
    claims.after_fork(in_child=True)
    assert not other.live(name)  # the last descriptor is closed
    assert claims.own != name
    claims.close()
