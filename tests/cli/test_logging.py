"""What the command writes to standard error of what the library logs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acmez.logs import log

from .conftest import Command, Home

ONE = """
[[certificate]]
names = ["www.example.test"]
directory = "certs"
"""
SOLVER = """
from acmez import hookimpl

class Broken:
    name = "broken"
    challenge_type = "http-01"

    def present(self, challenge, scope):
        return None

    def clean_up(self, challenge, handle, scope):
        raise OSError("the disk is full")

@hookimpl
def acmez_solvers():
    yield Broken
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Nothing stays behind of what a command adds."""
    before = list(log.handlers)
    yield
    assert log.handlers == before


def test_verbose_shows_every_event(home: Home):
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "acmez",
        "-v",
        "obtain",
        "--quiet",
        "--config",
        home.configure(ONE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [re.sub(r"^[-\d]+ [:,\d]+ | \(order .*\)$", "", line) for line in done.stderr.splitlines()]
    assert "INFO acmez: www.example.test: proved" in lines
    assert any(
        re.match(r"DEBUG acmez: www.example.test: challenge: HTTP 200 after 0\.\d+ s: POST", line) for line in lines
    )
    assert any(re.match(r"INFO acmez: www.example.test: obtained after \d", line) for line in lines)


def test_without_it_there_is_nothing_that_was_not_told_already(acmez: Command, home: Home, elsewhere: int):
    config = home.configure(ONE).read_text().replace(str(home.port), str(elsewhere))
    (home.path / "wrong.toml").write_text(config)
    done = acmez("obtain", "--quiet", "--config", home.path / "wrong.toml")
    assert done.code == 1
    assert done.err.count("www.example.test: validate by http-01 with 'web': ") == 1
    assert "failed to validate" not in done.err


def test_what_was_not_cleaned_up_is_told_even_to_those_who_want_quiet(acmez: Command, home: Home):
    (home.path / "broken.py").write_text(SOLVER)
    config = home.configure(ONE, more='plugins = ["./broken.py"]').read_text()
    (home.path / "broken.toml").write_text(re.sub(r"options = \{.*\}", "", config.replace("http-standalone", "broken")))
    done = acmez("obtain", "--quiet", "--config", home.path / "broken.toml")
    assert "www.example.test: could not be cleaned up: the disk is full\n" in done.err


def test_a_plugin_that_is_blocked_is_told(acmez: Command, home: Home):
    (home.path / "broken.py").write_text(SOLVER)
    config: Path = home.configure(ONE, more='plugins = ["./broken.py"]\nblock = ["./broken.py"]')
    assert "plugin './broken.py' is blocked in this configuration" in acmez("check", config).err
