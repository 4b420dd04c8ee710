"""onion-csr-01 and in-band CAA for Tor's onion services (RFC 9799).

Both are signed with the key of the service. Tor's own file, `hs_ed25519_secret_key`, holds that key in its
expanded form, which cryptography cannot use; whatever signs with it only needs to look like `ServiceKey`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.errors import InputError
from acmez.acme.wire import JSONObject, b64decode, b64encode

from .reading import domain_name, malformed, require_type

_VERSION = b"\x03"
_ED25519 = bytes.fromhex("300506032b6570")  # AlgorithmIdentifier of RFC 8410 §3
_CA_SIGNING_NONCE = bytes.fromhex("060467810c29")  # OBJECT IDENTIFIER 2.23.140.41
_APPLICANT_SIGNING_NONCE = bytes.fromhex("060467810c2a")  # OBJECT IDENTIFIER 2.23.140.42


class ServiceKey(Protocol):
    """The Ed25519 key of an onion service, such as cryptography's `Ed25519PrivateKey`."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature of *data*, 64 bytes."""
        ...

    def public_key(self) -> Ed25519PublicKey:
        """Return the public key."""
        ...


@dataclass(frozen=True, slots=True)
class OnionCaa:
    """A service's CAA records as the CA gets them with the finalize request (RFC 9799 §6.4).

    Attributes:
        name: of the service, without labels in front.
        caa: one record a line ("caa 0 issue ..."), or `None`: there are none.
        expiry: Unix time in seconds, at most 8 hours ahead.
        signature: of the service's key.
    """

    name: str
    caa: str | None
    expiry: int
    signature: bytes = field(repr=False)

    def to_json(self) -> JSONObject:
        """Return the member of `onionCAA` that is called `name`."""
        return {"caa": self.caa, "expiry": self.expiry, "signature": b64encode(self.signature)}

    def verify(self) -> bool:
        """Whether the key in the name made the signature."""
        try:
            public_key(self.name).verify(self.signature, _caa_text(self.caa, self.expiry))
        except InvalidSignature:
            return False
        return True


def address(key: Ed25519PublicKey) -> str:
    """Return the address of a service, version 3 of Tor's: 56 characters and ".onion"."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b32encode(raw + _checksum(raw) + _VERSION).decode().lower() + ".onion"


def public_key(name: str) -> Ed25519PublicKey:
    """Return the key that an onion name is made of; labels in front of it do not matter.

    Raises:
        InputError: *name* is not a version 3 address, or its checksum is wrong.
    """
    label = _service(name).removesuffix(".onion")
    try:
        raw = base64.b32decode(label.upper())
    except (binascii.Error, ValueError):
        raw = b""
    key, checksum, version = raw[:32], raw[32:34], raw[34:]
    if version != _VERSION or checksum != _checksum(key) or not name.isascii() or not name.lower().endswith(".onion"):
        raise InputError(f"{name!a:.260}: not a version 3 onion address (mistyped?)")
    return Ed25519PublicKey.from_public_bytes(key)


def auth_key(challenge: Challenge) -> Ed25519PublicKey | None:
    """Return the key that the CA uses as a client of the service, if it needs to be let in (RFC 9799 §4).

    The service must authorize it and republish its descriptor before the challenge is answered.

    Raises:
        InputError: the challenge is of another type.
        MalformedAnswer: the key is not an Ed25519 JWK (RFC 8037).
    """
    require_type(challenge, ChallengeType.ONION_CSR_01)
    jwk = challenge.raw.get("authKey")
    if jwk is None:
        return None
    if isinstance(jwk, Mapping) and jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
        x = jwk.get("x")
        try:
            return Ed25519PublicKey.from_public_bytes(b64decode(x if isinstance(x, str) else ""))
        except ValueError:  # InputError is one
            pass
    raise malformed(challenge, "authKey: expected an Ed25519 JWK")


def csr(challenge: Challenge, key: ServiceKey, *, nonce: bytes | None = None) -> bytes:
    """Return the request that answers *challenge*, DER; it is not the one that finalizes the order.

    Args:
        key: of the service.
        nonce: the applicant's, at least 8 bytes; random by default.

    Raises:
        InputError: the challenge is of another type, *key* is not the service's, or *nonce* is too short.
        MalformedAnswer: the server's nonce is missing, not Base64, or shorter than 8 bytes.
    """
    require_type(challenge, ChallengeType.ONION_CSR_01)
    service = _service(domain_name(challenge))
    if address(key.public_key()) != service:
        raise InputError(f"{service}: the key is of another service, {address(key.public_key())}")
    applicant_nonce = os.urandom(16) if nonce is None else nonce
    if len(applicant_nonce) < 8:
        raise InputError(f"nonce: expected at least 8 bytes, got {len(applicant_nonce)}")
    attributes = sorted(
        (
            _der(0x30, _CA_SIGNING_NONCE, _der(0x31, _der(0x04, _ca_nonce(challenge)))),
            _der(0x30, _APPLICANT_SIGNING_NONCE, _der(0x31, _der(0x04, applicant_nonce))),
        )
    )
    # Written by hand: cryptography's builder has no public way to set an attribute to an OCTET STRING.
    public_key_info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = _der(0x30, b"\x02\x01\x00", _der(0x30), public_key_info, _der(0xA0, *attributes))
    return _der(0x30, info, _ED25519, _der(0x03, b"\x00", key.sign(info)))


def payload(challenge: Challenge, key: ServiceKey) -> JSONObject:
    """Return what is sent to the challenge's URL; raises like `csr`."""
    return {"csr": b64encode(csr(challenge, key))}


def sign_caa(key: ServiceKey, caa: str | None, expiry: datetime) -> OnionCaa:
    """Return the CAA records of a service, signed.

    Args:
        caa: one record a line, lines joined by LF ("caa 0 issue \\"ca.example\\""); `None`: there are none.
        expiry: with a time zone, at most 8 hours ahead.

    Raises:
        InputError: *expiry* has no time zone.
    """
    if expiry.tzinfo is None:
        raise InputError(f"expiry: {expiry.isoformat()!r} has no time zone (did you mean datetime.now(UTC)?)")
    seconds = int(expiry.timestamp())
    return OnionCaa(address(key.public_key()), caa, seconds, key.sign(_caa_text(caa, seconds)))


def _caa_text(caa: str | None, expiry: int) -> bytes:
    return f"onion-caa|{expiry}|{caa or ''}".encode()


def _service(name: str) -> str:
    return ".".join(name.lower().split(".")[-2:])


def _checksum(key: bytes) -> bytes:
    return hashlib.sha3_256(b".onion checksum" + key + _VERSION).digest()[:2]


def _ca_nonce(challenge: Challenge) -> bytes:
    value = challenge.raw.get("nonce")
    try:
        # The RFC wants Base64 with padding; what servers send as base64url means the same.
        text = value.translate(str.maketrans("+/", "-_")) if isinstance(value, str) else ""
        nonce = b64decode(text)
    except InputError:
        nonce = b""
    if not 8 <= len(nonce) <= 1024:
        raise malformed(challenge, "nonce: expected Base64 of 8 to 1024 bytes")
    return nonce


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
