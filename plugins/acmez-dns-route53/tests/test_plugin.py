"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from acmez_dns_route53 import Route53Solver

from acmez import options
from acmez.options import Secret
from tests.dns.contract import Described

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = Route53Solver
    readme = README


def test_the_readmes_toml_gives_solvers(tmp_path):
    (tmp_path / "aws").write_text("s3cr3t\n")
    texts = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    found, written = (tomllib.loads(text)["solver"]["dns"].get("options", {}) for text in texts)
    assert options.build(Route53Solver, found) == Route53Solver()
    written["secret_access_key"] = {"file": str(tmp_path / "aws")}
    made = options.build(Route53Solver, written)
    assert made == Route53Solver(access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key=Secret("s3cr3t"))


def test_the_readmes_policy_is_json():
    (text,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    assert [each["Effect"] for each in json.loads(text)["Statement"]] == ["Allow"] * 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"access_key_id": "x"}, "secret_access_key: required with 'access_key_id'"),
        ({"secret_access_key": Secret("x")}, "access_key_id: required with 'secret_access_key'"),
        ({"ttl": -1}, "ttl: -1 is no number of seconds a record can have"),
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 86400 seconds"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Route53Solver(**wrong)
    assert str(caught.value) == message
