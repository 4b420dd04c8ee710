"""Calls side by side, each on a thread, with results in order and nobody waited for too long."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
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
        self._left = len(items)
        self.outcomes: list[Outcome[R]] = [Outcome(error=Cancelled("cancelled"))] * len(items)
        self.stopped = False
        self.woken = threading.Event()
        self.finished = threading.Event()

    def run(self) -> None:
        """Work until nothing waits any more; what every thread of the crew does."""
        while not self.stopped:
            try:
                index, item = self._waiting.popleft()
            except IndexError:
                return
            try:
                self.outcomes[index] = Outcome(self._call(item))
            except BaseException as exc:  # noqa: BLE001 - handed to the caller
                self.outcomes[index] = Outcome(error=exc)
            with self._lock:
                self._left -= 1
                if not self._left:
                    self.finished.set()
                    self.woken.set()


def side_by_side(call: Callable[[T], R], items: Sequence[T], *, limit: int, scope: CancelScope) -> list[Outcome[R]]:
    """Call *call* with each item, at most *limit* at once, and return the outcomes in the items' order.

    When the scope ends, nothing new starts, and calls that do not end by themselves within `GRACE` are
    left behind on their daemon threads: a plugin that hangs must not keep its caller.
    """
    if not items:
        return []
    work = _Work(call, items)
    for number in range(min(limit, len(items))):
        threading.Thread(target=work.run, name=f"acmez-{number}", daemon=True).start()
    try:
        scope.wait(work.woken)
    except Cancelled:
        work.stopped = True
        work.finished.wait(GRACE)
    return list(work.outcomes)
