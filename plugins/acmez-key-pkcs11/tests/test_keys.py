"""Keys in a real token sign requests and certificate requests, and stay where they are."""

from __future__ import annotations

import copy
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from acmez_http_standalone import StandaloneSolver
from acmez_key_pkcs11 import Pkcs11Error, Pkcs11Key
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute, KeyType, ObjectClass

import acmez
from acmez.acme.jws import SigningKey
from acmez.acme.problem import AccountDoesNotExist
from acmez.keys import private_pem
from tests.pebble.fixtures import AnyCA

from .conftest import PIN, Token

TYPES = ["ec-p256", "ec-p384", "rsa-2048"]


@pytest.mark.parametrize("kind", [*TYPES, "rsa-3072"])
def test_a_key_that_is_made_is_of_its_type_and_found_again(token: Token, kind: str):
    made = token.key(f"made {kind}", kind).get("account")
    found = token.key(f"made {kind}", create=False).get("certificate")
    assert made.public_key() == found.public_key()
    assert made.key_size == int(kind.removeprefix("ec-p").removeprefix("rsa-"))


@pytest.mark.parametrize("kind", TYPES)
def test_it_signs_as_cryptography_does(token: Token, kind: str):
    key = token.key(f"signs {kind}", kind).get("certificate")
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        hashed = hashes.Hash(algorithm)
        hashed.update(b"data")
        prehashed = utils.Prehashed(algorithm)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            key.public_key().verify(key.sign(b"data", ec.ECDSA(algorithm)), b"data", ec.ECDSA(algorithm))
            signature = key.sign(hashed.finalize(), ec.ECDSA(prehashed))
            key.public_key().verify(signature, b"data", ec.ECDSA(algorithm))
        else:
            pkcs1 = padding.PKCS1v15()
            key.public_key().verify(key.sign(b"data", pkcs1, algorithm), b"data", pkcs1, algorithm)
            signature = key.sign(hashed.finalize(), pkcs1, prehashed)
            key.public_key().verify(signature, b"data", pkcs1, algorithm)


@pytest.mark.parametrize("kind", TYPES)
def test_it_signs_requests_and_certificate_requests(token: Token, kind: str):
    key = token.key(f"signs {kind}", kind).get("account")
    assert len(SigningKey(key).sign(b"protected.payload")) in {64, 96, 256}
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    assert csr.is_signature_valid


@pytest.mark.parametrize(("account", "certificate"), [("ec-p256", "rsa-2048"), ("ec-p384", "ec-p384")])
def test_a_ca_takes_both_keys(token: Token, any_ca: AnyCA, tmp_path: Path, account: str, certificate: str):
    solver = StandaloneSolver(host="127.0.0.1", port=any_ca.http_port)
    certificate_key = token.key(f"certificate {certificate}", certificate)
    account_key = token.key(f"account {account}", account)
    with acmez.Client(any_ca.directory_url, solvers=[solver], account_key=account_key, trust=any_ca.trust) as client:
        client.register(terms_of_service_agreed=True)
        issued = client.obtain([f"{certificate}.pkcs11.example"], key=certificate_key, timeout=60)
    assert issued.leaf.public_key() == certificate_key.get("certificate").public_key()
    assert issued.private_key_pem is None
    assert "privkey.pem" not in {path.name for path in issued.write(tmp_path / "certs").iterdir()}


def test_an_account_goes_from_a_file_into_the_token_and_on_to_its_next_key(token: Token, any_ca: AnyCA, tmp_path: Path):
    one, two = (token.key(f"{any_ca.http_port} rolls over {kind}", kind) for kind in ("ec-p256", "rsa-2048"))
    settings: dict[str, Any] = {"trust": any_ca.trust, "journal": tmp_path / "acmez.journal"}
    with acmez.Client(any_ca.directory_url, account_key=acmez.FileKey(tmp_path / "account.pem"), **settings) as client:
        url = client.register(terms_of_service_agreed=True).url
        client.change_account_key(one)
        client.change_account_key(two)
    with acmez.Client(any_ca.directory_url, account_key=one, **settings) as client:
        with pytest.raises(AccountDoesNotExist) as raised:
            client.account()
        assert str(two.get("account")) in raised.value.__notes__[0]
    with acmez.Client(any_ca.directory_url, account_key=two, **settings) as client:
        assert client.account().url == url
        assert client.acme.account(client.account()).status == "valid"


