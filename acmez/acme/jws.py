"""Signing ACME requests (RFC 8555 §6.2, RFC 7515, RFC 7518, RFC 7638, RFC 8037)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .errors import InputError
from .wire import JSON, JSONObject, b64decode, b64encode, dumps

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_CURVES: Mapping[str, tuple[str, str, hashes.HashAlgorithm]] = MappingProxyType(
    {
        "secp256r1": ("P-256", "ES256", hashes.SHA256()),
        "secp384r1": ("P-384", "ES384", hashes.SHA384()),
        "secp521r1": ("P-521", "ES512", hashes.SHA512()),
    }
)
_URLSAFE = str.maketrans("+/", "-_")
_MACS = MappingProxyType({"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"})


class SigningKey:
    """An account or certificate key that signs requests.

    Args:
        private_key: any object that follows cryptography's private-key interfaces for EC (P-256, P-384,
            P-521), RSA or Ed25519; the key itself may live in an HSM or KMS.

    Raises:
        InputError: it is no private key, the kind of key has no JWS algorithm that ACME servers know, or it is
            an RSA key of fewer than 2048 bits (RFC 7518 §3.3).
    """

    def __init__(self, private_key: PrivateKey) -> None:
        if not hasattr(private_key, "public_key"):  # it may come from a plugin
            raise InputError(f"key: expected a private key, got {type(private_key).__name__}")
        self.private_key = private_key
        self.jwk: JSONObject = public_jwk(private_key.public_key())
        self.thumbprint = thumbprint(self.jwk)
        self.algorithm = _algorithm(private_key)
        if isinstance(private_key, rsa.RSAPrivateKey) and private_key.key_size < 2048:
            raise InputError(
                f"key: RSA with {private_key.key_size} bits is too short; use at least 2048 (RFC 7518 §3.3)"
            )

    def sign(self, data: bytes) -> bytes:
        """Return the JWS signature of *data* (RFC 7518 §3)."""
        key = self.private_key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            signature = key.sign(data, ec.ECDSA(_CURVES[key.curve.name][2]))
            # JOSE wants r || s of fixed length, not ASN.1 (RFC 7518 §3.4).
            r, s = decode_dss_signature(signature)
            size = (key.curve.key_size + 7) // 8
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(data)

    def same_as(self, other: SigningKey) -> bool:
        """Whether both are the same key, however they were loaded."""
        return self.thumbprint == other.thumbprint

    def belongs_to(self, public_key: object) -> bool:
        """Whether *public_key*, of whatever kind, is this key's."""
        try:
            return public_jwk(public_key) == self.jwk
        except InputError:
            return False

    def __repr__(self) -> str:
        return f"<SigningKey {self.algorithm} {self.thumbprint}>"


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """What a CA gives its customers to bind an ACME account to (RFC 8555 §7.3.4).

    Attributes:
        key_id: the CA's name for the MAC key.
        mac_key: base64url text, padded or not, or the key's bytes; some CAs print plain base64, which
            is taken as well.
        algorithm: "HS256", "HS384" or "HS512"; public CAs take HS256 however long the key is.
    """

    key_id: str
    mac_key: str | bytes = field(repr=False)
    algorithm: str = "HS256"

    def __post_init__(self) -> None:
        if self.algorithm not in _MACS:
            raise InputError(f"external account: algorithm {self.algorithm!r} is none of {', '.join(_MACS)}")
        if not self.key_id:
            raise InputError("external account: the key id is empty")
        try:
            key = self.key_bytes
        except InputError as exc:
            raise InputError(f"external account {self.key_id!r}: the MAC key is {exc}") from None
        if not key:
            raise InputError(f"external account {self.key_id!r}: the MAC key is empty")

    @property
    def key_bytes(self) -> bytes:
        """The MAC key itself."""
        if isinstance(self.mac_key, bytes):
            return self.mac_key
        return b64decode(self.mac_key.strip().translate(_URLSAFE))

    def binding(self, account_jwk: JSONObject, new_account_url: str) -> JSONObject:
        """Return the `externalAccountBinding` of a newAccount request."""
        protected = {"alg": self.algorithm, "kid": self.key_id, "url": new_account_url}
        signing_input = f"{b64encode(dumps(protected))}.{b64encode(dumps(account_jwk))}"
        digest = hmac.digest(self.key_bytes, signing_input.encode(), _MACS[self.algorithm])
        return _flattened(signing_input, digest)


def sign(
    key: SigningKey,
    url: str,
    payload: JSONObject | None,
    *,
    nonce: str | None = None,
    key_id: str | None = None,
) -> JSONObject:
    """Return a flattened JWS (RFC 8555 §6.2).

    Args:
        url: the URL it is sent to.
        payload: `None` signs the empty payload of POST-as-GET.
        nonce: left out in the inner JWS of a key change (RFC 8555 §7.3.5).
        key_id: the account URL; `None` sends the public key itself.
    """
    protected: dict[str, JSON] = {"alg": key.algorithm}
    if key_id is None:
        protected["jwk"] = key.jwk
    else:
        protected["kid"] = key_id
    if nonce is not None:
        protected["nonce"] = nonce
    protected["url"] = url
    encoded = "" if payload is None else b64encode(dumps(payload))
    signing_input = f"{b64encode(dumps(protected))}.{encoded}"
    return _flattened(signing_input, key.sign(signing_input.encode("ascii")))


def public_jwk(key: object) -> JSONObject:
    """Return a public key as JWK, members in the order of its thumbprint.

    Raises:
        InputError: the kind of key has no place in ACME.
    """
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        numbers = key.public_numbers()
        size = (key.curve.key_size + 7) // 8
        x, y = (b64encode(n.to_bytes(size, "big")) for n in (numbers.x, numbers.y))
        return {"crv": _CURVES[key.curve.name][0], "kty": "EC", "x": x, "y": y}
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"e": _encode_int(rsa_numbers.e), "kty": "RSA", "n": _encode_int(rsa_numbers.n)}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": b64encode(key.public_bytes_raw())}
    kind = f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
    raise InputError(f"key: {kind!r} has no JWS algorithm; use EC P-256, P-384 or P-521, RSA or Ed25519")


def thumbprint(jwk: JSONObject) -> str:
    """Return the base64url SHA-256 thumbprint of a JWK (RFC 7638 §3)."""
    required = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
    members = {name: jwk[name] for name in required[str(jwk["kty"])]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return b64encode(hashlib.sha256(canonical.encode()).digest())


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVES[key.curve.name][1]
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "EdDSA"


def _encode_int(number: int) -> str:
    return b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _flattened(signing_input: str, signature: bytes) -> JSONObject:
    protected, _, payload = signing_input.partition(".")
    return {"protected": protected, "payload": payload, "signature": b64encode(signature)}
