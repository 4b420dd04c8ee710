"""Every distribution is built the same each time, and those under plugins/ keep CONTRIBUTING.md's layout and names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.building import build

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


@pytest.mark.parametrize("project", [CHECKOUT, *PLUGINS], ids=lambda path: path.name)
def test_whoever_builds_it_again_gets_the_same_bytes(project: Path, tmp_path: Path):
    assert build(project, tmp_path / "dist") == []
    assert sorted(path.suffix for path in (tmp_path / "dist").iterdir()) == [".gz", ".whl"]


@pytest.mark.parametrize("where", ["str(Path.cwd())", "str(Path('demo.py').stat().st_mtime)", "time.tzname[0]"])
def test_a_build_that_depends_on_where_and_when_is_found_out(where: str, tmp_path: Path):
    project = tmp_path / "demo"
    project.mkdir()
    (project / "demo.py").touch()
    (project / "pyproject.toml").write_text(
        """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "demo"
version = "1"
requires-python = ">=3"
[tool.hatch.build.targets.sdist]
only-include = ["demo.py"]
[tool.hatch.build.targets.wheel]
only-include = ["demo.py", "trace.txt"]
[tool.hatch.build.targets.wheel.hooks.custom]
"""
    )
    (project / "hatch_build.py").write_text(
        f"""import time
from pathlib import Path
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        Path("trace.txt").write_text({where})
"""
    )
    assert build(project, tmp_path / "dist") == ["demo-1-py3-none-any.whl"]
