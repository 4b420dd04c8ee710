"""Which processes live: what they claimed in the journal is theirs until they die."""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path

from . import forks

_UNBORN = "new-"  # in front of the name of a lock file that is not locked yet


class Claims:
    """A name for this process, and a lock file of that name, which the kernel lets go when the process dies.

    Args:
        directory: holds the lock files; it is made when it is needed, and stays.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._name: str | None = None
        self._descriptor = -1
        forks.heed(self)

    @property
    def own(self) -> str:
        """This process's name, which others see alive from now on.

        Raises:
            OSError: the lock file cannot be made.
        """
        with self._lock:
            if self._name is None:
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._forget_the_dead()
                self._name = self._make()
            return self._name

    def live(self, name: str) -> bool:
        """Return whether the process of that name lives.

        Raises:
            OSError: its lock file cannot be opened.
        """
        if name == self._name:
            return True
        path = self._directory / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may look at the same time
        except BlockingIOError:
            return True
        else:
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Give up the name, and with it every claim."""
        with self._lock:
            if self._name is not None:
                (self._directory / self._name).unlink(missing_ok=True)
                self._let_go()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        if in_child and self._name is not None:
            self._let_go()  # or the parent would seem to live on in its child
        self._lock.release()

    def _make(self) -> str:
        name = uuid.uuid4().hex
        unborn = self._directory / f"{_UNBORN}{name}"
        descriptor = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            unborn.rename(self._directory / name)  # locked from the start, as far as others can see
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return name

    def _let_go(self) -> None:
        os.close(self._descriptor)
        self._name = None

    def _forget_the_dead(self) -> None:
        for path in self._directory.iterdir():
            if not path.name.startswith(_UNBORN):
                with suppress(OSError):  # of another user, say
                    self.live(path.name)
