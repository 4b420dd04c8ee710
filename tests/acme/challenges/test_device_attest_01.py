from __future__ import annotations

import pytest

from acmez.acme import Identifier, InputError, MalformedAnswer
from acmez.acme.challenges import device_attest_01
from tests.acme.challenges.making import THUMBPRINT, TOKEN, make

DEVICE = Identifier("permanent-identifier", "C02TESTSERIAL")


def test_the_attestation_covers_the_key_authorization():
    assert device_attest_01.signed_data(make("device-attest-01", DEVICE)) == f"{TOKEN}.{THUMBPRINT}".encode()


def test_a_third_party_attests_the_token_alone():
    assert device_attest_01.signed_data(make("device-attest-01", DEVICE), token_only=True) == TOKEN.encode()


def test_the_attestation_object_is_sent_as_base64url():
    # fmt "none" with an empty attStmt
    cbor = bytes.fromhex("a263666d74646e6f6e656761747453746d74a0")
    assert device_attest_01.payload(cbor) == {"attObj": "omNmbXRkbm9uZWdhdHRTdG10oA"}


def test_an_empty_attestation_object_is_refused():
    with pytest.raises(InputError, match="empty"):
        device_attest_01.payload(b"")


def test_a_challenge_without_a_token_cannot_be_attested():
    with pytest.raises(MalformedAnswer, match="there is no token"):
        device_attest_01.signed_data(make("device-attest-01", DEVICE, token=None))


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'device-attest-01'"):
        device_attest_01.signed_data(make("http-01"))
