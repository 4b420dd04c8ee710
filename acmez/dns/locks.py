"""Turns at zones, for providers whose API replaces what is there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from acmez.acme.scope import CancelScope

_SLICE = 0.02  # seconds between two looks at the scope


class ZoneLocks:
    """Lets one thread at a time read and write a zone.

    A solver cannot leave this to `Locking`: its zones are only known when they have been looked up.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @contextmanager
    def hold(self, zones: Iterable[str], scope: CancelScope) -> Iterator[None]:
        """Hold *zones*, all of them, always in the same order.

        Raises:
            Cancelled: *scope* ended before they were free.
        """
        with ExitStack() as stack:
            for zone in sorted({*zones}):
                with self._mutex:
                    lock = self._locks.setdefault(zone, threading.Lock())
                while not lock.acquire(timeout=_SLICE):
                    scope.check()
                stack.callback(lock.release)
            yield
