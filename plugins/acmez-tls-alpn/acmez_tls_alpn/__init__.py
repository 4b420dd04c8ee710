"""Answers tls-alpn-01 on port 443, alone or beside the server that is there (RFC 8737, RFC 8738)."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import Solver
from acmez_tls_alpn.answers import Answers, StoredAnswers
from acmez_tls_alpn.backend import Backend
from acmez_tls_alpn.errors import TlsAlpnError
from acmez_tls_alpn.front import Front, Limits
from acmez_tls_alpn.solver import TlsAlpnSolver
from acmez_tls_alpn.wrapping import wrap

__all__ = ["Answers", "Backend", "Front", "Limits", "StoredAnswers", "TlsAlpnError", "TlsAlpnSolver", "wrap"]


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    """Offer the solver."""
    yield TlsAlpnSolver
