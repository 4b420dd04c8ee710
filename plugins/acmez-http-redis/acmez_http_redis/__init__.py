"""Answers http-01 and tls-alpn-01 from any node that reaches the same Redis."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_http_redis.solver import HttpRedisSolver
from acmez_http_redis.store import RedisStore

__all__ = ["HttpRedisSolver", "RedisStore"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield HttpRedisSolver
