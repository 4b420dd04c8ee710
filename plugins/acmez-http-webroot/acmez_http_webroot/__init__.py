"""Answers http-01 with files that a running web server serves (RFC 8555 §8.3)."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_http_webroot.errors import WebrootError
from acmez_http_webroot.remote import Remote
from acmez_http_webroot.solver import WebrootSolver

__all__ = ["Remote", "WebrootError", "WebrootSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield WebrootSolver
