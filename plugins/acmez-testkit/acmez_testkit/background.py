"""Work that goes on after a request is answered: validations and slow issuance."""

from __future__ import annotations

import threading
from collections.abc import Callable

_AT_ONCE = 32


class Background:
    """Runs jobs in threads of their own, a bounded number of them at once."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def run(self, job: Callable[[], None], *, after: float = 0.0) -> None:
        """Run `job` in a thread, `after` that many seconds; never if the CA is stopped before."""

        def work() -> None:
            if not (after and self._stopping.wait(after)):
                with self._slots:
                    if not self._stopping.is_set():
                        job()
            with self._lock:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=work, name="acmez-testkit-background", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the CA is stopped."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        """Start no more jobs and wait for those that run."""
        self._stopping.set()
        with self._lock:
            threads = set(self._threads)
        for thread in threads:
            thread.join()