@pytest.mark.parametrize("kind", TYPES)
def test_it_never_leaves_the_token(token: Token, kind: str):
    key = token.key(f"stays {kind}", kind).get("account")
    pem, pkcs8, plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(UnsupportedAlgorithm, match=rf"^token 'acme': key 'stays {kind}': the private key stays there"):
        key.private_bytes(pem, pkcs8, plain)
    with pytest.raises(UnsupportedAlgorithm):
        key.private_numbers()
    with pytest.raises(acmez.KeyFileError, match="cannot be exported"):
        private_pem(key)
    assert copy.deepcopy(key) is copy.copy(key) is key
    session = next(iter(pkcs11.lib(str(token.module)).get_tokens(token_label=token.label))).open()
    template = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: f"stays {kind}"}
    (inside,) = session.get_objects(template)
    assert (inside[Attribute.SENSITIVE], inside[Attribute.EXTRACTABLE]) == (True, False)
    session.close()


def test_keys_of_other_programs_are_used(token: Token):
    command = ["pkcs11-tool", "--module", str(token.module), "--login", "--pin", PIN, "--token-label", token.label]
    command += ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a0b", "--label", "foreign"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("pkcs11-tool is not installed (Debian: opensc)")
    by_label = token.key("foreign", create=False).get("account")
    uri = f"pkcs11:token={token.label};id=%0A%0B?module-path={token.module}"
    by_id = Pkcs11Key(uri=uri, pin=token.pin).get("account")
    assert by_label.public_key() == by_id.public_key()


def test_many_threads_sign_with_several_keys(token: Token):
    keys = [token.key("signs ec-p256").get("account"), token.key("signs rsa-2048", "rsa-2048").get("account")]

    def sign(number: int) -> int:
        return len(SigningKey(keys[number % 2]).sign(str(number).encode()))

    with ThreadPoolExecutor(8) as pool:
        assert sorted({*pool.map(sign, range(60))}) == [64, 256]


def test_keys_of_two_tokens_are_used_side_by_side(token: Token, other_token: Token):
    one, other = token.key("side").get("account"), other_token.key("side").get("account")
    for _ in range(3):
        for key in (one, other):
            assert len(SigningKey(key).sign(b"data")) == 64
    assert one.public_key() != other.public_key()


class TestWhatIsNotThere:
    def test_a_key_is_told_with_the_way_to_make_it(self, token: Token):
        with pytest.raises(
            Pkcs11Error, match=r"^token 'acme': key 'none': is not there \(set 'create' to have it made"
        ):
            token.key("none", create=False).get("account")

    def test_two_keys_with_one_label_are_not_chosen_from(self, token: Token):
        token.key("twice").get("account")
        session = next(iter(pkcs11.lib(str(token.module)).get_tokens(token_label=token.label))).open(rw=True)
        session.generate_keypair(KeyType.RSA, 2048, label="twice", store=True)
        session.close()
        with pytest.raises(Pkcs11Error, match=r"^token 'acme': key 'twice': there are 2 of them; tell them apart by"):
            token.key("twice").get("account")

    def test_a_token_is_told_with_those_that_are_there(self, token: Token):
        with pytest.raises(Pkcs11Error, match=r"^token: none has label 'acmee' \(there: .*'acme'"):
            Pkcs11Key(token.module, "acmee", "key", pin=token.pin).get("account")

    def test_a_module_is_told(self, tmp_path: Path):
        with pytest.raises(Pkcs11Error, match=rf"^module '{tmp_path}/none\.so': "):
            Pkcs11Key(tmp_path / "none.so", "acme", "key").get("account")

    def test_a_key_that_vanishes_is_told(self, token: Token):
        key = token.key("vanishes").get("account")
        session = next(iter(pkcs11.lib(str(token.module)).get_tokens(token_label=token.label))).open(rw=True)
        for found in session.get_objects({Attribute.LABEL: "vanishes"}):
            found.destroy()
        session.close()
        with pytest.raises(Pkcs11Error, match=r"^token 'acme': key 'vanishes': is not there any more$"):
            SigningKey(key).sign(b"data")

    def test_a_key_without_its_public_half_is_told(self, token: Token):
        token.key("half").get("account")
        session = next(iter(pkcs11.lib(str(token.module)).get_tokens(token_label=token.label))).open(rw=True)
        for found in session.get_objects({Attribute.LABEL: "half", Attribute.CLASS: ObjectClass.PUBLIC_KEY}):
            found.destroy()
        session.close()
        with pytest.raises(Pkcs11Error, match=r"^token 'acme': key 'half': its public key is not in the token$"):
            token.key("half").get("account")
