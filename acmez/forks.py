"""Keeps what must not be shared with a child process out of `fork`."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Holds something that only one process may have."""

    def before_fork(self) -> None:
        """Let nobody touch it until `after_fork`."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Go on, in the parent as before, in the child without what is the parent's."""
        ...


class _Registry:
    """Whom a fork concerns; the interpreter has no way to ask it for less than ever."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._known: WeakSet[Forkable] = WeakSet()
        self._stopped: list[Forkable] = []
        os.register_at_fork(
            before=self._before, after_in_parent=self._after, after_in_child=lambda: self._after(in_child=True)
        )

    def add(self, item: Forkable) -> None:
        with self._mutex:
            self._known.add(item)

    def _before(self) -> None:
        self._mutex.acquire()
        self._stopped = list(self._known)
        for item in self._stopped:
            item.before_fork()

    def _after(self, *, in_child: bool = False) -> None:
        stopped, self._stopped = self._stopped, []
        for item in stopped:
            item.after_fork(in_child=in_child)
        self._mutex.release()


_registry = _Registry()


def heed(item: Forkable) -> None:
    """Tell *item* of every fork, for as long as it lives."""
    _registry.add(item)
