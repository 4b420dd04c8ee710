"""The man page says what the command does, in good roff."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from acmez.cli.app import EXIT_CODES, cli
from acmez.cli.manual import manual

PAGE = Path(__file__).parents[2] / "man/acmez.1"

needs_man = pytest.mark.skipif(not (shutil.which("man") and shutil.which("groff")), reason="man and groff are needed")


def test_the_page_is_what_the_commands_say():
    assert PAGE.read_text() == manual(), "python -m acmez.cli.manual > man/acmez.1"


@pytest.mark.parametrize(
    "check", [["groff", "-man", "-ww", "-Tutf8", "-z"], ["man", "--warnings", "-E", "UTF-8", "-l"]]
)
def test_roff_has_nothing_to_say_against_it(check: list[str]):
    done = subprocess.run([*check, PAGE], check=True, capture_output=True, text=True, timeout=20)
    assert done.stderr == ""


@needs_man
def test_it_reads_well():
    shown = subprocess.run(
        ["man", "-E", "UTF-8", "-l", PAGE],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""},
    ).stdout
    text = " ".join(shown.split())
    context = click.Context(cli)
    for name in cli.list_commands(context):
        assert f"acmez {name} " in text
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}." in text
    assert "certificate-written" in text
    assert "identifier, challenge_type, solver" in text
