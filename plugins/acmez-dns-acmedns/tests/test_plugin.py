"""The distribution: found by name, and described as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from acmez_dns_acmedns import Account, AcmeDnsSolver

from acmez import options
from acmez.options import Secret
from tests.dns.contract import Described

README = Path(__file__).parents[1] / "README.md"


class TestDescribed(Described):
    kind = AcmeDnsSolver
    readme = README


def test_the_readmes_toml_gives_solvers(tmp_path):
    (tmp_path / "password").write_text("s3cr3t\n")
    texts = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    stored, written = (tomllib.loads(text)["solver"]["dns"]["options"] for text in texts)
    assert options.build(AcmeDnsSolver, stored).storage == Path("/var/lib/acmez/acme-dns.json")
    written["accounts"]["example.com"]["password"] = {"file": str(tmp_path / "password")}
    assert options.build(AcmeDnsSolver, written).accounts == {
        "example.com": Account(
            "c36f50e8-4632-44f0-83fe-e070fef28a10", Secret("s3cr3t"), "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
        )
    }


ACCOUNT = Account("user", Secret("password"), "sub")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "accounts or storage is required"),
        ({"accounts": {"a.test": ACCOUNT}}, "server_url: required, since the account of 'a.test' names none"),
        (
            {"storage": Path("x"), "server_url": "auth.test"},
            "server_url: 'auth.test' is no URL of a server (write https://auth.example.org)",
        ),
        ({"storage": Path("x"), "timeout": 0.0}, "timeout: 0 is not between 0 and 3600 seconds"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        AcmeDnsSolver(**wrong)
    assert str(caught.value) == message
