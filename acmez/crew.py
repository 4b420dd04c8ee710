"""Calls side by side, each on a thread, with results in order and nobody waited for too long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from .acme.errors import Cancelled
from .acme.scope import CancelScope

T = TypeVar("T")
R = TypeVar("R")

#: Seconds that calls get to end by themselves once the scope has ended.
GRACE = 0.08


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What a call returned, or raised."""

    value: R | None = None
    error: BaseException | None = None

    def result(self) -> R:
        """Return what the call returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # R may be None itself


class _Work(Generic[T, R]):
    """Items on their way to outcomes."""

    def __init__(self, call: Callable[[T], R], items: Sequence[T]) -> None:
        self._call = call
        self._waiting = deque(enumerate(items))
        self._lock = threading.Lock()
        self._working = 0
        self._threads: list[threading.Thread] = []
        self.outcomes: dict[int, Outcome[R]] = {}
        self.finished = threading.Event()

    def start(self, workers: int) -> None:
        """Start threads; those that the system cannot start any more are done without."""
        for number in range(workers):
            # The context says which issuance the calls are for.
            thread = threading.Thread(target=copy_context().run, args=(self._run,), name=f"acmez-{number}", daemon=True)
            with self._lock:
                self._working += 1
            try:
                thread.start()
            except RuntimeError:
                self._leave()
                if not self._threads:
                    raise
                return
            self._threads.append(thread)

    def stop(self, grace: float) -> None:
        """Start nothing more, and give what runs *grace* seconds."""
        self._waiting.clear()
        ends = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def _run(self) -> None:
        while True:
            try:
                index, item = self._waiting.popleft()
            except IndexError:
                return self._leave()
            try:
                outcome = Outcome(self._call(item))
            except BaseException as exc:  # noqa: BLE001 - handed to the caller
                outcome = Outcome(error=exc)
            self.outcomes[index] = outcome

    def _leave(self) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                self.finished.set()


def side_by_side(call: Callable[[T], R], items: Sequence[T], *, limit: int, scope: CancelScope) -> list[Outcome[R]]:
    """Call *call* with each item, at most *limit* at once, and return the outcomes in the items' order.

    When the scope ends, nothing new starts, and calls that do not end by themselves within `GRACE` are
    left behind on their daemon threads: a plugin that hangs must not keep its caller. What did not start
    or end has the scope's `Cancelled` or `DeadlineExceeded` for its outcome.
    """
    if not items:
        return []
    work = _Work(call, items)
    try:
        scope.check()
        work.start(min(limit, len(items)))
        while not scope.wait(work.finished):
            pass  # a hair before the deadline
    except Cancelled as exc:
        work.stop(GRACE)
        ended = dict(work.outcomes)
        return [ended.get(index, Outcome(error=exc)) for index in range(len(items))]
    except BaseException:
        work.stop(0)
        raise
    return [work.outcomes[index] for index in range(len(items))]
