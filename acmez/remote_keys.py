"""Private keys as cryptography knows them, whose signatures are made elsewhere: in an HSM, a token, a KMS.

A key provider gets the public key from there and says how to have something signed; `remote_key` makes the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Self, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Hash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


@dataclass(frozen=True, slots=True)
class ToSign:
    """What a signature is wanted of.

    Attributes:
        digest: by `algorithm`.
        data: of which the digest is; `None`: nobody but the caller knows.
    """

    digest: bytes
    algorithm: Hash
    data: bytes | None = field(repr=False)


#: Returns the signature, for EC as DER (RFC 3279 §2.2.3), for RSA with PKCS #1 v1.5 (RFC 8017 §8.2).
Sign: TypeAlias = Callable[[ToSign], bytes]


def remote_key(
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, sign: Sign, where: str
) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """Return the private key of *public_key*.

    Args:
        where: the key, in representations and errors.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        return RemoteRsaKey(public_key, sign, where)
    return RemoteEcKey(public_key, sign, where)


class RemoteEcKey(ec.EllipticCurvePrivateKey):
    """An EC key that signs by ECDSA."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign: Sign, where: str) -> None:
        self._public_key = public_key
        self._sign = sign
        self._where = where

    def __repr__(self) -> str:
        return f"<RemoteEcKey {self._where}>"

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """The bits of the curve's order."""
        return self._public_key.curve.key_size

    def sign(self, data: ReadableBuffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the signature, as DER; raises `UnsupportedAlgorithm` for anything but randomized ECDSA."""
        deterministic = getattr(signature_algorithm, "deterministic_signing", False)
        if not isinstance(signature_algorithm, ec.ECDSA) or deterministic:
            raise UnsupportedAlgorithm(f"{self._where}: signs by randomized ECDSA only")
        return self._sign(_to_sign(bytes(data), signature_algorithm.algorithm, self._where))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        """Refuse: the key is for signatures."""
        _refuse(self._where)

    def private_numbers(self) -> NoReturn:
        """Refuse: they stay where they are."""
        _refuse(self._where)

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuse: they stay where they are."""
        _refuse(self._where)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class RemoteRsaKey(rsa.RSAPrivateKey):
    """An RSA key that signs with the padding PKCS #1 v1.5, as ACME and certificate requests want it."""

    def __init__(self, public_key: rsa.RSAPublicKey, sign: Sign, where: str) -> None:
        self._public_key = public_key
        self._sign = sign
        self._where = where

    def __repr__(self) -> str:
        return f"<RemoteRsaKey {self._where}>"

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public key."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """The bits of the modulus."""
        return self._public_key.key_size

    def sign(self, data: ReadableBuffer, padding_: object, algorithm: object) -> bytes:
        """Return the signature; raises `UnsupportedAlgorithm` for any other padding than PKCS1v15."""
        if not isinstance(padding_, padding.PKCS1v15):
            raise UnsupportedAlgorithm(f"{self._where}: signs with the padding PKCS1v15 only")
        return self._sign(_to_sign(bytes(data), algorithm, self._where))

    def decrypt(self, ciphertext: bytes, padding: object) -> NoReturn:
        """Refuse: the key is for signatures."""
        _refuse(self._where)

    def private_numbers(self) -> NoReturn:
        """Refuse: they stay where they are."""
        _refuse(self._where)

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuse: they stay where they are."""
        _refuse(self._where)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _to_sign(data: bytes, algorithm: object, where: str) -> ToSign:
    # The algorithm of `Prehashed` has no public name.
    kind: object = algorithm._algorithm if isinstance(algorithm, utils.Prehashed) else algorithm
    if not isinstance(kind, Hash):
        raise UnsupportedAlgorithm(f"{where}: signs with SHA-256, SHA-384 or SHA-512 only")
    if isinstance(algorithm, utils.Prehashed):
        if len(data) != kind.digest_size:
            raise ValueError(f"{where}: a digest of {kind.digest_size} bytes was promised, and {len(data)} came")
        return ToSign(data, kind, None)
    context = hashes.Hash(kind)
    context.update(data)
    return ToSign(context.finalize(), kind, data)


def _refuse(where: str) -> NoReturn:
    raise UnsupportedAlgorithm(f"{where}: the private key stays there, and is for signatures only")
