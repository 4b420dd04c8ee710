"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import acmez_http_webroot
from acmez_http_webroot import WebrootSolver

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


def test_the_entry_point_bears_the_solvers_name():
    (entry,) = entry_points(group="acmez", name=WebrootSolver.name)
    assert entry.load() is acmez_http_webroot
    assert [*acmez_http_webroot.acmez_solvers()] == [WebrootSolver]


def test_the_readme_has_every_option_with_its_default():
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \| \w+ \| (?:`(.*?)`)? ?\|", README, re.MULTILINE)}
    assert rows == {"path": "", "webroots": "{}", "mode": "0o644"}
    assert {*rows} == {field.name for field in dataclasses.fields(WebrootSolver)}
    assert WebrootSolver(path=Path("/srv")).mode == 0o644


def test_the_readmes_toml_names_the_solver_and_its_options():
    table = tomllib.loads(block("toml"))["solver"]["site"]
    assert table["use"] == WebrootSolver.name
    assert WebrootSolver(path=Path(table["options"]["path"])).path == Path("/var/www/html")


def test_the_readmes_python_runs():
    names: dict[str, object] = {}
    exec(block("python"), names)  # noqa: S102 - our own text
    assert names["solver"] == WebrootSolver(path=Path("/var/www/html"))
