"""`acmez obtain` writes the certificates of a configuration, and tells how it went."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from acmez_testkit import Problem
from cryptography import x509

from .conftest import Command, Home

ONE = """
[[certificate]]
names = ["example.test", "www.example.test"]
directory = "certs/example.test"
"""
TWO = f"""
{ONE}
[[certificate]]
names = ["refused.test"]
directory = "certs/refused.test"
"""


def names_in(path: Path) -> set[str]:
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    return set(
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    )


def test_it_registers_obtains_and_writes(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(ONE))
    assert done.code == 0, done.err
    directory = home.path / "certs/example.test"
    assert names_in(directory / "cert.pem") == {"example.test", "www.example.test"}
    assert {path.name for path in directory.iterdir()} == {"cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"}
    assert done.out.startswith(f"{directory}: valid until ")
    for name in ("example.test", "www.example.test"):
        told = [line.removeprefix(f"{name}: ") for line in done.err.splitlines() if line.startswith(f"{name}: ")]
        assert told[0].startswith("the CA offers ")
        assert told[1:] == ["http-01 presented by web", "the CA looks at http-01", "proved"]


def test_a_second_time_it_is_the_same_account(acmez: Command, home: Home):
    config = home.configure(ONE)
    first = acmez("register", "--config", config)
    assert acmez("obtain", "--config", config).code == 0
    assert acmez("register", "--config", config).out == first.out
    assert first.out.startswith(home.ca.directory_url.rsplit("/", 1)[0])


def test_quiet(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(ONE), "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_json_lines(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(ONE), "--json")
    assert (done.code, done.err) == (0, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds[-2:] == ["certificate-written", "finished"]
    assert lines[-2]["directory"] == str(home.path / "certs/example.test")
    assert {"account-ready", "order-created", "challenge-presented", "order-finalized", "certificate-issued"} <= set(
        kinds
    )
    request = next(line for line in lines if line["event"] == "request-finished")
    assert request["exchange"]["operation"] == "directory"
    assert all("time" in line for line in lines)


def test_quiet_json_is_neither(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(ONE), "--quiet", "--json")
    assert (done.code, done.err.splitlines()[-1]) == (2, "Error: --quiet and --json exclude each other")


@pytest.mark.parametrize("home", [{"rejected_names": frozenset({"refused.test"})}], indirect=True)
def test_one_that_fails_does_not_keep_the_others_from_being_obtained(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(TWO))
    assert done.code == 1
    assert names_in(home.path / "certs/example.test/cert.pem") == {"example.test", "www.example.test"}
    assert not (home.path / "certs/refused.test/cert.pem").exists()
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: refused.test: ")
    assert "Traceback" not in done.err


LIMITED = Problem("rateLimited", "too many", status=429, headers={"Retry-After": "7200"})


def test_a_rate_limit_is_told_with_the_time_to_come_back(acmez: Command, home: Home):
    home.ca.faults.add("new-order", LIMITED)
    before = datetime.now(UTC)
    done = acmez("obtain", "--config", home.configure(ONE), "--quiet")
    assert (done.code, done.out) == (75, "")
    error, hint = done.err.splitlines()
    assert error.startswith("error: example.test and 1 more: ")
    assert error.endswith("rateLimited: too many")
    told = datetime.strptime(hint, "  try again after %Y-%m-%d %H:%M:%S %Z").replace(tzinfo=UTC)
    assert timedelta(seconds=7199) <= told - before.replace(microsecond=0) <= timedelta(seconds=7260)


def test_a_rate_limit_as_json(acmez: Command, home: Home):
    home.ca.faults.add("new-order", LIMITED)
    done = acmez("obtain", "--config", home.configure(ONE), "--json")
    last = json.loads(done.out.splitlines()[-2])
    assert (done.code, last["event"], last["names"]) == (75, "certificate-failed", ["example.test", "www.example.test"])
    assert datetime.fromisoformat(last["not_before"]) > datetime.now(UTC)


def test_a_failure_outweighs_a_rate_limit(acmez: Command, home: Home):
    home.ca.faults.add("new-order", LIMITED)
    home.ca.faults.add("new-order", Problem("rejectedIdentifier", status=400))
    assert acmez("obtain", "--config", home.configure(TWO), "--quiet").code == 1


def test_an_answer_that_is_wrong_is_told_by_name(acmez: Command, home: Home, elsewhere: int):
    file = home.configure(ONE)
    file.write_text(file.read_text().replace(f"port = {home.port}", f"port = {elsewhere}"))
    done = acmez("obtain", "--config", file)
    assert done.code == 1
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in errors] == ["example.test", "www.example.test"]
    assert any(line.startswith("example.test: failed to validate: ") for line in done.err.splitlines())


def test_a_configuration_that_is_wrong(acmez: Command, home: Home):
    file = home.configure(ONE.replace("example.test", "exa mple.test"), more="parallelism = 0")
    done = acmez("obtain", "--config", file)
    assert done.code == 2
    lines = done.err.splitlines()
    assert lines[0] == "error: parallelism: expected at least 1, got 0"
    assert lines[1].startswith("error: certificate[0].names: 'exa mple.test'")
    assert not home.ca.requests


def test_nothing_to_obtain(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(""))
    assert (done.code, done.err) == (2, "error: certificate: nothing to obtain (write a [[certificate]] table)\n")


def test_nowhere_to_write_to(acmez: Command, home: Home):
    (home.path / "file").touch()
    tables = '[[certificate]]\nnames = ["a.test"]\n[[certificate]]\nnames = ["b.test"]\ndirectory = "file/b"\n'
    done = acmez("obtain", "--config", home.configure(tables))
    assert done.code == 2
    assert done.err.splitlines() == [
        "error: certificate[0].directory: required, to write the files to (a path)",
        f"error: certificate[1].directory: '{home.path}/file/b': Not a directory",
    ]


def test_no_configuration(acmez: Command, tmp_path: Path):
    done = acmez("obtain")
    assert (done.code, done.err.splitlines()[-1]) == (2, "Error: Missing option '-c' / '--config'.")
    done = acmez("obtain", "-c", tmp_path / "nope.toml")
    assert (done.code, done.err) == (2, f"error: {tmp_path}/nope.toml: cannot be read: No such file or directory\n")


def test_a_ca_that_is_not_there(acmez: Command, home: Home, elsewhere: int):
    file = home.configure(ONE, more="retry = { use = 'default', options.attempts = 1 }")
    nobody = f"https://localhost:{elsewhere}/directory"
    file.write_text(file.read_text().replace(home.ca.directory_url, nobody))
    done = acmez("obtain", "--config", file)
    assert done.code == 1
    assert done.err.startswith(f"error: GET {nobody}: ")


@pytest.mark.parametrize("home", [{"validation_delay": 30.0}], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_cleans_up_and_says_so(home: Home, number: signal.Signals):
    file = home.configure(ONE)
    command = [sys.executable, "-m", "acmez.cli", "obtain", "--config", str(file), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen: list[str] = []
        for line in process.stdout:
            seen.append(json.loads(line)["event"])
            if seen[-1] == "challenge-answered":
                process.send_signal(number)
                break
        rest, errors = process.communicate(timeout=30)
    seen += [json.loads(line)["event"] for line in rest.splitlines()]
    assert process.returncode == 128 + number
    assert seen.count("challenge-cleaned-up") == seen.count("challenge-presented") > 0
    assert json.loads(rest.splitlines()[-1])["error"] == f"interrupted by {number.name}"
    assert errors.splitlines() == [
        f"error: interrupted by {number.name}",
        "  everything presented was cleaned up",
        "  not obtained: example.test and 1 more",
        f"  start again with: acmez obtain --config {file}",
    ]


STUBBORN = """
from acmez_http_standalone import StandaloneSolver
from acmez.hookspecs import hookimpl

