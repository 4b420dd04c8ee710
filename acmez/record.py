"""What one order writes into the journal; without a journal, nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from .acme.challenge import Challenge
from .engine import log
from .errors import JournalError
from .protocols import Handle

if TYPE_CHECKING:
    from .journal import Answer, Journal, OrderEntry


#: A solver's label, and the challenge that it answers.
Answered: TypeAlias = tuple[str, Challenge]


@dataclass
class Record:
    """The journal's view of one order.

    A step that cannot be written is not taken, so that nothing is ever forgotten; but nothing that is there
    already is given up for it.

    Attributes:
        journal, entry: both or neither.
    """

    journal: Journal | None = None
    entry: OrderEntry | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _noted: set[Answered] = field(default_factory=set, repr=False)
    _shown: set[Answered] = field(default_factory=set, repr=False)

    def ordered(self, url: str) -> None:
        """Note that the CA took the order."""
        if self.journal is not None and self.entry is not None:
            self.journal.ordered(self.entry, url)

    def deliver(self, url: str) -> Callable[[], None] | None:
        """Note that the caller gets the certificate; return what to call once it is in a file."""
        if self.journal is None or self.entry is None:
            return None
        try:
            self.journal.delivered(self.entry)
        except JournalError as exc:
            log.warning("%s: issued, but not noted in the journal: %s", url, exc)
        return partial(self.journal.forget, url)

    def finish(self, *, forget: bool) -> None:
        """Let go of the order; forget it, or keep it so that it can be gone on with."""
        if self.journal is not None and self.entry is not None:
            try:
                self.journal.finish(self.entry, forget=forget)
            except JournalError as exc:
                log.warning("not forgotten in the journal: %s", exc)

    def announce(self, answers: Iterable[Answered]) -> None:
        """Note answers that are about to be presented, all at once."""
        if self.journal is None or self.entry is None:
            return
        with self._lock:
            new = [answer for answer in answers if answer not in self._noted]
            self._noted.update(new)
        if new:
            self.journal.presenting(self.entry, new)

    def presenting(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are presented now, if they were not announced."""
        answers = [(solver, challenge) for challenge in challenges]
        with self._lock:
            self._shown.update(answers)
        self.announce(answers)

    def presented(self, solver: str, challenges: Sequence[Challenge], handles: Sequence[Handle | None]) -> None:
        """Note the handles of answers that are visible."""
        if self.journal is not None and self.entry is not None:
            self.journal.presented(self.entry, solver, challenges, handles)

    def cleaned_up(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Remember that answers are gone; `settle` notes it."""
        with self._lock:
            self._shown.difference_update((solver, challenge) for challenge in challenges)

    def settle(self) -> None:
        """Note all at once which answers are gone, or never were shown; a crash before means cleaning up twice."""
        with self._lock:
            gone = self._noted - self._shown
            self._noted -= gone
        if self.journal is not None and self.entry is not None and gone:
            try:
                self.journal.cleaned_up(self.entry, gone)
            except JournalError as exc:
                log.warning("not noted in the journal that everything is cleaned up: %s", exc)

    def inherited(self) -> list[Answer]:
        """Return what earlier processes presented for this order."""
        return [] if self.journal is None or self.entry is None else self.journal.inherited(self.entry)
