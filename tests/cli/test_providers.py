"""The DNS providers that can be used, and who brings them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from acmez_dns_lexicon.providers import provider_names

from .conftest import Command

README = (Path(__file__).parents[2] / "README.md").read_text()
DISTRIBUTIONS = {
    "dns-rfc2136": "rfc2136",
    "dns-powerdns": "powerdns",
    "dns-cloudflare": "cloudflare",
    "dns-route53": "route53",
    "dns-acmedns": "acme-dns",
    "dns-exec": "exec",
}
IN_HOUSE = '''
from typing import ClassVar
from acmez.hookspecs import hookimpl

class OurSolver:
    name: ClassVar[str] = "dns-ours"
    challenge_type: ClassVar[str] = "dns-01"

    def present(self, challenge, scope): ...
    def clean_up(self, challenge, handle, scope): ...

    @classmethod
    def providers(cls):
        """What we have in the cellar."""
        {body}

@hookimpl
def acmez_solvers():
    yield OurSolver
'''


@pytest.fixture(autouse=True)
def without_acme_sh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LE_WORKING_DIR", str(tmp_path / "nowhere"))


@pytest.fixture
def in_house(tmp_path: Path):
    def write(body: str) -> Path:
        (tmp_path / "ours.py").write_text(IN_HOUSE.format(body=body))
        file = tmp_path / "acmez.toml"
        file.write_text('directory = "letsencrypt-staging"\nplugins = ["./ours.py"]')
        return file

    return write


def listed(acmez: Command, *arguments: str | Path) -> list[dict[str, str]]:
    done = acmez("providers", "--json", *arguments)
    assert done.code == 0
    found: list[dict[str, str]] = json.loads(done.out)
    return found


@pytest.mark.parametrize(("solver", "provider"), DISTRIBUTIONS.items())
def test_each_plugin_for_one_provider_says_which(acmez: Command, solver: str, provider: str):
    offers = [offer for offer in listed(acmez) if offer["solver"] == solver]
    assert [offer["provider"] for offer in offers] == [provider]
    assert offers[0]["plugin"].startswith(f"acmez-{solver} ")


def test_every_provider_of_lexicon_is_there(acmez: Command):
    assert [offer["provider"] for offer in listed(acmez) if offer["solver"] == "dns-lexicon"] == provider_names()


def test_what_two_plugins_reach_is_told_of_both_and_counted_once(acmez: Command):
    done = acmez("providers")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["provider", "solver", "plugin"]
    assert [row[1] for row in rows if row[0] == "cloudflare"] == ["dns-cloudflare", "dns-lexicon"]
    count, *_ = rows[-1]
    assert int(count) == len({row[0] for row in rows[1:-1]}) < len(rows) - 2


def test_acme_sh_is_listed_where_it_is_and_missed_where_it_is_not(
    acmez: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    why = "the scripts of your acme.sh, which is looked for in LE_WORKING_DIR, or else ~/.acme.sh."
    assert acmez("providers").err == f"note: dns-acmesh: nothing found: {why}\n"
    (tmp_path / "dnsapi").mkdir()
    for name in ("dns_gandi_livedns.sh", "dns_he.sh", "README.md"):
        (tmp_path / "dnsapi" / name).touch()
    monkeypatch.setenv("LE_WORKING_DIR", str(tmp_path))
    scripts = [offer["provider"] for offer in listed(acmez) if offer["solver"] == "dns-acmesh"]
    assert scripts == ["dns_gandi_livedns", "dns_he"]
    monkeypatch.delenv("LE_WORKING_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".acme.sh").symlink_to(tmp_path)
    assert scripts == [offer["provider"] for offer in listed(acmez) if offer["solver"] == "dns-acmesh"]


def test_an_in_house_solver_lists_its_own(acmez: Command, in_house):
    file = in_house('yield from ("cellar", "attic")')
    ours = [offer for offer in listed(acmez, "--config", file) if offer["solver"] == "dns-ours"]
    assert [offer["provider"] for offer in ours] == ["attic", "cellar"]
    assert {offer["plugin"] for offer in ours} == {"./ours.py"}


def test_a_solver_that_fails_does_not_hide_the_others(acmez: Command, in_house):
    done = acmez("providers", "--config", in_house('raise OSError("the cellar is locked")'))
    assert done.code == 0
    assert "route53" in done.out
    assert "note: dns-ours: its providers are not known: the cellar is locked" in done.err.splitlines()


def test_solvers_of_other_challenges_have_none(acmez: Command):
    assert {offer["solver"].partition("-")[0] for offer in listed(acmez)} == {"dns"}


def test_the_readme_says_how_many_there_are(acmez: Command):
    (told,) = re.findall(r"^More than (\d+) DNS providers: run `acmez providers`\.", README, re.MULTILINE)
    programs = {"dns-exec", "dns-acmesh"}  # what these reach is not in them
    count = len({offer["provider"] for offer in listed(acmez) if offer["solver"] not in programs})
    assert int(told) < count <= int(told) + 10
