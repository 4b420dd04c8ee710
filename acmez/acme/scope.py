"""Deadline and cancellation, handed to every call that may block."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from .errors import Cancelled, DeadlineExceeded

_SLICE = 0.5  # seconds for which a signal may go unnoticed


class CancelScope:
    """Bounds blocking calls by a deadline, and ends them at once from any thread.

    A scope is passed down explicitly. A child ends no later than its parent and is cancelled with it;
    a shielded scope (`shield`) is for cleaning up after the parent was cancelled.

    Args:
        timeout: seconds until the deadline, infinity included; `None`: no deadline.
        parent: the scope that bounds this one; it knows this one until `close`.
    """

    def __init__(self, timeout: float | None = None, *, parent: CancelScope | None = None) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._ids = itertools.count()
        self._reason = "cancelled"
        self._parent = parent
        self._deadline = None if timeout is None else time.monotonic() + min(timeout, threading.TIMEOUT_MAX)
        if parent is not None and parent._deadline is not None:
            ends = parent._deadline
            self._deadline = ends if self._deadline is None else min(ends, self._deadline)
        self._parent_link = parent._subscribe(self._follow) if parent is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the parent; a scope without parent has nothing to let go of."""
        if self._parent is not None and self._parent_link is not None:
            self._parent._unsubscribe(self._parent_link)

    def child(self, timeout: float | None = None) -> CancelScope:
        """Return a scope that ends no later than this one; use it in a `with` statement."""
        return CancelScope(timeout, parent=self)

    @staticmethod
    def shield(timeout: float) -> CancelScope:
        """Return a scope of its own, for cleaning up also when the caller was cancelled."""
        return CancelScope(timeout)

    def cancel(self, reason: str = "cancelled") -> None:
        """End every blocking call under this scope at once; safe from any thread, more than once.

        Every callback is called, also after one that raised; the last one's exception comes out.
        """
        with self._lock:
            if self._ended.is_set():
                return
            self._reason = reason
            self._ended.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        with ExitStack() as stack:
            for callback in reversed(callbacks):
                stack.callback(callback)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called on this scope or one above it."""
        return self._ended.is_set()

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, 0.0 if it has passed, `None` if there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise `Cancelled` or `DeadlineExceeded` if the scope has ended."""
        if self._ended.is_set():
            raise Cancelled(self._reason)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded("deadline exceeded")

    def sleep(self, seconds: float) -> None:
        """Sleep; wake and raise as `check` does when the scope ends first."""
        self.check()
        remaining = self.remaining()
        cut = remaining is not None and remaining <= seconds
        if _await(self._ended, remaining if cut else seconds):
            raise Cancelled(self._reason)
        if cut:
            raise DeadlineExceeded("deadline exceeded")

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        """Wait for *event* and return whether it is set; wake and raise as `check` does when the scope ends.

        The event is set by a cancellation too, which is what wakes the waiter.
        """
        with self.on_cancel(event.set):
            remaining = self.remaining()
            bounds = [seconds for seconds in (timeout, remaining) if seconds is not None]
            happened = _await(event, min(bounds, default=None))
        self.check()
        return happened

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call *callback* if the scope is cancelled within the `with` statement.

        Raises:
            Cancelled: the scope had ended before; *callback* is not called.
        """
        self.check()
        link = self._subscribe(callback)
        try:
            yield
        finally:
            self._unsubscribe(link)

    def _follow(self) -> None:
        self.cancel(self._parent._reason if self._parent is not None else "cancelled")

    def _subscribe(self, callback: Callable[[], None]) -> int:
        with self._lock:
            link = next(self._ids)
            ended = self._ended.is_set()
            if not ended:
                self._callbacks[link] = callback
        if ended:
            callback()
        return link

    def _unsubscribe(self, link: int) -> None:
        with self._lock:
            self._callbacks.pop(link, None)


@contextmanager
def doing(what: Callable[[], str]) -> Iterator[None]:
    """Let a deadline that passes within the `with` statement tell what it cut short.

    Args:
        what: says so, when it has happened.
    """
    try:
        yield
    except DeadlineExceeded as exc:
        raise DeadlineExceeded(f"{exc}: {what()}") from exc


def _await(event: threading.Event, seconds: float | None) -> bool:
    """Wait for *event*; the main thread in slices, for a signal that comes just before it blocks waits with it."""
    if threading.current_thread() is not threading.main_thread():
        return event.wait(None if seconds is None else min(seconds, threading.TIMEOUT_MAX))
    ends = None if seconds is None else time.monotonic() + seconds
    left = _SLICE if ends is None else seconds
    while not event.wait(min(left or 0.0, _SLICE)):
        left = _SLICE if ends is None else ends - time.monotonic()
        if left <= 0:
            return False
    return True
