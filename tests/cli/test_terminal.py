"""What a person sees: live progress in a terminal, Ctrl-C, and lines for programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from acmez_testkit import Delay
from rich.cells import cell_len

from acmez import events
from acmez.cli.json_lines import RESULTS

from .conftest import Home
from .terminal import Terminal

LONG = f"{'a-very-long-label-' * 3}x.{'another-long-label-' * 3}x.{'b' * 60}.example.test"
UNICODE = ("bücher.example", "日本語の名前.example", "παράδειγμα.example")
HUNDRED = (LONG, *UNICODE, *(f"host{number:02}.example.test" for number in range(96)))

SPINNER = "[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]"
HEADLINE = re.compile(rf"{SPINNER} (\d+) of 100 names proved( +[━─]+)?(  [\d.]+ names/s  (\d+|\d\.\d) s left)?")
STATES = re.compile(
    r"  (\d+ (done|proved|failed|CA looks|visible|presented|ordered|waiting|certificate being issued)( {2}|$))+"
)
ROW = re.compile(
    rf"  {SPINNER} +([\d.]+) s  \S+ +(ordered|the CA offers|http-01 presented by web|the CA looks at http-01).*"
)


def slow(home: Home, names: tuple[str, ...]) -> Path:
    """Configure a certificate from a CA that takes its time."""
    home.ca.faults.add("authz", Delay(0.02), times=None)
    home.ca.faults.add("challenge", Delay(0.08), times=None)
    return home.configure(f'[[certificate]]\nnames = {json.dumps(names)}\ndirectory = "certs"\n')


def check_frame(lines: list[str], width: int) -> Counter[str]:
    """Check that there is nothing on the screen but progress, and return how many names are in which state."""
    headline, states, *rows = lines
    assert HEADLINE.fullmatch(headline), lines
    assert STATES.fullmatch(states), lines
    assert all(cell_len(line) < width for line in lines), lines
    counts = Counter({label: int(count) for count, label in re.findall(r"(\d+) ([a-zA-Z ]+?)(?: {2}|$)", states)})
    del counts["certificate being issued"]
    assert counts.total() == 100
    assert int(headline.split()[1]) == counts["proved"] + counts["done"]
    if rows:
        assert rows[0] == "  the slowest:"
        told = [ROW.fullmatch(row) for row in rows[1:]]
        assert all(told), lines
        assert 1 <= len(told) <= 8
    return counts


@pytest.mark.parametrize("home", [{"validation_delay": 0.3}], indirect=True)
@pytest.mark.parametrize("width", [80, 120])
def test_a_hundred_names_are_shown_as_they_move(home: Home, width: int):
    slow(home, HUNDRED)
    seen: list[Counter[str]] = []
    shown: set[str] = set()
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml"], width=width) as terminal:
        for lines in terminal.screens():
            frame = [line for line in lines if not line.endswith(" UTC") and "certificate obtained" not in line]
            if frame and "looking for the account" not in frame[0]:
                seen.append(check_frame(frame, width))
                shown.update(frame)
        last = terminal.screen(joined=True)
    assert any(counts["presented"] and counts["CA looks"] for counts in seen)
    assert max(counts["CA looks"] for counts in seen) > 50
    assert any("names/s" in line and "left" in line for line in shown)
    assert last[0].startswith(f"{home.path}/certs: valid until ")
    assert re.fullmatch(r"1 certificate obtained, in [\d.]+ s", last[1])
    assert last[2:] == ["exit code 0"]


@pytest.mark.parametrize("home", [{"validation_delay": 0.3}], indirect=True)
@pytest.mark.parametrize("width", [80, 120])
def test_names_that_are_long_or_wide_are_cut_to_the_window(home: Home, width: int):
    names = (LONG, *UNICODE)
    slow(home, names)
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml"], width=width) as terminal:
        lines = terminal.until("the CA looks at http-01")
        terminal.until("exit code 0")
    rows = lines[2:]
    assert len(rows) == 4
    assert all(cell_len(line) < width for line in lines)
    for name, row in zip(names, rows, strict=True):
        assert name in row or row.split("s  ")[1].startswith(f"{name[:20]}")
    assert "…" in rows[0]
    # All states stand below each other, however many columns the letters before take.
    assert len({cell_len(re.split("  (?=the CA|http|ordered)", row)[0]) for row in rows}) == 1


@pytest.mark.parametrize("home", [{"validation_delay": 1.0}], indirect=True)
def test_a_window_that_is_resized_meanwhile(home: Home):
    slow(home, HUNDRED)
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml"], width=120) as terminal:
        terminal.until("[1-9][0-9] CA looks")
        terminal.resize(80, 20)
        terminal.until(r"^.{0,77} left$")
        check_frame(terminal.screen(), 80)
        terminal.resize(100, 24)
        terminal.until("exit code 0")
        last = terminal.screen(joined=True)
    assert len(last) == 3
    assert last[0].startswith(f"{home.path}/certs: valid until ")


@pytest.mark.parametrize("home", [{"hosts": {"bad.example.test": "127.0.0.2"}, "validation_delay": 0.3}], indirect=True)
def test_certificates_and_failures_stay_above_the_progress(home: Home):
    home.ca.faults.add("challenge", Delay(0.2), times=None)
    tables = [
        f'[[certificate]]\nnames = ["{name}.example.test"]\ndirectory = "{name}"\n'
        for name in ("a", "b", "bad", *(f"more{number}" for number in range(12)))
    ]
    home.configure("".join(tables))
    headlines: set[str] = set()
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml"], width=80) as terminal:
        for lines in terminal.screens():
            headlines.update(line for line in lines if "certificates, " in line)
        last = terminal.screen(joined=True)
    assert any(re.match(rf"{SPINNER} \d+ of 15 certificates, \d+ of 15 names proved", line) for line in headlines)
    assert sum(": valid until " in line for line in last) == 14
    failure = next(index for index, line in enumerate(last) if line.startswith("error: bad.example.test: "))
    assert "cannot connect to 127.0.0.2" in last[failure]
    assert re.fullmatch(r"14 certificates obtained, 1 failed, in [\d.]+ s", last[-2])
    assert last[-1] == "exit code 1"
    assert len(last) == 14 + 3 + 2  # with a hint, and a page


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.mark.parametrize("home", [{"validation_delay": 30.0}], indirect=True)
def test_ctrl_c_cleans_up_and_says_what_was_left(home: Home):
    webroot = home.path / "webroot"
    webroot.mkdir()
    file = slow(home, HUNDRED[:40])
    text = file.read_text().replace("http-standalone", "http-webroot")
    file.write_text(re.sub(r"options = {.*}", f'options = {{ path = "{webroot}" }}', text))
    with ThreadingHTTPServer(("127.0.0.1", home.port), partial(Quiet, directory=str(webroot))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with Terminal.running(home.path, ["obtain", "-c", "acmez.toml"], width=80) as terminal:
            terminal.until("[1-9][0-9] CA looks")
            assert list(webroot.rglob(".well-known/acme-challenge/*"))
            home.ca.faults.clear()
            home.ca.faults.add("authz", Delay(0.15), times=None)
            terminal.press("C-c")
            terminal.until(f"^{SPINNER} stopping")
            terminal.until("exit code")
            last = terminal.screen(joined=True)
        server.shutdown()
    assert last == [
        "error: interrupted by SIGINT",
        "  everything presented was cleaned up",
        f"  not obtained: {LONG} and 39 more",
        "  start again with: acmez obtain --config acmez.toml",
        "exit code 130",
    ]
    assert list(webroot.iterdir()) == []
    for authorization in home.ca.authorizations:
        processing = any(challenge.status == "processing" for challenge in authorization.challenges)
        assert authorization.status == ("pending" if processing else "deactivated")


@pytest.mark.parametrize("home", [{"validation_delay": 30.0}], indirect=True)
def test_a_second_ctrl_c_ends_at_once(home: Home):
    slow(home, HUNDRED[:10])
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml"], width=80) as terminal:
        terminal.until("[1-9][0-9]* CA looks")
        home.ca.faults.clear()
        home.ca.faults.add("authz", Delay(3600.0), times=None)
        terminal.press("C-c")
        terminal.until(f"^{SPINNER} stopping")
        terminal.press("C-c")
        terminal.until("exit code 130")
        assert terminal.screen()[-2:] == ["ended at once: answers may be left behind", "exit code 130"]


CLASSES = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, events.Event)]
KINDS = {kind.name: kind for kind in CLASSES if hasattr(kind, "name")}


def test_lines_of_json_are_read_back_into_events(home: Home):
    slow(home, HUNDRED[:20])
    with Terminal.running(home.path, ["obtain", "-c", "acmez.toml", "--json", ">lines"], width=80) as terminal:
        assert terminal.until("exit code") == ["exit code 0"]
    lines = [json.loads(line) for line in (home.path / "lines").read_text().splitlines()]
    seen: list[events.Event] = []
    results: dict[str, dict[str, object]] = {}
    for line in lines:
        assert line.pop("time").endswith("+00:00")
        name = line.pop("event")
        if name in RESULTS:
            assert line.keys() == RESULTS[name].keys()
            results[name] = line
        else:
            assert line.keys() == {field.name for field in fields(KINDS[name])} - {"at"}
            seen.append(KINDS[name](**line))
    counts = Counter(type(event) for event in seen)
    of_names = (events.AuthorizationFetched, events.ChallengePresented, events.ChallengeAnswered)
    assert {counts[kind] for kind in (*of_names, events.AuthorizationValid, events.ChallengeCleanedUp)} == {20}
    assert counts[events.OrderCreated] == counts[events.CertificateIssued] == 1
    (written,) = (event for event in seen if isinstance(event, events.CertificateWritten))
    assert len(written.names) == 20
    assert results["finished"].pop("seconds")
    assert results["finished"] == {"written": 1, "failed": 0, "unfinished": 0, "left": [], "error": None}
