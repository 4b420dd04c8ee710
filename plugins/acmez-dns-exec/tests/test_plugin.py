"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from acmez_dns_exec import ExecSolver

from acmez import options
from acmez.options import Secret
from tests.dns.contract import Described

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = ExecSolver
    readme = README


def test_the_readmes_toml_gives_solvers(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "s3cr3t")
    texts = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    lego, certbot = (options.build(ExecSolver, tomllib.loads(text)["solver"]["dns"]["options"]) for text in texts)
    assert lego == ExecSolver(program=Path("/etc/acmez/update-dns.sh"), environment={"API_TOKEN": Secret("s3cr3t")})
    assert (certbot.style, certbot.clean_up_program) == ("certbot", Path("/etc/acmez/clean-up.sh"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 86400 seconds"),
        ({"concurrency": 0}, "concurrency: 0 programs do nothing"),
        ({"clean_up_program": Path("/x")}, "clean_up_program: style 'lego' has one program for both"),
        ({"environment": {"A=B": Secret("")}}, "environment: 'A=B' cannot be the name of a variable"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        ExecSolver(program=Path("/bin/true"), **wrong)
    assert str(caught.value) == message
