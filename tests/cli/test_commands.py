"""The commands that look and tell."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import jsonschema
import pytest

from acmez.acme.problem import ExternalAccountRequired, Problem, RateLimited
from acmez.cli.advice import hints
from acmez.cli.app import EXIT_CODES, cli
from acmez.cli.failing import exit_code
from acmez.errors import TryAgainLater

from .conftest import Command, Home

ONE = '[[certificate]]\nnames = ["example.test"]\ndirectory = "certs"\n'
BROKEN = "raise ImportError('no sdk')"
WATCHING = "from acmez.hookspecs import hookimpl\n@hookimpl\ndef acmez_event(event): ...\n"


def test_help_names_every_command(acmez: Command):
    done = acmez("--help")
    assert done.code == 0
    titles, commands = [], []
    for line in done.out.partition("Certificates:")[2].partition("Exit codes:")[0].splitlines():
        if line.startswith("  "):
            commands.append(line.split()[0])
            assert line.endswith(".")
            assert not line.endswith("...")
        elif line:
            titles.append(line)
    assert commands == [
        "obtain", "resume", "sweep", "renewal-info", "revoke", "register", "account", "check", "plugins", "providers",
        "options", "schema", "explain", "completion", "demo", "new-plugin",
    ]  # fmt: skip
    assert titles == ["The account:", "The configuration:", "Help:", "For authors of plugins:"]


def commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@pytest.mark.parametrize("name", commands())
def test_every_option_is_documented_and_means_the_same_everywhere(name: str):
    command = commands()[name]
    assert command.help
    assert command.short_help
    meanings = {"--config": "-c", "--quiet": "-q", "--yes": "-y", "--kind": "-k", "--directory": "-d"}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith(".")
            long, *short = sorted(parameter.opts, key=len, reverse=True)
            assert short == ([meanings[long]] if long in meanings else []), parameter.opts


def test_exit_codes_are_told(acmez: Command):
    told = " ".join(acmez("--help").out.partition("Exit codes:")[2].split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in told


def test_the_readme_tells_all_exit_codes():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    told = re.search(r"It returns (.*?)\. `man", readme, re.DOTALL)
    assert told is not None
    assert [int(code) for code in re.findall(r"\d+", told[1])] == list(EXIT_CODES)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal(tmp_path: Path, variables: dict[str, str], *, coloured: bool):
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "acmez.cli", "check", str(tmp_path / "nope.toml")]
    done = subprocess.run(command, check=False, stdout=follower, stderr=follower, env=environment | variables)
    os.close(follower)
    printed = os.read(leader, 65536).decode()
    os.close(leader)
    assert done.returncode == 2
    assert "error:" in printed
    assert ("\x1b" in printed) is coloured


def test_nothing_is_coloured_where_there_is_no_terminal(acmez: Command, home: Home):
    file = home.configure(ONE)
    for done in (
        acmez("obtain", "-c", file),
        acmez("plugins"),
        acmez("options", "http-webroot"),
        acmez("check", home.path / "nope.toml"),
        acmez("obtian"),
    ):
        assert "\x1b" not in done.out + done.err


def test_a_command_that_is_not_there(acmez: Command):
    done = acmez("obtian")
    assert done.code == 2
    assert "No such command 'obtian'" in done.err


def test_starting_up_imports_little():
    code = (
        "import sys; from acmez.cli import main; main(['check', '--help']); "
        "sys.exit(any(name in sys.modules for name in ('pluggy', 'requests', 'dns', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_without_the_extra_it_says_what_to_install():
    code = "import sys; sys.modules['click'] = None; from acmez.cli import main; sys.exit(main(['--help']))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "acmez: the command needs click and rich: pip install 'acmez[cli]'\n")


def test_check_a_right_configuration(acmez: Command, home: Home):
    file = home.configure(ONE)
    done = acmez("check", file)
    assert (done.code, done.out) == (0, f"{file}: fine (1 certificate from {home.ca.directory_url})\n")
    assert not (home.path / "account.pem").exists()


def test_check_a_wrong_configuration(acmez: Command, home: Home):
    done = acmez("check", home.configure(ONE.replace("names", "nams")))
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines() == [
        "error: certificate[0].nams: unknown option (did you mean 'names'?)",
    ]


def test_check_tells_of_a_ca_that_binds_accounts_to_customers(acmez: Command, tmp_path: Path):
    file = tmp_path / "acmez.toml"
    file.write_text('directory = "zerossl"')
    assert acmez("check", file).out.splitlines()[1] == (
        "note: ZeroSSL binds new accounts to its customers: set account.eab to what you get at "
        "https://zerossl.com/documentation/acme/generate-eab-credentials/"
    )


def test_plugins(acmez: Command, tmp_path: Path):
    (tmp_path / "audit.py").write_text(WATCHING)
    file = tmp_path / "acmez.toml"
    file.write_text('plugins = ["./audit.py"]\nblock = ["generated"]')
    listed = {info["name"]: info for info in json.loads(acmez("plugins", "--json", "--config", file).out)}
    assert listed["./audit.py"]["status"] == "active"
    assert listed["./audit.py"]["hooks"] == ["acmez_event"]
    assert listed["generated"]["status"] == "blocked"
    assert listed["file"]["components"] == [{"kind": "key provider", "name": "file"}]
    table = acmez("plugins", "--config", file).out.splitlines()
    assert table[0].split() == ["plugin", "distribution", "status", "offers", "hooks"]
    assert next(line for line in table if line.startswith("./audit.py")).split() == [
        "./audit.py",
        "active",
        "acmez_event",
    ]


def test_a_plugin_that_is_broken_is_listed_and_one_that_is_named_fails(acmez: Command, tmp_path: Path):
    (tmp_path / "broken.py").write_text(BROKEN)
    file = tmp_path / "acmez.toml"
    file.write_text('plugins = ["./broken.py"]')
    done = acmez("plugins", "--config", file)
    assert (done.code, done.err) == (2, "error: plugins[0]: plugin './broken.py' failed to load: no sdk\n")


def test_options(acmez: Command):
    done = acmez("options", "file")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "key provider file"
    assert next(line for line in lines if line.startswith("path ")).split()[:4] == ["path", "a", "path", "(required)"]
    described = json.loads(acmez("options", "file", "--json").out)["key provider"]
    assert {"name": "create", "type": "true or false", "required": False, "default": "true"}.items() <= next(
        option for option in described if option["name"] == "create"
    ).items()


def test_options_of_a_misspelt_component(acmez: Command):
    done = acmez("options", "fil")
    assert done.code == 2
    assert done.err.startswith("error: unknown component 'fil' (did you mean 'file'?); installed: default, ")


def test_options_of_a_known_component_that_is_absent(acmez: Command, monkeypatch: pytest.MonkeyPatch):
    for module in ("acmez.catalogue", "acmez.known_plugins"):
        monkeypatch.setattr(f"{module}.KNOWN_PLUGINS", {"dns-made": "acmez-dns-made"})
    done = acmez("options", "dns-made")
    assert (done.code, done.err) == (2, "error: solver 'dns-made' is not installed: pip install acmez-dns-made\n")


def test_schema(acmez: Command):
    printed = json.loads(acmez("schema").out)
    jsonschema.Draft202012Validator.check_schema(printed)
    jsonschema.validate({"directory": "letsencrypt", "retry": {"use": "default", "options": {"attempts": 2}}}, printed)


@pytest.fixture
def issued(acmez: Command, home: Home) -> Path:
    """The configuration of a certificate that was obtained."""
    file = home.configure(ONE)
    assert acmez("obtain", "--config", file, "--quiet").code == 0
    return file


def test_renewal_info(acmez: Command, home: Home, issued: Path):
    done = acmez("renewal-info", "--config", issued)
    assert done.code == 0
    assert done.out.startswith(f"{home.path}/certs/cert.pem: not yet due: between 20")
    described = json.loads(acmez("renewal-info", "-c", issued, home.path / "certs/fullchain.pem", "--json").out)
    assert described["due"] is False
    assert datetime.fromisoformat(described["start"]) < datetime.fromisoformat(described["end"])


def test_renewal_info_of_something_else(acmez: Command, home: Home, issued: Path):
    done = acmez("renewal-info", "--config", issued, issued, home.path / "certs/cert.pem")
    assert done.code == 1
    assert done.err.startswith(f"error: {issued}: no PEM certificate\n")
    assert done.out.startswith(f"{home.path}/certs/cert.pem: not yet due")


@pytest.mark.parametrize("key", [True, False])
def test_revoke(acmez: Command, home: Home, issued: Path, *, key: bool):
    certificate = home.path / "certs/cert.pem"
    more = ("--key", home.path / "certs/privkey.pem") if key else ()
    done = acmez("revoke", "--config", issued, certificate, "--reason", "superseded", *more)
    assert (done.code, done.out) == (0, f"{certificate}: revoked\n"), done.err
    assert home.ca.certificates[0].revocation_reason == 4


def later(status: int, seconds: float | None) -> RateLimited:
    problem = Problem("urn:ietf:params:acme:error:rateLimited", "too many")
    return RateLimited(problem, status=status, method="POST", url="https://ca.example", retry_after=seconds)


def test_what_to_come_back_for():
    when = datetime.now(UTC) + timedelta(hours=3)
    patience = TryAgainLater("the CA is busy", not_before=when, order_url=None)
    assert exit_code(patience) == exit_code(later(429, 60)) == exit_code(later(503, 60)) == 75
    assert exit_code(later(429, None)) == exit_code(later(500, 60)) == 1
    assert hints(patience) == [f"try again after {when:%Y-%m-%d %H:%M:%S} UTC"]


MAC_KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"
BINDING = pytest.mark.parametrize("home", [{"external_accounts": {"kid": MAC_KEY}}], indirect=True)


@BINDING
def test_what_to_do_about_an_external_account(acmez: Command, home: Home):
    done = acmez("register", "--config", home.configure(ONE))
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        '  put what the CA gave you into [account] as eab = { kid = "...", hmac_key = "..." }'
    )
    problem = Problem("urn:ietf:params:acme:error:externalAccountRequired")
    error = ExternalAccountRequired(problem, status=403, method="POST", url="https://ca.example")
    assert exit_code(error) == 1


@BINDING
def test_an_external_account_from_the_configuration(acmez: Command, home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EAB_KEY", MAC_KEY)
    file = home.configure(ONE)
    eab = 'eab = { kid = "kid", hmac_key = { env = "EAB_KEY" } }'
    file.write_text(
        file.read_text().replace("terms_of_service_agreed = true", f"terms_of_service_agreed = true\n{eab}")
    )
    done = acmez("register", "--config", file)
    assert done.code == 0, done.err
    assert MAC_KEY not in done.out + done.err


def test_the_demo_says_what_it_needs(acmez: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "acmez_http_standalone", None)
    done = acmez("demo")
    needed = "the demo needs 'acmez-http-standalone', which is not installed"
    assert (done.code, done.err) == (2, f"error: {needed}: pip install acmez-testkit acmez-http-standalone\n")


def test_verbose_names_the_plugins_that_are_used(home: Home):
    command = [sys.executable, "-m", "acmez.cli", "--verbose", "check", str(home.configure(ONE))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "plugin 'http-standalone' (acmez-http-standalone " in done.stderr
