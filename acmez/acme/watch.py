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
    """One thread that aborts what is overdue; it runs only while something is in flight."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._flying: set[Watched] = set()
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def over(self, call: Watched) -> Iterator[None]:
        """Watch *call* within the `with` statement."""
        with self._changed:
            self._flying.add(call)
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(target=self._run, name="acmez-watch", daemon=True)
                self._thread.start()
            elif call.deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._flying.discard(call)

    def close(self) -> None:
        """End the thread; a later call starts it again."""
        with self._changed:
            self._closed = True
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for call in [call for call in self._flying if call.deadline <= now]:
                    self._flying.discard(call)
                    call.abort()
                self._wakes_at = min((call.deadline for call in self._flying), default=float("inf"))
                self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)
