"""What became of everything that one run began."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from acmez import events
from acmez.spec import CertificateSpec


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """An answer that is still there.

    Attributes:
        identifier, challenge_type, solver: as `ChallengePresented` has them.
        error: why it could not be cleaned up.
    """

    identifier: str
    challenge_type: str
    solver: str
    error: str

    def __str__(self) -> str:
        return f"{self.identifier}: {self.challenge_type} by {self.solver}: {self.error}"


@dataclass(slots=True)
class Tally:
    """Counts certificates and answers.

    Attributes:
        written, failed: how many certificates.
        unfinished: what was begun, or was to be, and has neither been written nor failed.
        presented: how many answers.
    """

    written: int = 0
    failed: int = 0
    unfinished: list[CertificateSpec] = field(default_factory=list)
    presented: int = 0
    _there: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def see(self, event: events.Event) -> None:
        """Take an event; the client tells them one at a time."""
        match event:
            case events.ChallengePresented(identifier=name, challenge_type=kind, solver=solver):
                self.presented += 1
                self._there[name, kind, solver] = "not cleaned up yet"
            case events.ChallengeCleanedUp(identifier=name, challenge_type=kind, solver=solver, error=None):
                self._there.pop((name, kind, solver), None)
            case events.ChallengeCleanedUp(identifier=name, challenge_type=kind, solver=solver, error=str(error)):
                self._there[name, kind, solver] = error
            case _:
                pass

    def end(self, spec: CertificateSpec, *, obtained: bool) -> None:
        """Note that a certificate was written, or failed."""
        self.unfinished.remove(spec)
        if obtained:
            self.written += 1
        else:
            self.failed += 1

    @property
    def left(self) -> list[LeftBehind]:
        """The answers that are still there."""
        return [LeftBehind(*key, error) for key, error in self._there.items()]

    @property
    def seconds(self) -> float:
        """How long it took so far."""
        return time.monotonic() - self._began

    def of_answers(self) -> Iterator[str]:
        """Say in lines which answers are still there, or that none is."""
        left = self.left
        if left:
            yield from (f"left behind: {each}" for each in left)
        elif self.presented:
            yield "everything presented was cleaned up"
