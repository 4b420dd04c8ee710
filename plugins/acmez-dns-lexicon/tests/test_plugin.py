"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from acmez_dns_lexicon import LexiconSolver

from acmez import options
from acmez.options import Secret
from tests.dns.contract import Described

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = LexiconSolver
    readme = README


def test_the_readmes_toml_gives_a_solver(tmp_path):
    (tmp_path / "token").write_text("t0ken\n")
    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    table = tomllib.loads(text)["solver"]["dns"]["options"]
    table["credentials"]["auth_token"] = {"file": str(tmp_path / "token")}
    made = options.build(LexiconSolver, table)
    assert made == LexiconSolver(provider="gandi", credentials={"auth_token": Secret("t0ken")})
    assert "t0ken" not in repr(made)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"provider": "gandy"}, r"provider: Lexicon has no 'gandy' \(did you mean 'gandi'\?\)"),
        ({"provider": "../x"}, r"provider: Lexicon has no '../x' \(it has aliyun, .*\)"),
        ({"ttl": 0}, "ttl: 0 is no number of seconds a record can have"),
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 86400 seconds"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        LexiconSolver(**{"provider": "gandi"} | wrong)
