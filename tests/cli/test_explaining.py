"""`acmez explain`, and how a message leads there."""

from __future__ import annotations

import re

import pytest

from acmez import explanations
from tests.cli.conftest import Command, Home


def test_an_error_ends_with_the_page_that_explains_it(acmez: Command, home: Home):
    assert acmez("check", home.path / "nowhere.toml").pages == ("ConfigError",)
    file = home.configure('[[certificate]]\nnames = ["http://example.com"]\nprofil = "x"')
    done = acmez("check", file)
    assert len(done.err.splitlines()) == 2
    assert done.pages == ("ConfigError",)
    done = acmez("explain", done.pages[0])
    assert (done.code, done.out, done.err) == (0, explanations.text("ConfigError"), "")


def test_an_error_of_the_system_has_none(acmez: Command, home: Home, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("acmez.schema.config_schema", full)
    done = acmez("schema")
    assert (done.err, done.pages) == ("error: [Errno 28] No space left on device\n", ())


def test_all_errors_are_listed_with_their_meaning(acmez: Command):
    header, *rows = acmez("explain").out.splitlines()
    assert header.split() == ["error", "meaning"]
    assert [row.split()[0] for row in rows] == explanations.names()
    assert [row.split(maxsplit=1)[1].strip() for row in rows if row.startswith("RateLimited ")] == [
        "The CA has had enough for now."
    ]


def test_an_unknown_error_is_wrong_use(acmez: Command):
    done = acmez("explain", "ConfigErr")
    assert done.code == 2
    assert "unknown error 'ConfigErr' (did you mean 'ConfigError'?)" in done.err


def test_a_terminal_gets_it_rendered(acmez: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    out = re.sub(r"\x1b\[[\d;]*m", "", acmez("explain", "RateLimited").out)
    assert "# RateLimited" not in out
    assert max(map(len, out.splitlines())) <= 100
    assert "When it happens" in out
