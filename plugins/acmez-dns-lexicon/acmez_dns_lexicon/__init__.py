"""Answers DNS challenges with any DNS provider of Lexicon."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_dns_lexicon.providers import LexiconError
from acmez_dns_lexicon.solver import LexiconSolver

__all__ = ["LexiconError", "LexiconSolver"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield LexiconSolver
