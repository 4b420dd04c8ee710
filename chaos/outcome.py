"""What became of one run, and whether that is what could be had."""

from __future__ import annotations

import re
from dataclasses import dataclass

from acmez.acme.errors import AcmeError

#: Seconds for one run of acmez, and what cleaning up may take after them.
DEADLINE = 20.0
CLEAN_UP = 4.0
_SLACK = 2.0
_SURPRISE = "unexpected"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at one step.

    Attributes:
        ca: what it happens at: "Pebble" (through the proxy) or "testkit" (scripted).
        fault: its name.
        step: the request that it happens to, "all", or "the CA".
        error: what the error must say (a regular expression) if no certificate can be had; "": one can.
        reachable: whether the CA can still be asked to forget pending authorizations.
    """

    ca: str
    fault: str
    step: str
    error: str = ""
    reachable: bool = True

    @property
    def possible(self) -> bool:
        """Whether a certificate can be had within the budget."""
        return not self.error

    def __str__(self) -> str:
        return f"{self.ca}: {self.fault} at {self.step}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run.

    Attributes:
        error: why there is no certificate; `None`: there is one.
        seconds: how long it took, cleaning up included.
        duplicates: orders at the CA beyond the first that are not invalid.
        answers: challenge answers that are still shown; `None`: the client does not tell.
        pending: authorizations that the CA still counts as pending.
        requests: what arrived at the CA or the proxy before it.
        struck: how often the fault happened; `None`: it need not.
    """

    case: Case
    client: str
    seed: int
    error: str | None
    seconds: float
    duplicates: int
    answers: int | None
    pending: int
    requests: int
    struck: int | None
    deadline: float = DEADLINE + CLEAN_UP

    @property
    def leftovers(self) -> int:
        """What was left behind though it could have been removed."""
        return (self.answers or 0) + (self.pending if self.case.reachable else 0)

    @property
    def misses(self) -> list[str]:
        """Return what went worse than it could have."""
        found = []
        if self.case.possible and self.error is not None:
            found.append(f"failed: {self.error}")
        if not self.case.possible and self.error is None:
            found.append("got a certificate that cannot be had")
        if self.error is not None and self.case.error and not re.search(self.case.error, self.error):
            found.append(f"the error does not say {self.case.error!r}: {self.error}")
        if self.error is not None and self.error.startswith(_SURPRISE):
            found.append(f"the error is none of the library's: {self.error}")
        if self.seconds > self.deadline + _SLACK:
            found.append(f"took {self.seconds:.1f} s")
        if self.duplicates:
            found.append(f"{self.duplicates} duplicate orders")
        if self.leftovers:
            found.append(f"left {self.answers or 0} answers and {self.pending} pending authorizations")
        if self.struck == 0:
            found.append("the fault never happened")
        return found


def locked_up(case: Case, client: str, seed: int) -> Outcome:
    """Return the outcome of a run after which the CA does not answer any more, time after time."""
    return Outcome(
        case=case,
        client=client,
        seed=seed,
        error=f"{_SURPRISE} lock-up of the CA, whichever one it is",
        seconds=0.0,
        duplicates=0,
        answers=None,
        pending=0,
        requests=0,
        struck=None,
    )


def told(error: BaseException) -> str:
    """Return an error in one line; one that acmez did not raise on purpose says so."""
    kind = type(error).__name__
    surprise = "" if isinstance(error, AcmeError) else f"{_SURPRISE} "
    return f"{surprise}{kind}: {' / '.join(str(error).splitlines())}"
