"""Every distribution under plugins/ keeps the layout and the names that CONTRIBUTING.md asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PLUGINS = sorted(CHECKOUT.glob("plugins/*/"))


@pytest.fixture(params=PLUGINS, ids=lambda path: path.name)
def plugin(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def project(plugin: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    return project


def test_one_word_names_it_all(plugin: Path, project: dict[str, Any]):
    assert plugin.name.startswith("acmez-")
    assert project["name"] == plugin.name
    package = plugin.name.replace("-", "_")
    assert (plugin / package / "__init__.py").is_file()
    modules = project.get("entry-points", {}).get("acmez", {}).values()
    assert all(module.split(".")[0] == package for module in modules)


def test_it_is_typed_and_has_a_readme_and_tests(plugin: Path):
    assert (plugin / plugin.name.replace("-", "_") / "py.typed").is_file()
    assert (plugin / "README.md").is_file()
    assert list(plugin.glob("tests/**/test_*.py"))


def test_its_tests_are_no_package(plugin: Path):
    # A package `tests` here would hide the one at the top; relative imports work without.
    assert not (plugin / "tests" / "__init__.py").exists()


def test_the_core_has_a_floor_and_no_pin(project: dict[str, Any]):
    needed = [
        each
        for each in project["dependencies"]
        if each.startswith("acmez") and each[5:6] in {"", " ", "<", ">", "=", "!", "~"}
    ]
    assert all(">=" in each and "==" not in each for each in needed)
