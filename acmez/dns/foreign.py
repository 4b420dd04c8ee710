"""Calls of libraries that know no deadline: what hangs is left behind on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from acmez.acme.scope import CancelScope

T = TypeVar("T")


def bounded(work: Callable[[], T], scope: CancelScope, *, timeout: float | None = None) -> T:
    """Return what *work* returns, and raise what it raises; it goes on if nobody waits for it any more.

    Args:
        timeout: seconds for it; `None`: as long as *scope* lasts.

    Raises:
        RuntimeError: it wants the whole process to end.
        TimeoutError: it did not come to an end in time.
        Cancelled: *scope* ended.
    """
    scope.check()
    done = threading.Event()
    results: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised below, on the caller's thread
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="acmez-foreign", daemon=True).start()
    while not scope.wait(done, timeout):
        if timeout is not None:
            raise TimeoutError(f"did not come to an end within {timeout:g} s")
    for error in raised:
        if not isinstance(error, Exception):
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        raise error
    return results[0]
