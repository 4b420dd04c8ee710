"""Which issuance the running code works for, so that every event can say so.

It goes with the context (`contextvars`): threads that work for an issuance run in a copy of the context of whoever
started them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Work:
    """What is known of the issuance that is under way.

    Attributes:
        issuance: tells it from every other one, of other processes, too.
        order: URL of the order that it is at, "" before there is one.
        identifiers: URL of an authorization or a challenge -> whose it is.
    """

    issuance: str = ""
    order: str = ""
    identifiers: dict[str, str] = field(default_factory=dict)


_work: ContextVar[Work | None] = ContextVar("acmez_work", default=None)


def issuance() -> str:
    """Return which issuance the running code works for, "" if for none."""
    work = _work.get()
    return "" if work is None else work.issuance


def order() -> str:
    """Return the URL of the order that the running code works at, "" if there is none."""
    work = _work.get()
    return "" if work is None else work.order


def work() -> Work | None:
    """Return what is known of the issuance that the running code works for, `None` if for none."""
    return _work.get()


@contextmanager
def working() -> Iterator[None]:
    """Let what runs within the `with` statement work for an issuance of its own."""
    token = _work.set(Work(os.urandom(8).hex()))
    try:
        yield
    finally:
        _work.reset(token)
