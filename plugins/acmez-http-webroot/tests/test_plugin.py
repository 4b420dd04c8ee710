"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

from acmez_http_webroot import Remote, WebrootSolver

from acmez import options
from acmez.kinds import SOLVER
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "http-webroot") is WebrootSolver


def test_the_readme_has_every_option_with_its_default():
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \| \w+ \| (?:`(.*?)`)? ?\|", README, re.MULTILINE)}
    assert rows == {"path": "", "webroots": "{}", "mode": "0o644", "remote": ""}
    assert {*rows} == {field.name for field in dataclasses.fields(WebrootSolver)}
    assert WebrootSolver(path=Path("/srv")).mode == 0o644


def test_the_readme_has_every_option_of_remote_with_its_default():
    rows = {
        row[0]: row[1] for row in re.findall(r"^\| `remote\.(\w+)` \| \w+ \| (?:`(.*?)`)? ?\|", README, re.MULTILINE)
    }
    assert rows == {"copy": "", "remove": "", "nodes": "[]", "timeout": "60.0"}
    assert {*rows} == {field.name for field in dataclasses.fields(Remote)}


def test_the_readmes_toml_gives_solvers():
    site, sites, nodes = (tomllib.loads(text)["solver"] for text in blocks("toml"))
    assert solver(site["site"]) == WebrootSolver(path=Path("/var/www/html"))
    assert solver(sites["sites"]) == WebrootSolver(
        path=Path("/var/www/html"),
        webroots={"shop.example.com": Path("/srv/shop"), "*.example.net": Path("/srv/net")},
    )
    remote = solver(nodes["nodes"]).remote
    assert remote is not None
    assert (remote.copy[0], remote.remove[0], len(remote.nodes)) == ("scp", "ssh", 2)


def solver(table: dict[str, Any]) -> WebrootSolver:
    assert table["use"] == WebrootSolver.name
    return options.build(WebrootSolver, table["options"])


def test_the_readmes_python_runs():
    (python,) = blocks("python")
    names: dict[str, object] = {}
    exec(python, names)  # noqa: S102 - our own text
    assert names["solver"] == WebrootSolver(path=Path("/var/www/html"))
