"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from acmez_dns_powerdns import PowerDnsSolver

from acmez import options
from acmez.options import Secret
from tests.dns.contract import Described

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = PowerDnsSolver
    readme = README


def test_the_readmes_toml_gives_a_solver(tmp_path):
    (tmp_path / "key").write_text("changeme")
    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    table = tomllib.loads(text)["solver"]["dns"]["options"] | {"api_key": {"file": str(tmp_path / "key")}}
    assert options.build(PowerDnsSolver, table) == PowerDnsSolver(
        url="http://127.0.0.1:8081", api_key=Secret("changeme")
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "127.0.0.1"}, "url: '127.0.0.1' is no URL of a server (write http://127.0.0.1:8081)"),
        ({"ttl": 0}, "ttl: 0 is no number of seconds a record can have"),
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 3600 seconds"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        PowerDnsSolver(**{"url": "http://127.0.0.1:8081", "api_key": Secret("x")} | wrong)
    assert str(caught.value) == message
