"""Answers DNS challenges with the dnsapi scripts of acme.sh."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_acmesh.solver import AcmeShSolver

__all__ = ["AcmeShSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield AcmeShSolver
