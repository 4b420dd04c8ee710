"""The contract of solvers."""

from __future__ import annotations

from pathlib import Path

import pytest
from acmez_http_webroot import WebrootSolver
from acmez_testkit.contracts import SolverContract

from acmez.protocols import Challenge


class TestWebrootSolver(SolverContract[WebrootSolver]):
    @pytest.fixture(autouse=True)
    def _webroot(self, webroot: Path) -> None:
        self.webroot = webroot

    def make(self) -> WebrootSolver:
        return WebrootSolver(path=self.webroot)

    def make_failing(self) -> WebrootSolver:
        return WebrootSolver(path=self.webroot / "missing")

    def visible(self, challenge: Challenge) -> set[str]:
        return {file.read_text() for file in self.webroot.glob(".well-known/acme-challenge/*")}

    def plant(self, challenge: Challenge) -> str:
        directory = self.webroot / ".well-known" / "acme-challenge"
        directory.mkdir(parents=True)
        (directory / "of-certbot").write_text("somebody else's")
        return "somebody else's"
