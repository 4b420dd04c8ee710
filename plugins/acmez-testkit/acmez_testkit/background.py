"""Work that goes on after a request is answered: validations and slow issuance."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
_AT_ONCE = 32


class Background:
    """Runs jobs in threads of their own, a bounded number of them at once."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        """What jobs raised: each is a bug."""
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
                        self._do(job)
            with self._lock:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=work, name="acmez-testkit-background", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - the thread has nobody else to tell
            _log.exception("a job in the background failed")
            self.errors.append(error)

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the CA is stopped."""
        self._stopping.wait(seconds)

    def cancel(self) -> None:
        """Begin no more jobs and end every pause."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the jobs that run."""
        with self._lock:
            threads = set(self._threads)
        for thread in threads:
            thread.join()
