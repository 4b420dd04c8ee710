"""Ends requests that outlive their deadline: a slow drip outruns every read timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Watched(Protocol):
    """Something in flight with a deadline on the monotonic clock."""

    deadline: float

    def abort(self) -> None: ...


class Watch:
    """Aborts what is overdue, from one thread that ends by itself when it has long had nothing to watch.

    Args:
        linger: seconds that the thread waits for more to watch.
    """

    def __init__(self, linger: float = 10.0) -> None:
        self._linger = linger
        self._changed = threading.Condition()
        self._flying: set[Watched] = set()
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def over(self, call: Watched) -> Iterator[None]:
        """Watch *call* within the `with` statement."""
        with self._changed:
            self._closed = False
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="acmez-watch", daemon=True)
                thread.start()
                self._thread = thread
            elif call.deadline < self._wakes_at:
                self._changed.notify()
            self._flying.add(call)
        try:
            yield
        finally:
            with self._changed:
                self._flying.discard(call)
                if self._closed:
                    self._end()

    def close(self) -> None:
        """End the thread, at once or when nothing is in flight any more."""
        with self._changed:
            self._closed = True
            thread = self._end()
        if thread is not None:
            thread.join()

    def _end(self) -> threading.Thread | None:
        if self._flying:
            return None
        thread, self._thread = self._thread, None
        self._changed.notify()
        return thread

    def _run(self) -> None:
        with self._changed:
            while self._thread is threading.current_thread():
                now = time.monotonic()
                for call in [call for call in self._flying if call.deadline <= now]:
                    self._flying.discard(call)
                    call.abort()
                idle = not self._flying
                self._wakes_at = min((call.deadline for call in self._flying), default=now + self._linger)
                notified = self._changed.wait(self._wakes_at - now)
                if idle and not notified and not self._flying:
                    self._thread = None
