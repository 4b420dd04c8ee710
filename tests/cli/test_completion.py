"""Shells complete the command, and names that only it knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Command, Home
from .test_obtain import ONE


def completed(line: str) -> list[str]:
    """Return what click tells bash for the last word of a line."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_ACMEZ_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "from acmez.cli.app import cli; cli.main(prog_name='acmez', complete_var='_ACMEZ_COMPLETE')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [item.partition(",")[2] for item in done.stdout.splitlines() if item]


def test_commands_and_options():
    assert completed("acmez re") == ["resume", "renewal-info", "revoke", "register"]
    assert {"--config", "--json", "--quiet", "--timeout"} <= set(completed("acmez obtain --"))
    assert completed("acmez completion ") == ["bash", "zsh", "fish"]


def test_components_and_providers():
    assert completed("acmez options http-w") == ["http-webroot"]
    assert "cloudflare" in completed("acmez providers cloud")


def test_components_that_the_configuration_brings(home: Home):
    (home.path / "house.py").write_text(
        "from acmez_http_standalone import StandaloneSolver\n"
        "from acmez.hookspecs import hookimpl\n"
        "class House(StandaloneSolver):\n    name = 'http-house'\n"
        "@hookimpl\ndef acmez_solvers(): return [House]\n"
    )
    file = home.configure(ONE, more='plugins = ["./house.py"]')
    assert completed(f"acmez options -c {file} http-h") == ["http-house"]
    file.write_text("broken [")
    assert completed(f"acmez options -c {file} http-h") == []


def test_certificates_that_were_written(acmez: Command, home: Home):
    file = home.configure(ONE)
    assert completed(f"acmez revoke -c {file} ") == [""]  # and the shell adds files
    assert acmez("obtain", "-c", file, "--quiet").code == 0
    assert completed(f"acmez revoke -c {file} ") == [str(home.path / "certs/example.test/cert.pem")]


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_scripts_are_good_for_their_shells(acmez: Command, tmp_path: Path, shell: str, check: list[str]):
    script = acmez("completion", shell).out
    assert "_ACMEZ_COMPLETE" in script
    file = tmp_path / "script"
    file.write_text(script)
    if shell == "bash" or shutil.which(shell):  # the others are not everywhere
        subprocess.run([shell, *check, file], check=True, timeout=10)


def test_a_real_bash_completes(tmp_path: Path, acmez: Command):
    (tmp_path / "acmez").write_text(f'#!/bin/sh\nexec {sys.executable} -m acmez.cli "$@"\n')
    (tmp_path / "acmez").chmod(0o755)
    (tmp_path / "script").write_text(acmez("completion", "bash").out)
    program = f"""
        PATH={tmp_path}:$PATH
        source {tmp_path}/script
        COMP_WORDS=(acmez ren) COMP_CWORD=1
        _acmez_completion acmez ren acmez
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert (done.stdout, done.stderr) == ("renewal-info\n", "")
