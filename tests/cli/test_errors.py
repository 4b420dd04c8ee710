"""What goes wrong is told with its name and step, in the CA's own words, and with what to do next."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from acmez_testkit import Answer, Problem

from .conftest import Command, Home

TABLE = '[[certificate]]\nnames = ["a.test", "b.test"]\ndirectory = "certs"\n'


@dataclass(frozen=True)
class Case:
    """A failure: how to bring it about, the exit code, and what has to be told, in this order."""

    name: str
    cause: Callable[[Home, Path], None]
    code: int
    told: tuple[str, ...]
    page: str


def edit(pattern: str, by: str) -> Callable[[Home, Path], None]:
    """Return what changes the configuration; DIRECTORY stands for the CA's, PORT for one that nobody listens to."""

    def cause(home: Home, file: Path) -> None:
        new = by.replace("DIRECTORY", home.ca.directory_url)
        text, count = re.subn(pattern, lambda _: new, file.read_text(), count=1)
        assert count
        file.write_text(text)

    return cause


def fault(kind: str, action: Problem | Answer) -> Callable[[Home, Path], None]:
    return lambda home, _: home.ca.faults.add(kind, action, times=None)


def key_file(text: str, mode: int = 0o600) -> Callable[[Home, Path], None]:
    def cause(home: Home, _: Path) -> None:
        (home.path / "account.pem").write_text(text)
        (home.path / "account.pem").chmod(mode)

    return cause


DIRECTORY = 'directory = "https.*"'
SOLVER = r'use = "http-standalone"\n\s*options = {.*}'
LATER = r"try again after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"

