"""Answers DNS challenges with TXT records at Amazon Route 53."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_route53.aws import Route53Error
from acmez_dns_route53.solver import Route53Solver

__all__ = ["Route53Error", "Route53Solver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield Route53Solver
