"""Private keys as cryptography knows them, whose signatures are made in the token."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Signs a digest, for RSA in its DigestInfo; the answer is what the token gives, for EC r || s.
SignInToken = Callable[[bytes], bytes]

# Of the DigestInfo in front of the digest (RFC 8017 §9.2, note 1).
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class EcKey(ec.EllipticCurvePrivateKey):
    """An EC key in a token."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign: SignInToken, where: str) -> None:
        self._public_key = public_key
        self._sign = sign
        self._where = where

    def __repr__(self) -> str:
        return f"<EcKey {self._where}>"

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.curve.key_size

    def sign(self, data: ReadableBuffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        if not isinstance(signature_algorithm, ec.ECDSA) or getattr(
            signature_algorithm, "deterministic_signing", False
        ):
            raise UnsupportedAlgorithm("a token signs by plain ECDSA only")
        raw = self._sign(_digest(bytes(data), signature_algorithm.algorithm)[0])
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        _stays(self._where)

    def private_numbers(self) -> NoReturn:
        _stays(self._where)

    def private_bytes(self, *_: object) -> NoReturn:
        _stays(self._where)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class RsaKey(rsa.RSAPrivateKey):
    """An RSA key in a token."""

    def __init__(self, public_key: rsa.RSAPublicKey, sign: SignInToken, where: str) -> None:
        self._public_key = public_key
        self._sign = sign
        self._where = where

    def __repr__(self) -> str:
        return f"<RsaKey {self._where}>"

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(
        self, data: ReadableBuffer, padding_: object, algorithm: utils.Prehashed | hashes.HashAlgorithm | object
    ) -> bytes:
        if not isinstance(padding_, padding.PKCS1v15):
            raise UnsupportedAlgorithm("a key in a token signs with the padding PKCS1v15 only")
        digest, name = _digest(bytes(data), algorithm)
        return self._sign(_DIGEST_INFO[name] + digest)

    def decrypt(self, ciphertext: bytes, padding: object) -> NoReturn:
        _stays(self._where)

    def private_numbers(self) -> NoReturn:
        _stays(self._where)

    def private_bytes(self, *_: object) -> NoReturn:
        _stays(self._where)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _digest(data: bytes, algorithm: object) -> tuple[bytes, str]:
    """Return the digest, and by what it was made."""
    prehashed = isinstance(algorithm, utils.Prehashed)
    kind = algorithm._algorithm if isinstance(algorithm, utils.Prehashed) else algorithm
    if not isinstance(kind, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise UnsupportedAlgorithm("a key in a token signs with SHA-256, SHA-384 or SHA-512 only")
    if prehashed:
        if len(data) != kind.digest_size:
            raise ValueError(f"a digest of {kind.digest_size} bytes was promised, and {len(data)} came")
        return data, kind.name
    context = hashes.Hash(kind)
    context.update(data)
    return context.finalize(), kind.name


def _stays(where: str) -> NoReturn:
    raise UnsupportedAlgorithm(f"{where}: the private key stays in its token")
