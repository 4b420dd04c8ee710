"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from acmez_http_app import HttpAppSolver

from acmez import options
from acmez.kinds import SOLVER
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "http-app") is HttpAppSolver


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", README, re.MULTILINE))
    assert rows == {"directory": "none"}
    assert [(field.name, field.default) for field in dataclasses.fields(HttpAppSolver)] == [("directory", None)]


def test_the_readmes_toml_names_the_solver_and_its_options(tmp_path):
    (site,) = (tomllib.loads(text)["solver"]["site"] for text in blocks("toml"))
    assert site["use"] == HttpAppSolver.name
    solver = options.build(HttpAppSolver, site["options"], directory=tmp_path)
    assert solver == HttpAppSolver(directory=Path("/var/lib/acmez/answers"))


def test_the_readmes_one_liners_name_what_is_there():
    named = set(re.findall(r"\bsolver\.(\w+)", README)) - {"site"}
    assert named == {"wsgi", "asgi", "aiohttp", "find"}
    assert all(hasattr(HttpAppSolver, name) for name in named)
    assert "AsgiMiddleware, find=solver.find" in README
