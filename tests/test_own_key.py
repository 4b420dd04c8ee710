"""The example of a key that something of the user's own signs with: short, a proper provider, and one that CAs take."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path

import pytest
from acmez_http_standalone import StandaloneSolver
from acmez_testkit.contracts import KeyProviderContract
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import acmez
from acmez.keys import FileKey
from examples import own_key
from examples.own_key import ProgramKey
from tests.docs.pages import DOCS, blocks
from tests.pebble.fixtures import AnyCA

SIGN = """#!/bin/sh
exec openssl pkeyutl -sign -inkey {key} -pkeyopt "digest:$1"
"""


def make(folder: Path, kind: str = "ec-p256") -> ProgramKey:
    """Return a provider whose program is openssl."""
    key = FileKey(folder / f"{kind}.pem", type=kind)
    public = folder / f"{kind}-public.pem"
    public.write_bytes(key.get("account").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    program = folder / f"sign-{kind}.sh"
    program.write_text(SIGN.format(key=shlex.quote(str(key.path))))
    program.chmod(0o700)
    return ProgramKey(program, public)


def test_the_page_shows_the_example_as_it_is():
    (shown,) = [block for block in blocks((DOCS / "how-to/own-key.md").read_text()) if block.file == "own_key.py"]
    assert shown.text == Path(own_key.__file__).read_text()


class TestProgramKey(KeyProviderContract[ProgramKey]):
    plugin = own_key

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> ProgramKey:
        return make(self.folder)

    def make_failing(self) -> ProgramKey:
        working = make(self.folder)
        no_key = self.folder / "no-key.pem"
        public = ed448.Ed448PrivateKey.generate().public_key()  # of which ACME has no use
        no_key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return ProgramKey(working.program, no_key)


def test_wrapping_it_takes_thirty_lines():
    assert len(inspect.getsource(ProgramKey).splitlines()) <= 30


@pytest.mark.parametrize(("account", "certificate"), [("ec-p256", "rsa-2048"), ("rsa-2048", "ec-p384")])
def test_cas_take_it_for_the_account_and_for_certificates(
    any_ca: AnyCA, tmp_path: Path, account: str, certificate: str
):
    solver = StandaloneSolver(host="127.0.0.1", port=any_ca.http_port)
    keys = make(tmp_path, account), make(tmp_path, certificate)
    with acmez.Client(any_ca.directory_url, solvers=[solver], account_key=keys[0], trust=any_ca.trust) as client:
        client.register(terms_of_service_agreed=True)
        issued = client.obtain([f"{account}.own-key.example"], key=keys[1], timeout=60)
    assert issued.leaf.public_key() == keys[1].get("certificate").public_key()


def test_a_program_that_fails_is_told(tmp_path: Path):
    working = make(tmp_path)
    working.program.write_text("#!/bin/sh\nexit 3\n")
    key = working.get("account")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with pytest.raises(acmez.AcmezError, match=r"sign-ec-p256\.sh: exit status 3"):
        acmez.acme.SigningKey(key).sign(b"data")


def test_a_configuration_file_names_it(tmp_path: Path):
    provider = make(tmp_path)
    (tmp_path / "acmez.toml").write_text(
        f'directory = "letsencrypt-staging"\nplugins = ["{own_key.__file__}"]\n[account_key]\nuse = "key-program"\n'
        f'options = {{ program = "{provider.program}", public_key = "{provider.public_key}" }}\n'
    )
    acmez.from_config(tmp_path / "acmez.toml").close()
