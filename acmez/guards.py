"""Keeps the orders of one client from treading on each other's challenges."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .acme.challenge import Challenge
from .acme.scope import CancelScope
from .protocols import Handle, Locking, Solver

_SLICE = 0.02  # seconds between two looks at the scope while waiting for a turn


@dataclass
class _Turns:
    """Who comes next, and how many use it: unused, it is forgotten."""

    slots: threading.Semaphore
    users: int = 0


@dataclass
class _Presented:
    claims: int = 0
    asked: bool = False
    handle: Handle | None = None


class Guards:
    """Locks that solvers ask for, and a count of who needs which answer.

    Apex and wildcard, or two orders at once, can need the very same answer, one TXT value, say: it is
    presented by who comes first and cleaned up by who goes last.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._turns: dict[Hashable, _Turns] = {}
        self._presented: dict[Hashable, _Presented] = {}

    @contextmanager
    def exclusive(self, solver: Solver, challenges: Sequence[Challenge], scope: CancelScope) -> Iterator[None]:
        """Hold what the solver wants locked for *challenges*, and its share of `concurrency`.

        Raises:
            Cancelled: *scope* ended before it was this caller's turn.
        """
        keys: set[Hashable] = {_answer_key(solver, challenge) for challenge in challenges}
        if isinstance(solver, Locking):
            keys |= {(id(solver), "lock", solver.lock_key(challenge)) for challenge in challenges}
        concurrency = getattr(solver, "concurrency", None)
        with ExitStack() as stack:
            # Everybody in one order, and the share last: nobody waits for who waits for him.
            for key in sorted(keys, key=repr):
                stack.enter_context(self._turn(key, 1, scope))
            if isinstance(concurrency, int) and concurrency > 0:
                stack.enter_context(self._turn(id(solver), concurrency, scope))
            yield

    def claim(self, solver: Solver, challenge: Challenge) -> bool:
        """Note that one more needs the answer; return whether it must be presented first."""
        with self._mutex:
            entry = self._presented.setdefault(_answer_key(solver, challenge), _Presented())
            entry.claims += 1
            must, entry.asked = not entry.asked, True
            return must

    def presented(self, solver: Solver, challenge: Challenge, handle: Handle | None) -> None:
        """Keep the handle of an answer that is visible now."""
        with self._mutex:
            self._presented[_answer_key(solver, challenge)].handle = handle

    def handle(self, solver: Solver, challenge: Challenge) -> Handle | None:
        """Return the handle of an answer that is visible now."""
        with self._mutex:
            return self._presented[_answer_key(solver, challenge)].handle

    def not_presented(self, solver: Solver, challenge: Challenge) -> None:
        """Note that presenting failed: whoever comes next has to try."""
        with self._mutex:
            self._presented[_answer_key(solver, challenge)].asked = False

    def release(self, solver: Solver, challenge: Challenge) -> tuple[bool, Handle | None]:
        """Note that one less needs the answer; return whether nobody does any more, and its handle."""
        key = _answer_key(solver, challenge)
        with self._mutex:
            entry = self._presented[key]
            entry.claims -= 1
            if not entry.claims:
                del self._presented[key]
            return not entry.claims, entry.handle

    @contextmanager
    def _turn(self, key: Hashable, slots: int, scope: CancelScope) -> Iterator[None]:
        with self._mutex:
            turns = self._turns.setdefault(key, _Turns(threading.Semaphore(slots)))
            turns.users += 1
        try:
            scope.check()
            while not turns.slots.acquire(timeout=_SLICE):
                scope.check()
            try:
                yield
            finally:
                turns.slots.release()
        finally:
            with self._mutex:
                turns.users -= 1
                if not turns.users:
                    del self._turns[key]


def _answer_key(solver: Solver, challenge: Challenge) -> Hashable:
    """What tells one answer from another: not the wildcard flag, its record is the same."""
    return id(solver), challenge.type, challenge.identifier.key, challenge.token or challenge.url
