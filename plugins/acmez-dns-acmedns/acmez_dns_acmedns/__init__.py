"""Answers DNS challenges through acme-dns servers, to which _acme-challenge is delegated."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_acmedns.accounts import Account, AccountError
from acmez_dns_acmedns.solver import AcmeDnsSolver

__all__ = ["Account", "AccountError", "AcmeDnsSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield AcmeDnsSolver