class Stubborn(StandaloneSolver):
    name = "stubborn"

    def clean_up(self, challenge, handle, scope):
        super().clean_up(challenge, handle, scope)
        raise OSError("the disk is on fire")

@hookimpl
def acmez_solvers():
    return [Stubborn]
"""


@pytest.mark.parametrize("home", [{"validation_delay": 30.0}], indirect=True)
def test_interrupted_it_says_what_was_left(home: Home):
    (home.path / "stubborn.py").write_text(STUBBORN)
    file = home.configure(ONE, more='journal = "acmez.journal"\nplugins = ["./stubborn.py"]')
    file.write_text(file.read_text().replace('use = "http-standalone"', 'use = "stubborn"'))
    command = [sys.executable, "-m", "acmez.cli", "obtain", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith("the CA looks at http-01\n"):
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    last = errors[errors.index("error:") :].splitlines()
    assert last[0] == "error: interrupted by SIGINT"
    assert sorted(last[1:3]) == [
        f"  left behind: {name}: http-01 by web: the disk is on fire" for name in ("example.test", "www.example.test")
    ]
    assert last[3:] == [
        f"  clean up with: acmez sweep --config {file}",
        "  not obtained: example.test and 1 more",
        f"  go on with: acmez obtain --config {file}",
    ]


@pytest.mark.parametrize("home", [{"validation_delay": 30.0}], indirect=True)
def test_a_timeout(acmez: Command, home: Home):
    done = acmez("obtain", "--config", home.configure(ONE), "--timeout", "0.5")
    assert done.code == 1
    assert "deadline exceeded" in done.err


@pytest.mark.parametrize("home", [{"validation_delay": 0.5}], indirect=True)
def test_on_a_terminal_the_names_are_shown_as_they_change(home: Home):
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "acmez.cli", "obtain", "--config", str(home.configure(ONE))]
    with subprocess.Popen(command, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
    os.close(leader)
    text = shown.decode()
    assert process.returncode == 0, text
    assert "www.example.test" in text
    assert "the CA looks at http-01" in text
    assert "certs/example.test: valid until" in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""
