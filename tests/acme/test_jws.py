"""Signatures and thumbprints, against every vector that is published."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding, rsa, utils, x25519

from acmez.acme import ExternalAccount, InputError, PrivateKey, SigningKey
from acmez.acme.jws import public_jwk, sign, thumbprint
from acmez.acme.wire import JSONObject, b64decode, b64encode
from tests.acme.answers import Raw
from tests.acme.keys import ED25519, P256, RSA_PUBLIC, octets

MAC_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"  # RFC 7515 A.1
URL = "https://ca.example/acme/thing"


def protected(jws: JSONObject) -> Raw:
    header: Raw = json.loads(b64decode(str(jws["protected"])))
    return header


def signing_input(jws: JSONObject) -> bytes:
    return f"{jws['protected']}.{jws['payload']}".encode()


class TestThumbprints:
    @pytest.mark.parametrize(
        ("key", "published"),
        [
            (RSA_PUBLIC, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),  # RFC 7638 §3.1
            (ED25519.public_key(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),  # RFC 8037 A.3
            (P256.public_key(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"),
        ],
    )
    def test_they_are_the_published_ones(self, key: object, published: str):
        assert thumbprint(public_jwk(key)) == published

    def test_further_members_do_not_count(self):
        jwk = {**public_jwk(P256.public_key()), "use": "sig", "kid": "1"}

        assert thumbprint(jwk) == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"

    def test_the_jwk_of_rfc_8037(self):
        assert public_jwk(ED25519.public_key()) == {
            "crv": "Ed25519",
            "kty": "OKP",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }

    def test_coordinates_have_the_curves_length_however_small_they_are(self):
        # A private key of 1 has the curve's base point; P-521 coordinates have 66 octets.
        for curve, size in ((ec.SECP256R1(), 32), (ec.SECP384R1(), 48), (ec.SECP521R1(), 66)):
            jwk = public_jwk(ec.derive_private_key(1, curve).public_key())
            assert [len(octets(str(jwk[name]))) for name in "xy"] == [size, size]


class TestKeys:
    @pytest.mark.parametrize(
        ("curve", "algorithm", "size", "digest"),
        [
            (ec.SECP256R1(), "ES256", 64, hashes.SHA256()),
            (ec.SECP384R1(), "ES384", 96, hashes.SHA384()),
            (ec.SECP521R1(), "ES512", 132, hashes.SHA512()),
        ],
    )
    def test_ec_signatures_are_r_and_s(
        self, curve: ec.EllipticCurve, algorithm: str, size: int, digest: hashes.HashAlgorithm
    ):
        private = ec.generate_private_key(curve)
        key = SigningKey(private)

        signature = key.sign(b"data")

        assert key.algorithm == algorithm
        assert len(signature) == size
        r, s = (int.from_bytes(half, "big") for half in (signature[: size // 2], signature[size // 2 :]))
        private.public_key().verify(utils.encode_dss_signature(r, s), b"data", ec.ECDSA(digest))

    def test_small_r_and_s_keep_their_length(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("acmez.acme.jws.decode_dss_signature", lambda _: (1, 2))

        assert SigningKey(P256).sign(b"") == bytes(31) + b"\1" + bytes(31) + b"\2"

    def test_rsa_signatures_are_pkcs1(self):
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key = SigningKey(private)

        assert key.algorithm == "RS256"
        private.public_key().verify(key.sign(b"data"), b"data", padding.PKCS1v15(), hashes.SHA256())

    def test_ed25519_signatures_are_the_published_ones(self):
        # RFC 8037 A.4
        data = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"

        key = SigningKey(ED25519)

        assert key.algorithm == "EdDSA"
        assert b64encode(key.sign(data)) == (
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        )

    def test_the_published_es256_signature_verifies_with_our_jwk(self):
        # RFC 7515 A.3
        data = (
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
            "Ijp0cnVlfQ"
        )
        signature = octets("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")

        P256.public_key().verify(utils.encode_dss_signature(r, s), data.encode(), ec.ECDSA(hashes.SHA256()))
        assert SigningKey(P256).jwk == {
            "crv": "P-256",
            "kty": "EC",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }

    def test_what_is_no_key_is_refused(self):
        with pytest.raises(InputError, match=r"^key: expected a private key, got int$"):
            SigningKey(cast("PrivateKey", 7))

    @pytest.mark.parametrize(
        ("private", "named"),
        [
            (ec.generate_private_key(ec.SECP256K1()), "'EC secp256k1'"),
            (ed448.Ed448PrivateKey.generate(), "'.*Ed448PublicKey'"),
            (x25519.X25519PrivateKey.generate(), "'.*X25519PublicKey'"),
        ],
    )
    def test_kinds_that_acme_does_not_know_are_refused(self, private: object, named: str):
        with pytest.raises(InputError, match=f"^key: {named} has no JWS algorithm; use EC P-256"):
            SigningKey(private)  # type: ignore[arg-type]

    def test_short_rsa_keys_are_refused(self):
        private = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
        with pytest.raises(InputError, match="RSA with 1024 bits is too short"):
            SigningKey(private)

    def test_the_same_key_loaded_twice_is_the_same(self):
        again = SigningKey(P256.private_numbers().private_key())

        assert again.same_as(SigningKey(P256))
        assert not again.same_as(SigningKey(ED25519))

    def test_a_public_key_belongs_to_its_private_one(self):
        key = SigningKey(P256)

        assert key.belongs_to(P256.public_key())
        assert not key.belongs_to(ED25519.public_key())
        assert not key.belongs_to(ed448.Ed448PrivateKey.generate().public_key())

    def test_its_repr_shows_nothing_private(self):
        assert repr(SigningKey(P256)) == "<SigningKey ES256 oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U>"


class HardwareKey(ec.EllipticCurvePrivateKey):
    """A key that cannot be exported, as a wrapper of an HSM is written: only what cryptography's interface asks for."""

    def __init__(self) -> None:
        self._inside = ec.generate_private_key(ec.SECP384R1())
        self.signed = 0

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._inside.curve

    @property
    def key_size(self) -> int:
        return self._inside.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._inside.public_key()

    def sign(self, data, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        self.signed += 1
        return self._inside.sign(data, signature_algorithm)

    def exchange(self, *_: object) -> bytes:
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise NotImplementedError

    def private_bytes(self, *_: object) -> bytes:
        raise NotImplementedError

    def __copy__(self) -> HardwareKey:
        raise NotImplementedError

    def __deepcopy__(self, _: object) -> HardwareKey:
        raise NotImplementedError


def test_a_key_may_live_in_hardware():
    hardware = HardwareKey()
    key = SigningKey(hardware)

    jws = sign(key, URL, {"a": 1}, nonce="bm9uY2U", key_id="https://ca.example/acct/1")

    assert hardware.signed == 1
    signature = octets(str(jws["signature"]))
    r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")
    der = utils.encode_dss_signature(r, s)
    hardware.public_key().verify(der, signing_input(jws), ec.ECDSA(hashes.SHA384()))


class TestRequests:
    def test_a_jws_is_flattened_and_has_three_members(self, key: SigningKey):
        jws = sign(key, URL, {"a": 1}, nonce="bm9uY2U", key_id="https://ca.example/acct/1")

        assert list(jws) == ["protected", "payload", "signature"]
        assert b64decode(str(jws["payload"])) == b'{"a":1}'
        assert protected(jws) == {"alg": "ES256", "kid": "https://ca.example/acct/1", "nonce": "bm9uY2U", "url": URL}

    def test_without_key_id_the_public_key_is_sent(self, key: SigningKey):
        header = protected(sign(key, URL, {}, nonce="bm9uY2U"))

        assert header == {"alg": "ES256", "jwk": key.jwk, "nonce": "bm9uY2U", "url": URL}

    def test_post_as_get_has_an_empty_payload_and_an_empty_object_is_another(self, key: SigningKey):
        assert sign(key, URL, None)["payload"] == ""
        assert b64decode(str(sign(key, URL, {})["payload"])) == b"{}"

    def test_the_inner_jws_of_a_key_change_has_no_nonce(self, key: SigningKey):
        assert "nonce" not in protected(sign(key, URL, {}))


class TestExternalAccounts:
    def test_a_binding_is_the_computed_one(self, key: SigningKey):
        binding = ExternalAccount("kid-1", MAC_KEY).binding(key.jwk, "https://example.com/acme/new-account")

        assert binding == {
            "protected": (
                "eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC0xIiwidXJsIjoiaHR0cHM6Ly9leGFtcGxlLmNvbS9hY21lL25ldy1hY2NvdW50In0"
            ),
            "payload": (
                "eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImY4M09KM0QyeEYxQmc4dnViOXRMZTFnSE16Vjc2ZThUdXM5dVBIdlJWRVUiLCJ5"
                "IjoieF9GRXpSdTltMzZITE5fdHVlNjU5TE5wWFc2cEN5U3Rpa1lqS0lXSTVhMCJ9"
            ),
            "signature": "QuZg1lKPrYwiYgptNJaaFxhg9jPemMxfmbk5B7ATSYE",
        }

    def test_hs256_is_the_published_one(self):
        # RFC 7515 A.1
        data = (
            b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
            b"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        )
        digest = hmac.digest(ExternalAccount("kid", MAC_KEY).key_bytes, data, "sha256")

        assert b64encode(digest) == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    @pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_all_three_algorithms_are_spoken(self, key: SigningKey, algorithm: str, size: int):
        binding = ExternalAccount("kid", MAC_KEY, algorithm).binding(key.jwk, URL)

        assert protected(binding) == {"alg": algorithm, "kid": "kid", "url": URL}
        name = f"sha{algorithm[2:]}"
        expected = hmac.new(octets(MAC_KEY), signing_input(binding), getattr(hashlib, name)).digest()
        assert octets(str(binding["signature"])) == expected
        assert len(expected) == size

    @pytest.mark.parametrize("text", ["-_8", "-_8=", " -_8 \n", "+/8=", b"\xfb\xff"])
    def test_the_mac_key_is_taken_in_every_spelling(self, text: str | bytes):
        assert ExternalAccount("kid", text).key_bytes == b"\xfb\xff"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("kid", MAC_KEY, "none"), "external account: algorithm 'none' is none of HS256, HS384, HS512"),
            (("", MAC_KEY), "external account: the key id is empty"),
            (("kid", ""), "external account 'kid': the MAC key is empty"),
            (("kid", b""), "external account 'kid': the MAC key is empty"),
            (("kid", "se cret"), "external account 'kid': the MAC key is not base64url: characters outside"),
        ],
    )
    def test_what_cannot_bind_is_refused_without_telling_the_key(self, arguments: tuple[str, ...], message: str):
        with pytest.raises(InputError) as caught:
            ExternalAccount(*arguments)
        assert str(caught.value).startswith(message)
        assert "cret" not in str(caught.value)

    def test_its_repr_does_not_tell_the_key(self):
        assert MAC_KEY not in repr(ExternalAccount("kid", MAC_KEY))
