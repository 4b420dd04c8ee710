"""What `make` installs is locked: each file by its hash, for every supported Python and platform."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = sorted(CHECKOUT.glob("tools/*-requirements.txt"))
PROJECTS = [CHECKOUT / "pyproject.toml", *sorted(CHECKOUT.glob("plugins/*/pyproject.toml"))]
OURS = {tomllib.loads(project.read_text())["project"]["name"] for project in PROJECTS}
PYTHONS = ("3.11.0", "3.11.14", "3.12.12", "3.13.9")
PEBBLE = CHECKOUT / "tests/pebble/go"
PLATFORMS = ("linux", "darwin")


def entries(lock: Path) -> list[tuple[Requirement, list[str]]]:
    """Return each requirement of a lock file with its hashes."""
    lines = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", "").splitlines()
    return [(Requirement(line.partition(" --hash=")[0]), re.findall(r"--hash=(\S+)", line)) for line in lines]


def versions(lock: Path, python: str, platform: str) -> dict[str, Version]:
    """Return what pip installs there."""
    environment = {"python_full_version": python, "python_version": python[:4], "sys_platform": platform}
    return {
        canonicalize_name(needed.name): Version(str(needed.specifier).removeprefix("=="))
        for needed, _ in entries(lock)
        if needed.marker is None or needed.marker.evaluate(environment)
    }


def written_by_hand(path: Path) -> list[Requirement]:
    """Return what an `.in` file asks for, and the files that it includes."""
    wanted: list[Requirement] = []
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            wanted += written_by_hand(path.parent / text[3:])
        elif text:
            wanted.append(Requirement(text))
    return wanted


def asked_for(project: Path) -> list[Requirement]:
    """Return what a distribution needs to be built and to run, with the extra `cli`, from elsewhere."""
    settings = tomllib.loads(project.read_text())
    extra = settings["project"].get("optional-dependencies", {}).get("cli", [])
    texts = [*settings["build-system"]["requires"], *settings["project"].get("dependencies", []), *extra]
    return [needed for text in texts if (needed := Requirement(text)).name not in OURS]


def missing(wanted: list[Requirement], locked: dict[str, Version]) -> list[str]:
    """Return those that no locked version satisfies."""
    found = {each: locked.get(canonicalize_name(each.name)) for each in wanted}
    return [str(each) for each, version in found.items() if version is None or version not in each.specifier]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_each_entry_has_one_version_and_the_hashes_of_its_files(lock: Path):
    assert entries(lock)
    for needed, hashes in entries(lock):
        assert re.fullmatch(r"==[0-9][^*,]*", str(needed.specifier)), needed
        assert hashes, needed
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), needed


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_place_is_named(lock: Path):
    # Neither a registry nor a folder of who locked: both are the business of who installs.
    assert not re.search(r"://|^-|--(index|find)|file:", lock.read_text(), re.MULTILINE)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.parent.name)
def test_what_a_distribution_asks_for_is_locked(project: Path):
    for python, platform in itertools.product(PYTHONS, PLATFORMS):
        locked = versions(CHECKOUT / "tools/dev-requirements.txt", python, platform)
        assert missing(asked_for(project), locked) == [], "make lock"


@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if lock.with_suffix(".in").exists()], ids=lambda path: path.name
)
def test_what_was_written_by_hand_is_locked(lock: Path):
    locked = versions(lock, PYTHONS[0], PLATFORMS[0])
    wanted = written_by_hand(lock.with_suffix(".in"))
    assert wanted
    assert missing(wanted, locked) == [], "make lock"


def test_each_module_that_pebble_is_built_from_is_locked():
    modules = re.findall(r"^\t(\S+) v(\S+) // indirect$", (PEBBLE / "go.mod").read_text(), re.MULTILINE)
    hashes = (PEBBLE / "go.sum").read_text().splitlines()
    assert "github.com/letsencrypt/pebble/v2" in dict(modules)
    for module, version in modules:
        assert any(re.fullmatch(rf"{module} v{version} h1:[A-Za-z0-9+/]{{43}}=", line) for line in hashes), module


def test_the_demo_runs_on_versions_that_are_tested():
    for python in PYTHONS:
        demo, tested = (
            versions(CHECKOUT / f"tools/{name}-requirements.txt", python, "linux") for name in ("demo", "dev")
        )
        assert demo.items() <= tested.items()


@pytest.mark.parametrize("target", [".dev", ".demo"])
def test_make_installs_nothing_that_is_not_locked(target: str, tmp_path: Path):
    command = [
        "make",
        "--dry-run",
        "--always-make",
        f"VENV={tmp_path}",
        f"PYTHON={sys.executable}",
        f"{tmp_path}/{target}",
    ]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    plan = subprocess.run(
        command, cwd=CHECKOUT, env=alone, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    installs = [line for line in plan.replace("\\\n", " ").splitlines() if re.search(r"-m pip .* install ", line)]
    uv, files, checkout = installs
    assert "/uv-requirements.txt" in uv
    assert all(" --require-hashes " in line for line in (uv, files))
    assert checkout.count(" install ") == checkout.count(" --no-deps --no-build-isolation ")
