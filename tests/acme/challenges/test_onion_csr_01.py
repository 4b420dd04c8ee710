from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from acmez.acme import Challenge, InputError, MalformedAnswer
from acmez.acme.challenges import OnionCaa, onion_csr_01
from acmez.acme.jws import public_jwk
from acmez.acme.wire import JSON, b64decode
from tests.acme.challenges.making import make

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = onion_csr_01.address(KEY.public_key())
NONCE = "bI6/MRqV4gw="
PUBLISHED = "5anebu2glyc235wbbop3m2ukzlaptpkq333vdtdvcjpigyb7x2i2m2qd.onion"
CAA = 'caa 128 issue "test.acmeforonions.org; validationmethods=onion-csr-01"\ncaa 0 iodef "mailto:example@example.com"'
CA_SIGNING_NONCE = x509.ObjectIdentifier("2.23.140.41")
APPLICANT_SIGNING_NONCE = x509.ObjectIdentifier("2.23.140.42")


def challenge(identifier: str = NAME, *, wildcard: bool = False, nonce: JSON = NONCE, **members: JSON) -> Challenge:
    everything: dict[str, JSON] = {"nonce": nonce, **members}
    return make("onion-csr-01", identifier, token=None, wildcard=wildcard, members=everything)


@pytest.mark.parametrize(
    "name",
    [PUBLISHED, "bbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccrad.onion"],
    ids=["RFC 9799 §6.4.2", "RFC 9799 §2"],
)
def test_published_addresses_hold_their_key(name: str):
    key = onion_csr_01.public_key(name)
    assert onion_csr_01.address(key) == name
    assert onion_csr_01.public_key(f"www.{name.upper()}") == key


@pytest.mark.parametrize(
    "name",
    [
        "6" + PUBLISHED[1:],
        PUBLISHED.replace("2qd.", "2qc."),
        PUBLISHED.replace(".onion", ".example"),
        PUBLISHED.removesuffix(".onion"),
        f"{PUBLISHED}.example",
        "expyuzz4wqqyqhjn.onion",
        "\N{KELVIN SIGN}" + PUBLISHED[1:],
        "ü.onion",
        ".onion",
        "",
    ],
)
def test_what_is_not_an_address_or_mistyped_is_refused(name: str):
    with pytest.raises(InputError, match="not a version 3 onion address"):
        onion_csr_01.public_key(name)


@pytest.mark.parametrize(("identifier", "wildcard"), [(NAME, False), (f"www.{NAME}", False), (NAME, True)])
def test_the_request_holds_both_nonces_and_the_services_signature(identifier: str, wildcard: bool):
    request = x509.load_der_x509_csr(onion_csr_01.csr(challenge(identifier, wildcard=wildcard), KEY, nonce=b"12345678"))
    assert request.is_signature_valid
    assert request.public_key() == KEY.public_key()
    assert list(request.subject) == []
    octet_string = 4
    for oid, value in (
        (CA_SIGNING_NONCE, base64.b64decode(NONCE)),
        (APPLICANT_SIGNING_NONCE, b"12345678"),
    ):
        attribute = request.attributes.get_attribute_for_oid(oid)
        assert attribute.value == value
        assert attribute._type == octet_string


def test_each_request_has_a_nonce_of_its_own_with_enough_entropy():
    requests = [x509.load_der_x509_csr(onion_csr_01.csr(challenge(), KEY)) for _ in range(2)]
    nonces = {each.attributes.get_attribute_for_oid(APPLICANT_SIGNING_NONCE).value for each in requests}
    assert len(nonces) == 2
    assert all(len(nonce) >= 8 for nonce in nonces)


@pytest.mark.parametrize("size", [8, 60, 96, 115, 120, 250, 1024])
def test_a_request_of_any_length_is_well_formed(size: int):
    nonce = bytes(size)
    der = onion_csr_01.csr(challenge(nonce=base64.b64encode(nonce).decode()), KEY)
    request = x509.load_der_x509_csr(der)
    assert request.is_signature_valid
    assert request.attributes.get_attribute_for_oid(CA_SIGNING_NONCE).value == nonce
    assert request.public_bytes(Encoding.DER) == der


def test_the_payload_is_the_request_in_base64url():
    payload = onion_csr_01.payload(challenge(), KEY)
    assert list(payload) == ["csr"]
    assert x509.load_der_x509_csr(b64decode(str(payload["csr"]))).is_signature_valid


