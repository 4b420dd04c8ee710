"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from acmez_dns_cloudflare import CloudflareSolver

from acmez import options
from acmez.options import Secret
from tests.dns.contract import Described

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = CloudflareSolver
    readme = README


def test_the_readmes_toml_gives_a_solver(tmp_path):
    (tmp_path / "token").write_text("t0ken\n")
    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    table = tomllib.loads(text)["solver"]["dns"]["options"] | {"api_token": {"file": str(tmp_path / "token")}}
    assert options.build(CloudflareSolver, table) == CloudflareSolver(api_token=Secret("t0ken"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"api_token": Secret("Bearer x")}, "api_token: is no token (was more than the token copied?)"),
        ({"ttl": 30}, "ttl: 30 is not between 60 and 86400 seconds (1: Cloudflare's choice)"),
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 3600 seconds"),
        ({"api_url": "api"}, "api_url: 'api' is no URL of a server (write https://api.cloudflare.com/client/v4)"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        CloudflareSolver(**{"api_token": Secret("x")} | wrong)
    assert str(caught.value) == message
