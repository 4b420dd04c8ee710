"""The contract of solvers, for answers in memory and in a directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from acmez_http_app import HttpAppSolver
from acmez_http_app.finding import reply
from acmez_testkit.contracts import SolverContract

from acmez.acme.challenges import http_01
from acmez.protocols import Challenge


def served(solver: HttpAppSolver, challenge: Challenge) -> set[str]:
    answer = reply(http_01.answer(challenge).path, solver.find)
    return set() if answer is None else {answer.body.decode()}


class TestMemory(SolverContract[HttpAppSolver]):
    outlives_process = False
    test_what_others_put_there_stays = None  # type: ignore[assignment]  # nobody else has a place in this memory

    def make(self) -> HttpAppSolver:
        self.solver = HttpAppSolver()
        assert self.solver.find("what an application asks") is None
        return self.solver

    def make_failing(self) -> HttpAppSolver:
        return HttpAppSolver()

    def visible(self, challenge: Challenge) -> set[str]:
        return served(self.solver, challenge)


class TestDirectory(SolverContract[HttpAppSolver]):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "answers"

    def make(self) -> HttpAppSolver:
        return HttpAppSolver(self.directory)

    def make_failing(self) -> HttpAppSolver:
        return HttpAppSolver(Path("/dev/null/answers"))

    def visible(self, challenge: Challenge) -> set[str]:
        planted = {file.read_text() for file in self.directory.glob("of-*")}
        return served(HttpAppSolver(self.directory), challenge) | planted

    def plant(self, challenge: Challenge) -> str:
        self.directory.mkdir()
        (self.directory / "of-somebody-else").write_text("somebody else's")
        return "somebody else's"
