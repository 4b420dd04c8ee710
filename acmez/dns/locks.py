"""Turns at zones, for providers whose API replaces what is there."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from acmez.acme.scope import CancelScope

log = logging.getLogger("acmez")

_SLICE = 0.02  # seconds between two looks at the scope, and at a lock of another process


class ZoneLocks:
    """Lets one thread at a time read and write a zone, among all processes of one user on this machine.

    Nothing keeps another machine, or a process with a temporary directory of its own: where that may happen, look
    afterwards whether a change has lasted. A solver cannot leave this to `Locking`: its zones are only known when they
    have been looked up.

    Args:
        provider: what tells the zones of one provider from those of others, such as the URL of its API.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._mutex = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @contextmanager
    def hold(self, zone: str, scope: CancelScope) -> Iterator[None]:
        """Hold *zone*.

        Raises:
            Cancelled: *scope* ended before it was free.
        """
        with self._mutex:
            lock = self._locks.setdefault(zone, threading.Lock())
        while not lock.acquire(timeout=_SLICE):
            scope.check()
        try:
            file = self._file(zone)
            with nullcontext() if file is None else _locked(file, scope):
                yield
        finally:
            lock.release()

    def _file(self, zone: str) -> int | None:
        """Return a descriptor of the zone's lock file; `None` where there can be none."""
        name = hashlib.sha256(f"{self._provider} {zone}".encode()).hexdigest()
        try:
            return os.open(_directory() / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            log.debug("zone %s: other processes are not kept out: %s", zone, error)
            return None


def _directory() -> Path:
    """Return the directory of this user's lock files.

    Raises:
        OSError: it cannot be made, or somebody else made it.
    """
    directory = Path(tempfile.gettempdir()) / f"acmez-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{directory}: not a directory of this user's own")
    return directory


@contextmanager
def _locked(descriptor: int, scope: CancelScope) -> Iterator[None]:
    import fcntl

    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                scope.sleep(_SLICE)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child that was forked meanwhile, and has it open
        os.close(descriptor)
