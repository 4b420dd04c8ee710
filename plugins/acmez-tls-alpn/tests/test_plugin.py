"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import json
import re
import ssl
import tomllib
from pathlib import Path

from acmez_tls_alpn import TlsAlpnSolver

from acmez import options
from acmez.kinds import SOLVER
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "tls-alpn") is TlsAlpnSolver


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `?(.*?)`? \|", README, re.MULTILINE))
    defaults = {field.name: json.dumps(field.default) for field in dataclasses.fields(TlsAlpnSolver)}
    assert rows == {name: "none" if default == "null" else default for name, default in defaults.items()}


def test_the_readmes_toml_names_the_solver_and_its_options():
    bare, front = (tomllib.loads(text)["solver"]["tls"] for text in blocks("toml"))
    assert bare["use"] == front["use"] == TlsAlpnSolver.name
    assert options.build(TlsAlpnSolver, front["options"]) == TlsAlpnSolver(backend="127.0.0.1:8443")


def test_a_directory_of_the_toml_is_beside_it(tmp_path):
    solver = options.build(TlsAlpnSolver, {"directory": "answers"}, directory=tmp_path)
    assert solver.directory == tmp_path / "answers"


def test_the_readmes_python_runs():
    front, wrapped = blocks("python")
    names: dict[str, object] = {}
    exec(front.partition("with solver")[0] + wrapped, names)  # noqa: S102 - our own text
    assert isinstance(names["context"], ssl.SSLContext)
