"""What one order writes into the journal; without a journal, nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .acme.challenge import Challenge
from .engine import log
from .errors import JournalError
from .protocols import Handle

if TYPE_CHECKING:
    from .journal import Answer, Journal, OrderEntry


@dataclass(frozen=True)
class Record:
    """The journal's view of one order.

    A step that cannot be written is not taken, so that nothing is ever forgotten; but nothing that is there
    already is given up for it.

    Attributes:
        journal, entry: both or neither.
    """

    journal: Journal | None = None
    entry: OrderEntry | None = None

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

    def presenting(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are about to be presented."""
        if self.journal is not None and self.entry is not None and challenges:
            self.journal.presenting(self.entry, solver, challenges)

    def presented(self, solver: str, challenges: Sequence[Challenge], handles: Sequence[Handle | None]) -> None:
        """Note the handles of answers that are visible."""
        if self.journal is not None and self.entry is not None:
            self.journal.presented(self.entry, solver, challenges, handles)

    def cleaned_up(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are gone."""
        if self.journal is not None and self.entry is not None and challenges:
            self.journal.cleaned_up(self.entry, solver, challenges)

    def inherited(self) -> list[Answer]:
        """Return what earlier processes presented for this order."""
        return [] if self.journal is None or self.entry is None else self.journal.inherited(self.entry)
