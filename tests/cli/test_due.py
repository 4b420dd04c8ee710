"""`acmez obtain --due` obtains what is missing or due, and leaves the rest alone."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from acmez.acme.renewal import certificate_id
from tests.pebble.server import Pebble

from .conftest import Command, Home, configured_for
from .terminal import Terminal

TWO = """
[[certificate]]
names = ["example.test"]
directory = "certs/example.test"
[[certificate]]
names = ["other.test", "www.other.test"]
directory = "certs/other.test"
"""
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def leaf(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "cert.pem").read_bytes())


@pytest.fixture
def config(acmez: Command, home: Home) -> Path:
    """A configuration whose certificates are there."""
    file = home.configure(TWO)
    done = acmez("obtain", "--config", file, "--due", "--quiet")
    assert (done.code, len(home.ca.orders)) == (0, 2), done.err
    return file


def make_due(home: Home, certificate: x509.Certificate) -> None:
    home.ca.set_renewal_window(certificate_id(certificate), LONG_AGO, LONG_AGO + timedelta(days=1))


def test_when_nothing_is_due_nothing_is_done(acmez: Command, home: Home, config: Path):
    before = home.ca.requests
    done = acmez("obtain", "--config", config, "--due")
    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    day = leaf(home.path / "certs/example.test").not_valid_before_utc + timedelta(days=60)
    assert first.split(" before ")[0] == "example.test: not due"
    assert abs(datetime.fromisoformat(first.split()[4]).replace(tzinfo=UTC) - day) <= timedelta(days=3)
    assert first.endswith(" (the CA's window)")
    assert second.startswith("other.test and 1 more: not due before ")
    assert len(home.ca.orders) == 2
    assert {each.kind for each in home.ca.requests[len(before) :]} == {"directory", "renewal-info"}


def test_what_is_due_replaces_what_was_there(acmez: Command, home: Home, config: Path):
    directory = home.path / "certs/other.test"
    old, kept = leaf(directory), leaf(home.path / "certs/example.test")
    make_due(home, old)
    done = acmez("obtain", "--config", config, "--due")
    assert done.code == 0, done.err
    assert "1 certificate obtained" in done.err
    assert leaf(directory) != old
    assert leaf(home.path / "certs/example.test") == kept
    assert [order.replaces for order in home.ca.orders] == [None, None, certificate_id(old)]
    assert acmez("obtain", "--config", config, "--due", "--quiet").code == 0
    assert len(home.ca.orders) == 3


def test_what_is_missing_is_obtained(acmez: Command, home: Home, config: Path):
    (home.path / "certs/example.test/cert.pem").unlink()
    (home.path / "certs/example.test/privkey.pem").unlink()
    assert acmez("obtain", "--config", config, "--due", "--quiet").code == 0
    assert len(home.ca.orders) == 3
    assert leaf(home.path / "certs/example.test").not_valid_after_utc > datetime.now(UTC)


def test_other_names_are_another_certificate(acmez: Command, home: Home, config: Path):
    home.configure(TWO.replace('"www.other.test"', '"mail.other.test"'))
    assert acmez("obtain", "--config", config, "--due", "--quiet").code == 0
    assert len(home.ca.orders) == 3


@pytest.mark.parametrize("home", [{"renewal_info": False}], indirect=True)
def test_a_ca_that_does_not_say_when(acmez: Command, home: Home, config: Path):
    done = acmez("obtain", "--config", config, "--due")
    assert (done.code, len(home.ca.orders)) == (0, 2)
    assert done.out.splitlines()[0].endswith(" (two thirds of its lifetime)")


def test_for_programs_and_for_timers(acmez: Command, home: Home, config: Path):
    assert acmez("obtain", "--config", config, "--due", "--quiet") == acmez.outcomes[0]
    make_due(home, leaf(home.path / "certs/example.test"))
    done = acmez("obtain", "--config", config, "--due", "--json")
    lines = {line["event"]: line for line in map(json.loads, done.out.splitlines())}
    not_due = lines["certificate-not-due"]
    assert (not_due["names"], not_due["why"]) == (["other.test", "www.other.test"], "the CA's window")
    assert datetime.fromisoformat(not_due["not_before"]) > datetime.now(UTC)
    written = lines["certificate-written"]
    now = leaf(home.path / "certs/example.test")
    assert written["directory"] == str(home.path / "certs/example.test")
    assert (written["names"], written["serial"]) == (["example.test"], f"{now.serial_number:x}")
    assert datetime.fromisoformat(written["until"]) == now.not_valid_after_utc
    assert (lines["finished"]["written"], lines["finished"]["failed"]) == (1, 0)


def test_files_of_somebody_else_are_told_before_anything_is_sent(
    acmez: Command, home: Home, config: Path, monkeypatch: pytest.MonkeyPatch
):
    make_due(home, leaf(home.path / "certs/example.test"))
    mine = os.access  # which says yes to root whatever it is asked
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "privkey.pem" and mine(path, mode))
    before = len(home.ca.requests)
    done = acmez("obtain", "--config", config, "--due")
    assert done.code == 2
    assert f"certificate[0].directory: '{home.path}/certs/example.test/privkey.pem': cannot be read" in done.err
    assert len(home.ca.requests) == before


def test_on_a_terminal_what_is_not_due_stays(home: Home, config: Path):
    make_due(home, leaf(home.path / "certs/example.test"))
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml", "--due"], width=200) as terminal:
        terminal.until("exit code 0")
        told = terminal.screen()
    assert told[0].startswith("other.test and 1 more: not due before ")
    assert told[1].startswith(f"{home.path}/certs/example.test: valid until ")
    assert any(line.startswith("1 certificate obtained, in ") for line in told[2:])


def test_a_real_ca_takes_the_renewal(acmez: Command, tmp_path: Path, pebble: Pebble):
    certificate = f"""
        [solver.web]
        use = "http-standalone"
        options = {{ port = {pebble.http_port}, host = "127.0.0.1" }}
        [[certificate]]
        names = ["due.example.test"]
        directory = "certs"
    """
    config = configured_for(pebble, tmp_path, more=certificate)
    assert acmez("obtain", "--config", config, "--due", "--quiet").code == 0
    old = leaf(tmp_path / "certs")
    done = acmez("obtain", "--config", config, "--due")
    assert (done.code, leaf(tmp_path / "certs")) == (0, old)
    assert done.out.startswith("due.example.test: not due before ")
    window = {"start": "2024-01-01T00:00:00Z", "end": "2024-01-02T00:00:00Z"}
    pebble.set_renewal_info((tmp_path / "certs/cert.pem").read_text(), json.dumps({"suggestedWindow": window}))
    done = acmez("obtain", "--config", config, "--due", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert leaf(tmp_path / "certs") != old