CASES = [
    Case(
        "the CA is down",
        edit(DIRECTORY, 'directory = "https://localhost:PORT/directory"'),
        1,
        (r"GET https://localhost:\d+/directory: cannot connect", "Connection refused", "is the CA up"),
        "ConnectError",
    ),
    Case(
        "a wrong URL",
        edit(DIRECTORY, 'directory = "DIRECTORY-x"'),
        1,
        ("/directory-x: HTTP 404", "nothing at", "is the URL in `directory` that of an ACME directory"),
        "ProblemError",
    ),
    Case(
        "a page that is no directory",
        fault("directory", Answer(200, "<html>hello</html>", content_type="text/html")),
        1,
        ("/directory: ", "is the URL in `directory` that of an ACME directory"),
        "MalformedAnswer",
    ),
    Case(
        "no TLS",
        edit(DIRECTORY, 'directory = "http://localhost:PORT/"'),
        2,
        ("directory: 'http://", "not protected by TLS", "allow_http = true"),
        "ConfigError",
    ),
    Case(
        "a private CA that nobody vouches for",
        edit("trust = .*", ""),
        1,
        ("/directory: ", "certificate verify failed", 'trust = "root.pem"'),
        "ConnectError",
    ),
    Case(
        "a short name with a typo",
        edit(DIRECTORY, 'directory = "letsencrpyt"'),
        2,
        ("directory: unknown CA 'letsencrpyt'", "did you mean 'letsencrypt'", "or give its URL"),
        "ConfigError",
    ),
    Case(
        "terms that were not agreed to",
        edit("terms_of_service_agreed = true", ""),
        1,
        ("userActionRequired: the terms of service have to", "terms/v1", "terms_of_service_agreed = true"),
        "UserActionRequired",
    ),
    Case(
        "no external account",
        fault("new-account", Problem("externalAccountRequired", "who are you?", 403)),
        1,
        ("externalAccountRequired: who are you?", re.escape('eab = { kid = "...", hmac_key = "..." }')),
        "ExternalAccountRequired",
    ),
    Case(
        "a rate limit",
        fault("new-order", Problem("rateLimited", "too many for a.test", 429, {"Retry-After": "3600"})),
        75,
        ("error: a.test and 1 more: POST .*/new-order: HTTP 429: rateLimited: too many for a.test", LATER),
        "RateLimited",
    ),
    Case(
        "maintenance",
        fault("directory", Answer(503, "back soon", {"Retry-After": "600"})),
        75,
        ("/directory: HTTP 503", "back soon", LATER),
        "ProblemError",
    ),
    Case(
        "trouble of the CA's own",
        fault("new-order", Problem("serverInternal", "the HSM is asleep", 500)),
        1,
        ("a.test and 1 more: POST .*: HTTP 500: serverInternal: the HSM is asleep", "try again later"),
        "ProblemError",
    ),
    Case(
        "a name that the CA refuses",
        fault("new-order", Problem("rejectedIdentifier", "a.test is on a list", 400)),
        1,
        ("a.test and 1 more: POST .*/new-order: HTTP 400: rejectedIdentifier: a.test is on a list",),
        "RejectedIdentifier",
    ),
    Case(
        "answers that the CA does not find",
        edit(r"port = \d+", "port = PORT"),
        1,
        (
            "error: a.test: validate by http-01 with 'web': connection: a.test: cannot connect to 127.0.0.1 port",
            "error: b.test: validate by http-01 with 'web'",
            "no certificate for a.test and 1 more",
            "port 80",
        ),
        "ChallengesFailed",
    ),
    Case(
        "a wildcard without DNS",
        edit(r'"a.test", "b.test"', '"*.a.test"'),
        1,
        (r"error: \*.a.test: choose: no solver", r"'web' \(http-01\)", "only the DNS proves a wildcard"),
        "ChallengesFailed",
    ),
    Case(
        "a web root that is not there",
        edit(SOLVER, 'use = "http-webroot"\noptions.path = "nowhere"'),
        1,
        ("error: a.test: present by http-01 with 'web': .*/nowhere: no such directory", "create the web root"),
        "ChallengesFailed",
    ),
    Case(
        "a plugin that is not installed",
        edit(SOLVER, 'use = "dns-nonesuch"'),
        2,
        ("solver.web.use: unknown solver 'dns-nonesuch'", "installed: "),
        "ConfigError",
    ),
    Case(
        "an option with a typo",
        edit(r"options = {.*}", "options.prt = 80"),
        2,
        (r"solver.web.options.prt: unknown option \(did you mean 'port'\?\)",),
        "ConfigError",
    ),
    Case(
        "a setting with a typo, and one of the wrong type",
        edit("trust = ", 'paralellism = 3\nallow_http = "maybe"\ntrust = '),
        2,
        (
            r"paralellism: unknown option \(did you mean 'parallelism'\?\)",
            "allow_http: expected true or false, got 'maybe'",
        ),
        "ConfigError",
    ),
    Case("no TOML", edit(DIRECTORY, 'directory = "x'), 2, (r"acmez.toml:\d+:\d+: not TOML: ",), "ConfigError"),
    Case("a key that is none", key_file("rubbish"), 1, ("account.pem: no private key",), "KeyFileError"),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_error_tells_a_stranger_what_to_do(acmez: Command, home: Home, elsewhere: int, case: Case):
    file = home.configure(TABLE, more="retry = { use = 'default', options.attempts = 1 }")
    case.cause(home, file)
    file.write_text(file.read_text().replace("PORT", str(elsewhere)))
    done = acmez("obtain", "--config", file, "--quiet")
    assert (done.code, done.out) == (case.code, "")
    assert re.search("(?s)" + ".*".join(case.told), done.err), done.err
    assert done.pages == (case.page,)
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_a_plugin_that_is_known_and_not_installed(acmez: Command, home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acmez.catalogue.KNOWN_PLUGINS", {"dns-made": "acmez-dns-made"})
    file = home.configure(TABLE)
    edit(SOLVER, 'use = "dns-made"')(home, file)
    done = acmez("obtain", "-c", file)
    assert done.code == 2
    assert done.err.startswith("error: solver.web.use: ")
    assert "pip install acmez-dns-made" in done.err


def test_a_port_that_is_in_use(acmez: Command, home: Home):
    with socket.create_server(("127.0.0.1", home.port)):
        done = acmez("obtain", "-c", home.configure(TABLE), "--quiet")
    assert done.code == 1
    assert f"a.test: present by http-01 with 'web': port {home.port}: is in use: stop the server" in done.err
