"""Key pairs inside of a token: find, read and create them."""

from __future__ import annotations

import secrets
from typing import cast

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from acmez.remote_keys import ToSign

from .address import Address
from .errors import Pkcs11Error

#: Each type that can be created: its DER-encoded curve (RFC 5480 §2.1.1.1), or its bits.
TYPES: dict[str, bytes | int] = {
    "ec-p256": bytes.fromhex("06082a8648ce3d030107"),
    "ec-p384": bytes.fromhex("06052b81040022"),
    "rsa-2048": 2048,
    "rsa-3072": 3072,
    "rsa-4096": 4096,
}
_CURVES: dict[bytes, ec.EllipticCurve] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
}
_OCTET_STRING = 4
# Of the DigestInfo in front of the digest (RFC 8017 §9.2, note 1).
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_NEVER_LEAVES = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


def find_private(session: pkcs11.Session, address: Address) -> pkcs11.PrivateKey | None:
    """Return the private key, `None` if there is none.

    Raises:
        Pkcs11Error: there are several.
    """
    found = [*session.get_objects(_template(ObjectClass.PRIVATE_KEY, address))]
    if len(found) > 1:
        raise Pkcs11Error(f"{address}: there are {len(found)} of them; tell them apart by the URI's 'id'")
    # What was searched for by its class is of that class.
    return cast("pkcs11.PrivateKey", found[0]) if found else None


def read_public(session: pkcs11.Session, address: Address) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | None:
    """Return the public key that belongs to the private one, `None` if there is no private one.

    Raises:
        Pkcs11Error: its public half is not in the token, or it is of a kind that ACME has no use for.
    """
    private = find_private(session, address)
    if private is None:
        return None
    kind = private[Attribute.KEY_TYPE]
    publics = [*session.get_objects(_template(ObjectClass.PUBLIC_KEY, address))]
    # Tokens keep the modulus with the private key as well, and some the point.
    for holder in [*publics, private]:
        try:
            if kind == KeyType.EC:
                return _ec_public(holder[Attribute.EC_PARAMS], holder[Attribute.EC_POINT])
            if kind == KeyType.RSA:
                return rsa.RSAPublicNumbers(
                    int.from_bytes(holder[Attribute.PUBLIC_EXPONENT], "big"),
                    int.from_bytes(holder[Attribute.MODULUS], "big"),
                ).public_key()
        except (pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive):
            continue
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Pkcs11Error(f"{address}: {error}") from error
        raise Pkcs11Error(f"{address}: is neither EC nor RSA")
    raise Pkcs11Error(f"{address}: its public key is not in the token")


def sign(session: pkcs11.Session, address: Address, wanted: ToSign) -> bytes | None:
    """Return the signature, `None` if there is no such key.

    Raises:
        Pkcs11Error: the key may not sign.
    """
    key = find_private(session, address)
    if key is None:
        return None
    if not isinstance(key, pkcs11.SignMixin):
        raise Pkcs11Error(f"{address}: the token does not let it sign")
    if key[Attribute.KEY_TYPE] == KeyType.RSA:
        # Not every token knows the mechanisms that hash as well.
        return bytes(key.sign(_DIGEST_INFO[wanted.algorithm.name] + wanted.digest, mechanism=Mechanism.RSA_PKCS))
    raw = bytes(key.sign(wanted.digest, mechanism=Mechanism.ECDSA))  # r || s
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def create(session: pkcs11.Session, address: Address, kind: str) -> None:
    """Create a key pair that stays in the token."""
    made = TYPES[kind]
    options = {
        "label": address.label,
        "id": address.id or secrets.token_bytes(16),
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": _NEVER_LEAVES,
    }
    if isinstance(made, int):
        session.generate_keypair(KeyType.RSA, made, **options)
    else:
        curve = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: made}, local=True)
        curve.generate_keypair(**options)  # type: ignore[arg-type]


def _template(kind: ObjectClass, address: Address) -> dict[Attribute, object]:
    template: dict[Attribute, object] = {Attribute.CLASS: kind}
    if address.label is not None:
        template[Attribute.LABEL] = address.label
    if address.id is not None:
        template[Attribute.ID] = address.id
    return template


def _ec_public(parameters: bytes, point: bytes) -> ec.EllipticCurvePublicKey:
    curve = _CURVES.get(bytes(parameters))
    if curve is None:
        raise ValueError("is on a curve that is neither P-256 nor P-384")
    # The standard wants an OCTET STRING around it, some tokens leave it out.
    size = 1 + 2 * ((curve.key_size + 7) // 8)
    bare = point[2:] if point[:1] == bytes([_OCTET_STRING]) and len(point) == size + 2 else point
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes(bare))
