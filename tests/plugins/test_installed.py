"""A plugin that somebody else wrote, installed by pip as any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .conftest import SOLVER as SOURCE

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "2.5"
description = "A plugin for acmez"
dependencies = ["acmez"]

[project.entry-points.acmez]
{plugin} = "{package}"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""
FIND = """
from acmez.plugins import SOLVER, PluginManager
import sys
found = PluginManager().build(SOLVER, "dns-elsewhere", {"api_token": "s3cret"}, where="solver.corp")
print(found, "broken_plugin" in sys.modules)
"""


def install(target: Path, source: Path, name: str, plugin: str, package: str, code: str) -> None:
    """Write a distribution and let pip build and install it, without the network."""
    project = source / name
    (project / package).mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT.format(name=name, plugin=plugin, package=package))
    (project / package / "__init__.py").write_text(textwrap.dedent(code))
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(project)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two distributions are installed: one that works and one that does not."""
    home = tmp_path_factory.mktemp("installed")
    target = home / "site-packages"
    good = SOURCE.format(name="dns-elsewhere")
    install(target, home, "acmez-dns-elsewhere", "dns-elsewhere", "elsewhere_plugin", good)
    install(target, home, "acmez-dns-broken", "dns-broken", "broken_plugin", "import no_such_sdk")
    return target


def run(site_packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site_packages), str(root)])}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_is_found_by_its_name_and_built_with_its_options(site_packages: Path):
    done = run(site_packages, "-c", FIND)
    assert (done.stdout, done.stderr) == ("DnsSolver(api_token=Secret('***'), ttl=120) False\n", "")


def test_the_command_lists_it_and_says_what_is_wrong_with_the_other(site_packages: Path):
    done = run(site_packages, "-m", "acmez.cli", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    listed = {info["name"]: info for info in json.loads(done.stdout)}
    good, broken = listed["dns-elsewhere"], listed["dns-broken"]
    assert (good["distribution"], good["status"]) == ("acmez-dns-elsewhere 2.5", "available")
    assert good["components"] == [{"kind": "solver", "name": "dns-elsewhere"}]
    assert (broken["distribution"], broken["status"]) == ("acmez-dns-broken 2.5", "broken")
    assert broken["error"] == (
        "plugin 'dns-broken' (acmez-dns-broken 2.5) failed to load: No module named 'no_such_sdk'"
    )


def test_the_command_knows_its_options(site_packages: Path):
    done = run(site_packages, "-m", "acmez.cli", "options", "dns-elsewhere", "--json")
    options = json.loads(done.stdout)["solver"]
    assert [(option["name"], option["doc"]) for option in options] == [
        ("api_token", "may edit the zone."),
        ("ttl", "seconds, of the records."),
    ]


def test_a_configuration_that_uses_the_broken_one(site_packages: Path, tmp_path: Path):
    file = tmp_path / "acmez.toml"
    file.write_text(
        'directory = "letsencrypt"\n[solver.corp]\nuse = "dns-broken"\n[solver.good]\nuse = "dns-elsewhere"'
    )
    done = run(site_packages, "-m", "acmez.cli", "check", str(file))
    assert done.returncode == 2
    assert done.stderr == (
        "error: solver.corp.use: plugin 'dns-broken' (acmez-dns-broken 2.5) failed to load: "
        "No module named 'no_such_sdk'\n"
        "  more: acmez explain ConfigError\n"
    )


def test_in_the_schema_it_has_its_options(site_packages: Path):
    schema = json.loads(run(site_packages, "-m", "acmez.cli", "schema").stdout)
    assert set(schema["$defs"]["solver: dns-elsewhere"]["properties"]) == {"api_token", "ttl"}
