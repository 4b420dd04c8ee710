"""Which orders living processes work on."""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path


class Claims:
    """Claims on orders, each a lock file, which the kernel lets go when its process dies.

    Args:
        directory: holds the lock files; it is made when it is needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}

    def take(self, number: int) -> bool:
        """Return whether the order is this caller's now."""
        with self._lock:
            if number in self._held:
                return False
            self._directory.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._held[number] = descriptor
            return True

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
        with suppress(OSError):
            self._directory.rmdir()

    def _path(self, number: int) -> Path:
        return self._directory / f"order-{number}"
