"""The command in this process, and a CA to talk to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from acmez_testkit import Behaviour, EmbeddedCA

from acmez.cli import main
from tests.pebble.ports import ReservedPorts
from tests.pebble.server import Pebble

_PAGE = re.compile(r"^  more: acmez explain (\w+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned.

    Attributes:
        err: without the lines that name pages.
        pages: that explain its errors.
    """

    code: int
    out: str
    err: str
    pages: tuple[str, ...] = ()


@dataclass
class Command:
    """Runs `acmez` in this process."""

    capture: pytest.CaptureFixture[str]
    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self, *arguments: str | Path) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = self.capture.readouterr()
        pages = tuple(_PAGE.findall(captured.err))
        self.outcomes.append(Outcome(code, captured.out, _PAGE.sub("", captured.err), pages))
        return self.outcomes[-1]


@pytest.fixture
def acmez(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return Command(capsys)


@dataclass
class Home:
    """A directory with a configuration for a CA on this machine."""

    path: Path
    ca: EmbeddedCA
    port: int

    def configure(self, certificates: str, *, more: str = "") -> Path:
        """Write the configuration and return its path."""
        (self.path / "root.pem").write_bytes(self.ca.trust_pem)
        file = self.path / "acmez.toml"
        file.write_text(
            f"""
            directory = "{self.ca.directory_url}"
            trust = "root.pem"
            {more}
            [account]
            contact = ["mailto:admin@example.test"]
            terms_of_service_agreed = true
            [account_key]
            use = "file"
            options.path = "account.pem"
            [solver.web]
            use = "http-standalone"
            options = {{ port = {self.port}, host = "127.0.0.1" }}
            {certificates}
            """
        )
        return file


def configured_for(pebble: Pebble, home: Path, *, more: str = "") -> Path:
    """Write and return the configuration of an account at Pebble."""
    config = home / "acmez.toml"
    config.write_text(
        f"""
        directory = "{pebble.directory_url}"
        trust = "{pebble.trust}"
        account = {{ contact = ["mailto:admin@example.com"], terms_of_service_agreed = true }}
        account_key = {{ use = "file", options.path = "account.pem" }}
        {more}
        """
    )
    return config


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """A port that nobody but the test has."""
    with ReservedPorts(1) as reserved:
        yield reserved.numbers[0]


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Home]:
    """A home for a CA that behaves as the test's parameters say."""
    behaviour: dict[str, object] = getattr(request, "param", {})
    with ReservedPorts(2) as reserved:
        http, tls = reserved.numbers
        with EmbeddedCA(Behaviour(http_port=http, tls_port=tls, **behaviour)) as ca:  # type: ignore[arg-type]
            yield Home(tmp_path, ca, http)
