"""Which solver is for which name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .acme.errors import InputError
from .acme.identifier import Identifier, IdentifierType
from .csr import identifier as identifier_of
from .protocols import Batching, SelfWaiting, Signalling, Solver, Versatile, Waiter, WithPayload


@dataclass(frozen=True)
class Route:
    """One solver instance and the names it is for.

    Attributes:
        solver: answers the challenges.
        name: the user's word for this instance; "": the solver's own name.
        domains: patterns; none: every name. "example.com" is that name alone, "*.example.com" is every
            name below it, and the wildcard itself; "*" is everything. Kept as A-labels in lower case,
            and addresses in RFC 5952 text, which is what names are compared in.
        waiter: waits until the answer can be seen; `None`: the solver itself, if it can wait.

    Raises:
        InputError: patterns are not names, which would never match; one line each.
    """

    solver: Solver
    name: str = ""
    domains: tuple[str, ...] = ()
    waiter: Waiter | None = None

    def __post_init__(self) -> None:
        if isinstance(self.domains, str):
            raise InputError(
                f"domains: expected a list, got the text {self.domains!r} (did you mean [{self.domains!r}]?)"
            )
        patterns: list[str] = []
        problems: list[str] = []
        for pattern in self.domains:
            try:
                patterns.append(_normal(pattern))
            except InputError as exc:
                problems.append(f"domains: {exc}")
        if problems:
            raise InputError("\n".join(problems))
        object.__setattr__(self, "domains", () if "*" in patterns else tuple(patterns))

    @property
    def label(self) -> str:
        """What to call this instance in messages."""
        return self.name or self.solver.name

    # What the solver can do beside `present` and `clean_up`; looked up once, for looking is slow.

    @cached_property
    def challenge_types(self) -> tuple[str, ...]:
        """What the solver can answer, its favourite first."""
        other = self.solver.other_types if isinstance(self.solver, Versatile) else ()
        return self.solver.challenge_type, *other

    @cached_property
    def effective_waiter(self) -> SelfWaiting | None:
        """The waiter to use, `None` if there is nothing to wait for."""
        if self.waiter is not None:
            return self.waiter
        return self.solver if isinstance(self.solver, SelfWaiting) else None

    @cached_property
    def batching(self) -> Batching | None:
        """The solver, if it takes many challenges in one call."""
        return self.solver if isinstance(self.solver, Batching) else None

    @cached_property
    def with_payload(self) -> WithPayload | None:
        """The solver, if it says what is POSTed to the challenge."""
        return self.solver if isinstance(self.solver, WithPayload) else None

    @cached_property
    def signalling(self) -> Signalling | None:
        """The solver, if it notices the CA's requests."""
        return self.solver if isinstance(self.solver, Signalling) else None

    def matches(self, identifier: Identifier, *, wildcard: bool) -> bool:
        """Whether the solver is for *identifier* (without "*.")."""
        name = identifier.key[1]
        return not self.domains or any(matches(pattern, name, wildcard=wildcard) for pattern in self.domains)


def matches(pattern: str, name: str, *, wildcard: bool) -> bool:
    """Whether *pattern*, as a `Route` keeps it, covers *name*, given without "*." and in lower case."""
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) or (wildcard and name == pattern[2:])
    return name == pattern and not wildcard


def _normal(pattern: str) -> str:
    if pattern == "*" or "@" in pattern:  # e-mail addresses are matched as they are
        return pattern
    prefix = "*." if pattern.startswith("*.") else ""
    found = identifier_of(pattern.removeprefix(prefix))
    if prefix and (found.type != IdentifierType.DNS or found.value.startswith("*")):
        raise InputError(f"{pattern!r}: a wildcard is '*.' in front of a name, once")
    return prefix + found.value
