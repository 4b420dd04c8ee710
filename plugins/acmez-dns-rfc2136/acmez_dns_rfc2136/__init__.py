"""Answers DNS challenges with dynamic updates (RFC 2136), signed with TSIG (RFC 8945)."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_rfc2136.errors import UpdateError
from acmez_dns_rfc2136.solver import Rfc2136Solver

__all__ = ["Rfc2136Solver", "UpdateError"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield Rfc2136Solver
