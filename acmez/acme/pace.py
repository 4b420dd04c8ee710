"""How fast requests may follow each other."""

from __future__ import annotations

import threading
import time

from .errors import InputError
from .scope import CancelScope


class Pace:
    """Lets so many requests through in a second, and holds the others back; safe for many threads.

    Args:
        per_second: `None`: any number.
        burst: how many may follow each other at once after a rest.
    """

    def __init__(self, per_second: float | None = None, burst: int = 5) -> None:
        if per_second is not None and not per_second > 0:
            raise InputError(f"requests per second: {per_second!r} is not more than 0")
        self._interval = None if per_second is None else 1.0 / per_second
        self._burst = burst
        self._lock = threading.Lock()
        self._next = float("-inf")

    def wait(self, scope: CancelScope) -> None:
        """Take a turn, and sleep until it comes."""
        if self._interval is None:
            return
        with self._lock:
            now = time.monotonic()
            turn = self._next = max(self._next, now - self._burst * self._interval) + self._interval
        if turn > now:
            scope.sleep(turn - now)
