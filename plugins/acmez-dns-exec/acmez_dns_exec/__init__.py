"""Answers DNS challenges with any program: lego's exec scripts, certbot's manual hooks."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_exec.running import ProgramError
from acmez_dns_exec.solver import ExecSolver

__all__ = ["ExecSolver", "ProgramError"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield ExecSolver
