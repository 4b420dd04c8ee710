"""What one order writes into the journal; without a journal, nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .acme.challenge import Challenge
from .acme.identifier import Identifier
from .protocols import Handle

if TYPE_CHECKING:
    from .journal import Answer, Journal, OrderEntry


@dataclass(frozen=True)
class Record:
    """The journal's view of one order.

    Attributes:
        entry: `None` without a journal.
    """

    journal: Journal | None = None
    entry: OrderEntry | None = None

    @classmethod
    def begin(
        cls,
        journal: Journal | None,
        directory: str,
        account: str,
        subjects: Iterable[Identifier],
        *,
        csr: bytes,
        own_csr: bool,
        key: bytes | None,
    ) -> Record:
        """Note that an order is about to be sent."""
        if journal is None:
            return cls()
        return cls(journal, journal.begin(directory, account, subjects, csr=csr, own_csr=own_csr, key=key))

    def ordered(self, url: str) -> None:
        """Note that the CA took the order."""
        if self.journal is not None and self.entry is not None:
            self.journal.ordered(self.entry, url)

    def reach(self, state: str) -> None:
        """Note that the order is "finalizing" or "issued"."""
        if self.journal is not None and self.entry is not None:
            self.journal.reach(self.entry, state)

    def finish(self, *, forget: bool) -> None:
        """Let go of the order; forget it, or keep it so that it can be gone on with."""
        if self.journal is not None and self.entry is not None:
            self.journal.finish(self.entry, forget=forget)

    def deliver(self, url: str) -> Callable[[], None] | None:
        """Note that the caller gets the certificate; return what to call once it is in a file."""
        if self.journal is None or self.entry is None:
            return None
        self.journal.delivered(self.entry)
        return partial(self.journal.forget, url)

    def presenting(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are about to be presented."""
        if self.journal is not None and self.entry is not None and challenges:
            self.journal.presenting(self.entry, solver, challenges)

    def presented(self, solver: str, challenges: Sequence[Challenge], handles: Sequence[Handle | None]) -> None:
        """Note the handles of answers that are visible."""
        if self.journal is not None and challenges:
            self.journal.presented(solver, challenges, handles)

    def cleaned_up(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are gone."""
        if self.journal is not None and challenges:
            self.journal.cleaned_up(solver, challenges)

    def inherited(self) -> list[Answer]:
        """Return what an earlier process presented for this order."""
        return [] if self.journal is None or self.entry is None else self.journal.answers_of(self.entry)
