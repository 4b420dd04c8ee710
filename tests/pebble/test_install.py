"""Pebble is taken from PATH if new enough, and a build that failed is not tried again at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pebble.install import Binaries, UnavailableError, find_on_path, find_or_build, version_of


def install_script(path: Path, output: str) -> Path:
    path.write_text(f"#!/bin/sh\n{output}\n")
    path.chmod(0o755)
    return path


def install_both(directory: Path, output: str) -> dict[str, str]:
    for name in ("pebble", "pebble-challtestsrv"):
        install_script(directory / name, output)
    return {"PATH": str(directory)}


def test_version_is_read_from_the_modules_record(pebble_binaries: Binaries):
    assert version_of(pebble_binaries.pebble) >= (2, 10)


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("echo 'Pebble version: v2.10.3'", (2, 10, 3)),
        ("echo 'Pebble version: dev'", (0,)),
        ("echo 'flag provided but not defined: -version' >&2; exit 2", (0,)),
    ],
)
def test_version_is_asked_from_a_program_without_such_a_record(tmp_path: Path, output: str, version: tuple[int, ...]):
    assert version_of(install_script(tmp_path / "pebble", output)) == version


def test_a_new_pebble_on_path_is_taken(tmp_path: Path):
    environ = install_both(tmp_path, "echo 'Pebble version: 2.10.0'")
    assert find_or_build(environ) == Binaries.in_directory(tmp_path)


def test_an_old_pebble_on_path_is_left_alone(tmp_path: Path):
    assert find_on_path(install_both(tmp_path, "echo 'Pebble version: 2.4.0'")) is None


def test_pebble_without_its_dns_server_is_left_alone(tmp_path: Path):
    install_script(tmp_path / "pebble", "echo 'Pebble version: 2.10.0'")
    assert find_on_path({"PATH": str(tmp_path)}) is None


def test_a_failed_build_says_why_and_is_not_repeated(tmp_path: Path):
    tries = tmp_path / "tries"
    asked = 'if [ "$1" = version ]; then echo "go version go1.99 test"; exit; fi'
    go = f"{asked}; echo x >> {tries}; echo no network >&2; exit 1"
    install_script(tmp_path / "go", go)
    environ = {"PATH": str(tmp_path), "ACMEZ_PEBBLE_CACHE": str(tmp_path / "cache")}
    for _ in range(2):
        with pytest.raises(UnavailableError, match="go failed: no network"):
            find_or_build(environ)
    assert tries.read_text() == "x\n"
    with pytest.raises(UnavailableError, match="no network"):
        find_or_build(environ, retry=True)
    assert tries.read_text() == "x\nx\n"
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []
