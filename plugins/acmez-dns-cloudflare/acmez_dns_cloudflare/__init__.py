"""Answers DNS challenges with TXT records at Cloudflare."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_cloudflare.solver import CloudflareSolver

__all__ = ["CloudflareSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield CloudflareSolver
