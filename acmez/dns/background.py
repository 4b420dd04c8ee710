"""An event loop beside blocking code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from acmez.acme.scope import CancelScope

T = TypeVar("T")


class Background:
    """An event loop on a thread of its own that lives while somebody waits for it.

    All who wait share it, so whatever runs in it needs no locks.

    Args:
        started: called in each new loop before anything else.
    """

    def __init__(self, started: Callable[[], None]) -> None:
        self._started = started
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], scope: CancelScope) -> T:
        """Await what *work* returns, and return its result.

        Raises:
            Cancelled: *scope* ended; the work is cancelled.
        """
        scope.check()
        with self._running() as loop:
            done = threading.Event()
            future = asyncio.run_coroutine_threadsafe(work(), loop)
            future.add_done_callback(lambda _: done.set())
            try:
                while not scope.wait(done):
                    pass  # a hair before the deadline
            except BaseException:
                future.cancel()
                raise
            return future.result()

    @contextmanager
    def _running(self) -> Iterator[asyncio.AbstractEventLoop]:
        with self._lock:
            loop = self._loop or self._start()
            self._users += 1
        try:
            yield loop
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._end(loop)

    def _start(self) -> asyncio.AbstractEventLoop:
        ready = threading.Event()

        async def live() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._started()
            ready.set()
            await self._stop.wait()

        self._thread = threading.Thread(target=lambda: asyncio.run(live()), name="acmez-dns", daemon=True)
        self._thread.start()
        ready.wait()
        if self._loop is None:
            raise AssertionError("the event loop did not start")
        return self._loop

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()  # what still runs is cancelled, which takes no time
        self._loop = self._thread = None