@pytest.mark.parametrize("nonce", ["bI6_MRqV4gw", "bI6/MRqV4gw", "bI6_MRqV4gw="])
def test_the_cas_nonce_may_be_written_as_base64url(nonce: str):
    request = x509.load_der_x509_csr(onion_csr_01.csr(challenge(nonce=nonce), KEY))
    assert request.attributes.get_attribute_for_oid(CA_SIGNING_NONCE).value == base64.b64decode(NONCE)


@pytest.mark.parametrize("nonce", [None, 7, "", "AAAA", "not base64", "A" * 13, "A" * 4000])
def test_the_cas_nonce_must_be_base64_of_a_sensible_length(nonce: JSON):
    with pytest.raises(MalformedAnswer, match="nonce: expected Base64 of 8 to 1024 bytes"):
        onion_csr_01.csr(challenge(nonce=nonce), KEY)


def test_the_applicants_nonce_must_have_64_bits():
    with pytest.raises(InputError, match="at least 8 bytes, got 7"):
        onion_csr_01.csr(challenge(), KEY, nonce=b"1234567")


@pytest.mark.parametrize("identifier", [PUBLISHED, "example.com", "onion"])
def test_only_the_services_own_key_signs(identifier: str):
    with pytest.raises(InputError, match=f"the key is of another service, {re.escape(NAME)}"):
        onion_csr_01.csr(challenge(identifier), KEY)


class KeyElsewhere:
    """A key that signs without being one of cryptography's, as Tor's expanded keys or an HSM need it."""

    def sign(self, data: bytes, /) -> bytes:
        return KEY.sign(data)

    def public_key(self) -> Ed25519PublicKey:
        return KEY.public_key()


def test_whatever_signs_like_the_service_may_sign():
    assert x509.load_der_x509_csr(onion_csr_01.csr(challenge(), KeyElsewhere())).is_signature_valid
    assert onion_csr_01.sign_caa(KeyElsewhere(), CAA, datetime(2026, 11, 20, tzinfo=UTC)).verify()


def test_the_published_signature_verifies_over_the_text_it_was_made_for():
    # The RFC's editor changed the host name in the text afterwards and kept the signature.
    signature = b64decode("u_iP6JZ4JZBrzQUKH6lSrWejjRfeQmkTuehc0_FaaTNPAV0RVxpUz9r44DRdy6kgy0ofnx18KIhMrP7N1wpxAA==")
    published = OnionCaa(PUBLISHED, CAA, 1697210719, signature)
    assert published.verify()
    assert not replace(published, caa=CAA.replace("acmeforonions.org", "acmeforonions.example")).verify()
    assert not replace(published, expiry=1697210720).verify()
    assert not replace(published, name=NAME).verify()
    assert not replace(published, signature=b"").verify()


def test_caa_records_are_signed_for_the_finalize_request():
    signed = onion_csr_01.sign_caa(KEY, CAA, datetime.fromtimestamp(1697210719, UTC))
    assert signed.verify()
    members = signed.to_json()
    assert {**members, "signature": None} == {"caa": CAA, "expiry": 1697210719, "signature": None}
    KEY.public_key().verify(b64decode(str(members["signature"])), f"onion-caa|1697210719|{CAA}".encode())


def test_no_records_are_signed_as_empty_text():
    signed = onion_csr_01.sign_caa(KEY, None, datetime.fromtimestamp(1697210719, UTC))
    assert signed.to_json()["caa"] is None
    KEY.public_key().verify(signed.signature, b"onion-caa|1697210719|")


def test_the_expiry_needs_a_time_zone():
    with pytest.raises(InputError, match="no time zone"):
        onion_csr_01.sign_caa(KEY, None, datetime(2026, 11, 20))  # noqa: DTZ001


def test_the_ca_may_need_to_be_let_in():
    assert onion_csr_01.auth_key(challenge()) is None
    jwk = public_jwk(KEY.public_key())
    assert onion_csr_01.auth_key(challenge(authKey=jwk)) == KEY.public_key()


@pytest.mark.parametrize(
    "jwk",
    [
        "key",
        {},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "Ed25519", "x": 7},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "+" * 43},
    ],
)
def test_an_odd_key_of_the_ca_is_malformed(jwk: JSON):
    with pytest.raises(MalformedAnswer, match="authKey: expected an Ed25519 JWK"):
        onion_csr_01.auth_key(challenge(authKey=jwk))


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'onion-csr-01'"):
        onion_csr_01.csr(make("dns-01", NAME), KEY)
    with pytest.raises(InputError, match="'onion-csr-01'"):
        onion_csr_01.auth_key(make("dns-01", NAME))
