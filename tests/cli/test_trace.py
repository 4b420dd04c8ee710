"""`--trace FILE` writes the timeline of what the command did, however that went."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from acmez_testkit import Problem

from .conftest import Command, Home

ONE = """
[[certificate]]
names = ["example.test", "www.example.test"]
directory = "certs/example.test"
"""


def labels(file: Path) -> set[str]:
    return {event["name"] for event in json.loads(file.read_text())["traceEvents"]}


def test_a_page(acmez: Command, home: Home):
    file = home.path / "trace.html"
    done = acmez("obtain", "--config", home.configure(ONE), "--trace", file, "--quiet")
    assert (done.code, done.err) == (0, "")
    text = file.read_text()
    assert text.startswith("<!doctype html>")
    assert "www.example.test" in text


def test_json_for_perfetto(acmez: Command, home: Home):
    file = home.path / "trace.json"
    assert acmez("obtain", "--config", home.configure(ONE), "--trace", file).code == 0
    assert {"newAccount", "newOrder", "present http-01", "proved", "issued"} <= labels(file)


def test_what_failed_is_written_too(acmez: Command, home: Home):
    home.ca.faults.add("new-order", Problem("rejectedIdentifier", "not here", 403))
    file = home.path / "trace.json"
    assert acmez("obtain", "--config", home.configure(ONE), "--trace", file).code == 1
    assert "newOrder" in labels(file)
    assert "not here" in file.read_text()


def test_what_is_resumed(acmez: Command, home: Home):
    once = "retry = { use = 'default', options.attempts = 1 }"
    config = home.configure(ONE, more=f'journal = "acmez.journal"\n{once}')
    home.ca.faults.add("finalize", Problem("serverInternal", "down", 500), times=None)
    assert acmez("obtain", "--config", config, "--quiet").code == 1
    home.ca.faults.clear()
    file = home.path / "trace.json"
    assert acmez("resume", "--config", config, "--trace", file).code == 0
    assert {"order goes on", "issued"} <= labels(file)


@pytest.mark.parametrize("home", [{"validation_delay": 30.0}], indirect=True)
def test_what_was_interrupted(home: Home):
    file = home.path / "trace.json"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "acmez",
        "obtain",
        "--config",
        home.configure(ONE),
        "--trace",
        file,
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"challenge-answered"' in line:
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
    assert process.returncode == 130
    assert {"ordered", "present http-01", "cleaned up"} <= labels(file)


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_sent(acmez: Command, home: Home):
    file = home.path / "nowhere" / "trace.html"
    done = acmez("obtain", "--config", home.configure(ONE), "--trace", file)
    assert done.code == 2
    assert f"--trace: '{file}': No such file or directory" in done.err
    assert home.ca.requests == []
