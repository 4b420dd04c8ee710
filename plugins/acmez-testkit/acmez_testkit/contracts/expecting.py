"""How a rule fails: in words that its reader can act on, and never by hanging."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 30.0  # seconds; for what has no limit of its own


def require(condition: object, message: str) -> None:
    """Fail with *message* unless *condition* is true.

    Raises:
        AssertionError: it is not.
    """
    if not condition:
        raise AssertionError(message)


def start(call: Callable[[], T]) -> Future[T]:
    """Begin *call* in a thread that keeps nothing alive; its result is in the future."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - the future hands it on
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="acmez-contract", daemon=True).start()
    return future


def finish(future: Future[T], seconds: float, complaint: str) -> T:
    """Return what the call returned, or raise what it raised.

    Raises:
        AssertionError: it is still running after *seconds*; the message is *complaint*.
    """
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # the call's own
            raise
        raise AssertionError(complaint) from None


def within(seconds: float, what: str, call: Callable[[], T]) -> T:
    """Do what `finish` does with a call that begins now; *what* names it."""
    return finish(start(call), seconds, f"{what} was still running after {seconds:g} s")


def at_once(count: int, what: str, call: Callable[[int], T]) -> list[T]:
    """Return what *count* calls returned that were all started together.

    Raises:
        AssertionError: some raised, or did not end; the first one's exception is the cause.
    """
    barrier = threading.Barrier(count)

    def begin(number: int) -> T:
        barrier.wait(PATIENCE)
        return call(number)

    futures = [start(partial(begin, number)) for number in range(count)]
    complaint = f"{what} in {count} threads at once: some were still running after {PATIENCE:g} s"
    results: list[T] = []
    for future in futures:
        try:
            results.append(finish(future, PATIENCE, complaint))
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"{what} in {count} threads at once raised {type(error).__name__}: {error}") from error
    return results
