"""JSON Web Signatures (RFC 7515) as ACME restricts them (RFC 8555 §6.2), read strictly and verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acmez_testkit.behaviour import ALGORITHMS
from acmez_testkit.wire import Refusal

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_MACS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_CURVES: dict[str, tuple[str, ec.EllipticCurve, hashes.HashAlgorithm, int]] = {
    "P-256": ("ES256", ec.SECP256R1(), hashes.SHA256(), 32),
    "P-384": ("ES384", ec.SECP384R1(), hashes.SHA384(), 48),
    "P-521": ("ES512", ec.SECP521R1(), hashes.SHA512(), 66),
}
_BY_CURVE_NAME = {curve.name: (alg, digest, size) for alg, curve, digest, size in _CURVES.values()}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Jws:
    """A flattened JWS whose signature is not verified yet."""

    protected: Mapping[str, object]
    payload: bytes
    signature: bytes
    signing_input: bytes


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A public key with its JWK and RFC 7638 thumbprint."""

    key: PublicKey = field(repr=False)
    jwk: Mapping[str, object] = field(repr=False)
    alg: str
    thumbprint: str
    spki: bytes = field(repr=False)
    """The key as a SubjectPublicKeyInfo, to compare it with others."""


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: object, what: str) -> bytes:
    """Decode `text`; raise Refusal unless it is base64url without padding in its canonical form."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Refusal("malformed", f"{what} is not base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(data) != text:
        raise Refusal("malformed", f"{what} is not canonical base64url")
    return data


def read_json(data: bytes | str, what: str) -> dict[str, object]:
    """Read one JSON object; raise Refusal for anything else and for a key that is there twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refusal("malformed", f"{what} has a member twice")
        return found

    try:
        text = data.decode() if isinstance(data, bytes) else data
        value = json.loads(text, object_pairs_hook=once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal("malformed", f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise Refusal("malformed", f"{what} is not a JSON object")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def parse(document: Mapping[str, object], what: str = "JWS") -> Jws:
    """Take a flattened JWS apart; raise Refusal unless it is exactly one, in canonical form."""
    if set(document) != {"protected", "payload", "signature"}:
        raise Refusal("malformed", f"{what} has to have exactly protected, payload and signature")
    header = from_base64url(document["protected"], f"protected of {what}")
    payload = from_base64url(document["payload"], f"payload of {what}")
    signature = from_base64url(document["signature"], f"signature of {what}")
    signing_input = f"{document['protected']}.{document['payload']}".encode()
    return Jws(read_json(header, f"protected header of {what}"), payload, signature, signing_input)


def read_jwk(value: object, *, min_rsa_bits: int) -> AccountKey:
    """Read a public JWK (RFC 7517); raise Refusal `badPublicKey` for any that is not acceptable."""
    if not isinstance(value, dict):
        raise Refusal("malformed", "jwk is not a JSON object")
    if _PRIVATE_MEMBERS & set(value):
        raise Refusal("badPublicKey", "jwk holds a private key")
    try:
        match value.get("kty"):
            case "RSA":
                return _rsa(value, min_rsa_bits)
            case "EC":
                return _ec(value)
            case "OKP":
                return _okp(value)
            case kty:
                raise Refusal("badPublicKey", f"unknown key type {kty!r}")
    except (KeyError, ValueError):
        raise Refusal("badPublicKey", "jwk is not a valid public key") from None


def _rsa(jwk: Mapping[str, object], min_bits: int) -> AccountKey:
    n, e = from_base64url(jwk["n"], "n of jwk"), from_base64url(jwk["e"], "e of jwk")
    if n[:1] == b"\0" or e[:1] == b"\0":
        raise Refusal("badPublicKey", "n and e of jwk have to be in their shortest form")
    key = rsa.RSAPublicNumbers(int.from_bytes(e), int.from_bytes(n)).public_key()
    check_strength(key, "badPublicKey", min_rsa_bits=min_bits)
    return _account_key(key, jwk, "RS256", ("e", "kty", "n"))


def _ec(jwk: Mapping[str, object]) -> AccountKey:
    alg, curve, _, size = _CURVES[str(jwk["crv"])]
    x, y = from_base64url(jwk["x"], "x of jwk"), from_base64url(jwk["y"], "y of jwk")
    if len(x) != size or len(y) != size:
        raise Refusal("badPublicKey", f"x and y of jwk have to be {size} bytes long")
    key = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    return _account_key(key, jwk, alg, ("crv", "kty", "x", "y"))


def _okp(jwk: Mapping[str, object]) -> AccountKey:
    if jwk["crv"] != "Ed25519":
        raise Refusal("badPublicKey", f"unknown curve {jwk['crv']!r}")
    key = Ed25519PublicKey.from_public_bytes(from_base64url(jwk["x"], "x of jwk"))
    return _account_key(key, jwk, "EdDSA", ("crv", "kty", "x"))


def _account_key(key: PublicKey, jwk: Mapping[str, object], alg: str, members: Iterable[str]) -> AccountKey:
    required = {name: jwk[name] for name in members}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    return AccountKey(key, required, alg, base64url(hashlib.sha256(canonical).digest()), spki_of(key))


def spki_of(key: PublicKeyTypes) -> bytes:
    """Return a public key as a DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_strength(key: object, problem: str, *, min_rsa_bits: int) -> None:
    """Raise Refusal of type `problem` for a key that is too weak or of an unknown kind."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < min_rsa_bits:
            raise Refusal(problem, f"RSA key of {key.key_size} bits, at least {min_rsa_bits} are needed")
        if key.public_numbers().e < 65537:
            raise Refusal(problem, f"RSA key has the exponent {key.public_numbers().e}")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _BY_CURVE_NAME:
            raise Refusal(problem, f"unknown curve {key.curve.name!r}")
    elif not isinstance(key, Ed25519PublicKey):
        raise Refusal(problem, "unknown kind of key")


def check_algorithm(alg: object, offered: Iterable[str] = ALGORITHMS) -> None:
    """Raise Refusal `badSignatureAlgorithm` unless `alg` is offered (RFC 8555 §6.2)."""
    names = list(offered)
    if alg not in names:
        detail = f"signature algorithm {alg!r} is not accepted"
        raise Refusal("badSignatureAlgorithm", detail, members={"algorithms": names})


def verify(jws: Jws, key: AccountKey, offered: Iterable[str] = ALGORITHMS) -> None:
    """Raise Refusal unless `jws` is signed by `key` with that key's algorithm."""
    alg = jws.protected.get("alg")
    check_algorithm(alg, offered)
    if alg != key.alg:
        detail = f"signature algorithm {alg!r} does not fit the key"
        raise Refusal("badSignatureAlgorithm", detail, members={"algorithms": [key.alg]})
    try:
        _verify_signature(key.key, jws.signature, jws.signing_input)
    except InvalidSignature:
        raise Refusal("malformed", "JWS signature does not verify") from None


def _verify_signature(key: PublicKey, signature: bytes, data: bytes) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        _, digest, size = _BY_CURVE_NAME[key.curve.name]
        if len(signature) != 2 * size:  # raw r and s (RFC 7518 §3.4), not DER
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
    else:
        key.verify(signature, data)


def verify_mac(jws: Jws, secret: bytes) -> None:
    """Raise Refusal unless `jws` carries the right MAC (RFC 8555 §7.3.4)."""
    alg = jws.protected.get("alg")
    check_algorithm(alg, _MACS)
    expected = hmac.digest(secret, jws.signing_input, _MACS[str(alg)]().name)
    if not hmac.compare_digest(expected, jws.signature):
        raise Refusal("unauthorized", "MAC of externalAccountBinding does not verify", 403)
