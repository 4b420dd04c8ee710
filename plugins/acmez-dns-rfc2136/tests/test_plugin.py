"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from acmez_dns_rfc2136 import Rfc2136Solver

from acmez import options
from acmez.dns import DnsOptions
from acmez.kinds import SOLVER
from acmez.option_docs import options_of
from acmez.options import Secret
from acmez.plugins import PluginManager
from tests.dns.servers import SECRET

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "dns-rfc2136") is Rfc2136Solver


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `([\w.]+)` \| [\w ]+ \| (?:`(.*?)`|[\w' ]*) ?\|", README, re.MULTILINE))
    known = {option.name: option.default for option in options_of(Rfc2136Solver)}
    assert set(rows) == set(known)
    told = {name: default for name, default in rows.items() if default and name not in {"dns", "dns.zones"}}
    assert told == {name: known[name] for name in told}


def test_the_readmes_toml_gives_solvers(tmp_path):
    (tmp_path / "acme-key").write_text(SECRET)
    site, delegated = (tomllib.loads(text)["solver"] for text in blocks("toml"))
    table = site["dns"]["options"] | {"key_secret": {"file": str(tmp_path / "acme-key")}}
    assert build(table) == Rfc2136Solver(server="192.0.2.1", key_name="acme-key", key_secret=Secret(SECRET))
    moved = {"_acme-challenge.example.com": "example-com.acme.example.net"}
    assert build(delegated["delegated"]["options"]) == Rfc2136Solver(
        server="192.0.2.1", dns=DnsOptions(cname=moved, zones=["acme.example.net"])
    )


def build(table: dict[str, Any]) -> Rfc2136Solver:
    return options.build(Rfc2136Solver, table)


def test_the_readmes_python_runs():
    (python,) = blocks("python")
    names: dict[str, object] = {}
    exec(python, names)  # noqa: S102 - our own text
    assert isinstance(names["solver"], Rfc2136Solver)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"server": "192.0.2"}, "server: '192.0.2' is no name server (write 192.0.2.1, [2001:db8::1]:53 or a name)"),
        ({"key_name": "k"}, "key_secret: required with 'key_name'"),
        ({"key_secret": Secret("YQ==")}, "key_name: required with 'key_secret'"),
        ({"key_name": "k", "key_secret": Secret("not base64")}, "key_secret: is not base64"),
        (
            {"key_name": "a..b", "key_secret": Secret("YQ==")},
            "key_name: 'a..b' is no domain name, as names of keys are",
        ),
        ({"ttl": -1}, "ttl: -1 is no number of seconds a record can have"),
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 3600 seconds"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Rfc2136Solver(**{"server": "192.0.2.1"} | wrong)
    assert str(caught.value) == message


def test_the_secret_is_not_shown():
    solver = Rfc2136Solver(server="192.0.2.1", key_name="k", key_secret=Secret(SECRET))
    assert SECRET not in repr(solver)
    assert {field.name for field in dataclasses.fields(solver)} >= {"key_secret"}
