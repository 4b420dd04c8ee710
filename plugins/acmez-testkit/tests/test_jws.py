"""The published vectors of the signature and key formats."""

from __future__ import annotations

import pytest
from acmez_testkit.jws import Jws, base64url, from_base64url, parse, read_jwk, verify, verify_mac
from acmez_testkit.wire import Refusal

P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RSA = {
    "kty": "RSA",
    "e": "AQAB",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY"
        "b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0"
        "Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
}
ES256 = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
    "cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
EDDSA = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
HS256 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
    "LmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
MAC_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"


def compact(text: str) -> Jws:
    return parse(dict(zip(("protected", "payload", "signature"), text.split("."), strict=True)))


@pytest.mark.parametrize(
    ("jwk", "thumbprint"),
    [
        (RSA, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ED25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        (P256, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"),
    ],
)
def test_thumbprints(jwk, thumbprint):
    assert read_jwk(jwk | {"use": "sig"}, min_rsa_bits=2048).thumbprint == thumbprint


@pytest.mark.parametrize(("text", "jwk"), [(ES256, P256), (EDDSA, ED25519)])
def test_signatures(text, jwk):
    key = read_jwk(jwk, min_rsa_bits=2048)
    verify(compact(text), key)
    with pytest.raises(Refusal, match="does not verify"):
        verify(compact(text[:-4] + "AAAA"), key)


def test_macs():
    verify_mac(compact(HS256), from_base64url(MAC_KEY, "key"))
    with pytest.raises(Refusal, match="does not verify"):
        verify_mac(compact(HS256), b"wrong")


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfe", bytes(range(256))])
def test_base64url_goes_there_and_back(data):
    assert from_base64url(base64url(data), "data") == data


def test_a_key_with_a_leading_zero_in_n_is_refused():
    with pytest.raises(Refusal, match="shortest"):
        read_jwk(RSA | {"n": base64url(b"\0" + from_base64url(RSA["n"], "n"))}, min_rsa_bits=2048)


def test_a_point_that_is_not_on_the_curve_is_refused():
    with pytest.raises(Refusal, match="not a valid public key"):
        read_jwk(P256 | {"y": P256["x"]}, min_rsa_bits=2048)
