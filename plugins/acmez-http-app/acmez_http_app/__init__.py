"""Answers http-01 from a web application that is there anyway (RFC 8555 §8.3)."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_http_app.asgi import AsgiMiddleware
from acmez_http_app.errors import HttpAppError
from acmez_http_app.solver import HttpAppSolver
from acmez_http_app.wsgi import WsgiMiddleware

__all__ = ["AsgiMiddleware", "HttpAppError", "HttpAppSolver", "WsgiMiddleware"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield HttpAppSolver
