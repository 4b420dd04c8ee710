"""Answers http-01 with an HTTP server that is up only while a challenge is pending (RFC 8555 §8.3)."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_http_standalone.errors import StandaloneError
from acmez_http_standalone.solver import StandaloneSolver

__all__ = ["StandaloneError", "StandaloneSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield StandaloneSolver
