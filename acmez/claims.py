"""Which orders living processes work on."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from . import forks


class Claims:
    """Claims on orders, each a lock file, which the kernel lets go when its process dies.

    Args:
        directory: holds the lock files; it is made when it is needed, and stays.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}
        forks.heed(self)

    def take(self, number: int) -> bool:
        """Return whether the order is this caller's now.

        Raises:
            OSError: the lock file cannot be made.
        """
        with self._lock:
            if number in self._held:
                return False
            descriptor = self._locked(number)
            if descriptor is not None:
                self._held[number] = descriptor
            return descriptor is not None

    def drop(self, number: int) -> None:
        """Let the order go."""
        with self._lock:
            descriptor = self._held.pop(number, None)
            if descriptor is not None:
                self._path(number).unlink(missing_ok=True)
                os.close(descriptor)

    def close(self) -> None:
        """Let every order go."""
        for number in list(self._held):
            self.drop(number)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        if in_child:  # or the parent's claims would outlive it
            for descriptor in self._held.values():
                os.close(descriptor)
            self._held.clear()
        self._lock.release()

    def _locked(self, number: int) -> int | None:
        """Return the lock file, locked; `None` if another has it."""
        path = self._path(number)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_still(path, descriptor):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _path(self, number: int) -> Path:
        return self._directory / f"order-{number}"


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether *path* leads to the open file: who had it before may have removed it between opening and locking."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
