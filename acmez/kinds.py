"""The kinds of components that plugins offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from .protocols import KeyProvider, RetryPolicy, Solver, Waiter

T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of component.

    Attributes:
        label: in messages.
        hook: offers the classes.
        protocol: what a class must look like.
    """

    label: str
    hook: str
    protocol: type[Any]


SOLVER: Final[Kind[Solver]] = Kind("solver", "acmez_solvers", Solver)
WAITER: Final[Kind[Waiter]] = Kind("waiter", "acmez_waiters", Waiter)
KEY_PROVIDER: Final[Kind[KeyProvider]] = Kind("key provider", "acmez_key_providers", KeyProvider)
RETRY_POLICY: Final[Kind[RetryPolicy]] = Kind("retry policy", "acmez_retry_policies", RetryPolicy)
KINDS: Final[tuple[Kind[Any], ...]] = (SOLVER, WAITER, KEY_PROVIDER, RETRY_POLICY)
