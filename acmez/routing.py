"""Which solver is for which name."""

from __future__ import annotations

from dataclasses import dataclass

from .acme.identifier import Identifier
from .protocols import SelfWaiting, Solver, Waiter


@dataclass(frozen=True)
class Route:
    """One solver instance and the names it is for.

    Attributes:
        solver: answers the challenges.
        name: the user's word for this instance; "": the solver's own name.
        domains: patterns; none: every name. "example.com" is that name alone, "*.example.com" is every
            name below it, and the wildcard itself; "*" is everything.
        waiter: waits until the answer can be seen; `None`: the solver itself, if it can wait.
    """

    solver: Solver
    name: str = ""
    domains: tuple[str, ...] = ()
    waiter: Waiter | None = None

    @property
    def label(self) -> str:
        """What to call this instance in messages."""
        return self.name or self.solver.name

    @property
    def effective_waiter(self) -> SelfWaiting | None:
        """The waiter to use, `None` if there is nothing to wait for."""
        if self.waiter is not None:
            return self.waiter
        return self.solver if isinstance(self.solver, SelfWaiting) else None

    def matches(self, identifier: Identifier, *, wildcard: bool) -> bool:
        """Whether the solver is for *identifier* (without "*.")."""
        name = identifier.key[1]
        return not self.domains or any(matches(pattern, name, wildcard=wildcard) for pattern in self.domains)


def matches(pattern: str, name: str, *, wildcard: bool) -> bool:
    """Whether *pattern* covers *name*, given without "*." and in lower case."""
    folded = pattern.lower().rstrip(".")
    if folded == "*":
        return True
    if folded.startswith("*."):
        return name.endswith(folded[1:]) or (wildcard and name == folded[2:])
    return name == folded and not wildcard
