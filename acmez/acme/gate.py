"""Lets at most so many through at once; who waits can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .scope import CancelScope


class Gate:
    """A semaphore whose waiters heed their scope, woken by its cancellation rather than by polling.

    Args:
        places: how many may be inside at once.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, scope: CancelScope) -> Iterator[None]:
        """Occupy a place within the `with` statement, waiting for one first.

        Raises:
            Cancelled: *scope* ended while waiting.
        """
        with self._changed:
            if not self._free:
                self._queue(scope)
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify()

    def _queue(self, scope: CancelScope) -> None:
        with scope.on_cancel(self._wake):
            while not self._free:
                scope.check()
                self._changed.wait(scope.remaining())

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
