"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from acmez_dns_rfc2136 import Rfc2136Solver

from acmez import options
from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.contract import Described
from tests.dns.servers import SECRET

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = Rfc2136Solver
    readme = README


def test_the_readmes_toml_gives_solvers(tmp_path):
    (tmp_path / "acme-key").write_text(SECRET)
    site, delegated = (
        tomllib.loads(text)["solver"] for text in re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    )
    table = site["dns"]["options"] | {"key_secret": {"file": str(tmp_path / "acme-key")}}
    assert build(table) == Rfc2136Solver(server="192.0.2.1", key_name="acme-key", key_secret=Secret(SECRET))
    moved = {"_acme-challenge.example.com": "example-com.acme.example.net"}
    assert build(delegated["delegated"]["options"]) == Rfc2136Solver(
        server="192.0.2.1", dns=DnsOptions(cname=moved, zones=["acme.example.net"])
    )


def build(table: dict[str, Any]) -> Rfc2136Solver:
    return options.build(Rfc2136Solver, table)


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
