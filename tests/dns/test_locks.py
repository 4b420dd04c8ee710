"""Zones are changed by one thread of one process at a time; what is no lock of ours keeps nobody."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
from pathlib import Path

import pytest

from acmez.acme.errors import DeadlineExceeded
from acmez.acme.scope import CancelScope
from acmez.dns.locks import ZoneLocks


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of our own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def is_free(locks: ZoneLocks, zone: str) -> bool:
    try:
        with locks.hold(zone, CancelScope(0.1)):
            return True
    except DeadlineExceeded:
        return False


def test_a_zone_is_held_by_one_thread_at_a_time_and_others_are_free():
    locks = ZoneLocks("provider")
    found: list[bool] = []
    with locks.hold("a.test", CancelScope(30)):
        thread = threading.Thread(target=lambda: found.extend(is_free(locks, zone) for zone in ("a.test", "b.test")))
        thread.start()
        thread.join()
    assert found == [False, True]
    assert is_free(locks, "a.test")


@pytest.mark.parametrize(("provider", "zone", "free"), [("one", "a.test", False), ("other", "a.test", True)])
def test_other_solvers_of_one_provider_wait_too(provider: str, zone: str, *, free: bool):
    """As those of other processes, to which the same files are as strange."""
    with ZoneLocks("one").hold("a.test", CancelScope(30)):
        assert is_free(ZoneLocks(provider), zone) == free


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, in a process with threads
def test_a_child_that_was_forked_meanwhile_keeps_nobody():
    context = multiprocessing.get_context("fork")
    ended = context.Event()
    with ZoneLocks("one").hold("a.test", CancelScope(30)):
        child = context.Process(target=ended.wait, args=(30,))
        child.start()
    try:
        assert is_free(ZoneLocks("one"), "a.test")
    finally:
        ended.set()
        child.join()


def test_the_files_are_of_this_user_alone(directory: Path):
    with ZoneLocks("one").hold("a.test", CancelScope(30)):
        (own,) = directory.iterdir()
        assert own.stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in own.iterdir()] == [0o600]


def test_a_directory_that_is_somebody_elses_is_not_used(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.getuid", lambda: 4242)
    locks = ZoneLocks("one")
    with locks.hold("a.test", CancelScope(30)):
        assert [*(directory / "acmez-4242").iterdir()] == []


def test_a_link_is_not_followed(directory: Path, monkeypatch: pytest.MonkeyPatch):
    target = directory / "target"
    target.mkdir()
    monkeypatch.setattr("os.getuid", lambda: 4242)
    (directory / "acmez-4242").symlink_to(target)
    with ZoneLocks("one").hold("a.test", CancelScope(30)):
        assert [*target.iterdir()] == []
