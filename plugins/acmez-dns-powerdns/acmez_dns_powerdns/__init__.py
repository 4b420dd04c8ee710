"""Answers DNS challenges through the HTTP API of PowerDNS."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_powerdns.solver import PowerDnsSolver

__all__ = ["PowerDnsSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield PowerDnsSolver
