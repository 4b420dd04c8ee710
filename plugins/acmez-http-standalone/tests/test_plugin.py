"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path

from acmez_http_standalone import StandaloneSolver

from acmez import options
from acmez.kinds import SOLVER
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "http-standalone") is StandaloneSolver


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `(.*?)` \|", README, re.MULTILINE))
    defaults = {field.name: json.dumps(field.default) for field in dataclasses.fields(StandaloneSolver)}
    assert rows == defaults == {"port": "80", "host": '""'}


def test_the_readmes_toml_names_the_solver_and_its_options():
    bare, proxied = (tomllib.loads(text)["solver"]["site"] for text in blocks("toml"))
    assert bare["use"] == proxied["use"] == StandaloneSolver.name
    assert options.build(StandaloneSolver, proxied["options"]) == StandaloneSolver(host="127.0.0.1", port=8402)


def test_the_readmes_python_runs():
    (python,) = blocks("python")
    names: dict[str, object] = {}
    exec(python, names)  # noqa: S102 - our own text
    assert names["solver"] == StandaloneSolver(host="127.0.0.1", port=8402)
