"""The key provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from acmez.remote_keys import Sign, ToSign, remote_key

from .errors import AwsKmsError, reason

T = TypeVar("T")

#: What KMS takes as a message; of more than that it takes the digest.
MAX_MESSAGE = 4096

_CURVES = ("secp256r1", "secp384r1")
_RETRIES: Mapping[str, object] = {"mode": "standard", "max_attempts": 3}


class KmsClient(Protocol):
    """What is used of boto3's client for KMS."""

    def get_public_key(self, *, KeyId: str) -> Mapping[str, object]: ...  # noqa: N803 - as AWS has it

    def sign(
        self,
        *,
        KeyId: str,  # noqa: N803
        Message: bytes,  # noqa: N803
        MessageType: str,  # noqa: N803
        SigningAlgorithm: str,  # noqa: N803
    ) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class AwsKmsKey:
    """A key pair in AWS KMS, for signatures; it never leaves KMS.

    Credentials come from where AWS's tools have them: environment, shared files, the role of the machine.

    Attributes:
        key_id: id or ARN of the key, or "alias/NAME".
        region: such as "eu-central-1"; "": as AWS's own configuration says.
        profile: of AWS's shared configuration; "": the default one.
        endpoint_url: of KMS; "": AWS's own.

    Raises:
        ValueError: *key_id* is empty.
    """

    name: ClassVar[str] = "key-aws-kms"

    key_id: str
    region: str = ""
    profile: str = ""
    endpoint_url: str = ""

    def __post_init__(self) -> None:
        if not self.key_id:
            raise ValueError("key_id: give the key's id, ARN or alias")

    def get(self, purpose: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        """Return the key, for whatever purpose.

        Raises:
            AwsKmsError: it is not there, is not for signatures, or AWS does not let us use it.
        """
        client = self._client()
        answer = _called(self.key_id, lambda: client.get_public_key(KeyId=self.key_id))
        if answer.get("KeyUsage") != "SIGN_VERIFY":
            raise AwsKmsError(f"{self.key_id}: is for {answer.get('KeyUsage')}, not for signatures (SIGN_VERIFY)")
        public = _public_key(self.key_id, answer)
        family = "ECDSA_SHA" if isinstance(public, ec.EllipticCurvePublicKey) else "RSASSA_PKCS1_V1_5_SHA"
        return remote_key(public, _signing(client, self.key_id, family), f"AWS KMS: {self.key_id}")

    def _client(self) -> KmsClient:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        def make() -> KmsClient:
            session = boto3.session.Session(profile_name=self.profile or None, region_name=self.region or None)
            made = session.client("kms", endpoint_url=self.endpoint_url or None, config=Config(retries=_RETRIES))
            return cast("KmsClient", made)

        return _called(self.key_id, make)


def _public_key(key_id: str, answer: Mapping[str, object]) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    der = answer.get("PublicKey")
    try:
        key = load_der_public_key(der if isinstance(der, bytes) else b"")
    except (ValueError, UnsupportedAlgorithm):
        raise AwsKmsError(f"{key_id}: AWS sent no public key") from None
    if isinstance(key, rsa.RSAPublicKey) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES):
        return key
    kind = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
    raise AwsKmsError(f"{key_id}: is a {kind} key; acmez signs with ECC_NIST_P256, ECC_NIST_P384 or RSA")


def _signing(client: KmsClient, key_id: str, family: str) -> Sign:
    def sign(wanted: ToSign) -> bytes:
        message, kind = wanted.digest, "DIGEST"
        if wanted.data is not None and len(wanted.data) <= MAX_MESSAGE:
            message, kind = wanted.data, "RAW"
        algorithm = f"{family}_{8 * wanted.algorithm.digest_size}"
        answer = _called(
            key_id,
            lambda: client.sign(KeyId=key_id, Message=message, MessageType=kind, SigningAlgorithm=algorithm),
        )
        signature = answer.get("Signature")
        if not isinstance(signature, bytes):
            raise AwsKmsError(f"{key_id}: AWS sent no signature")
        return signature

    return sign


def _called(key_id: str, call: Callable[[], T]) -> T:
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    try:
        return call()
    except (BotoCoreError, ClientError) as error:
        raise AwsKmsError(f"{key_id}: {reason(error)}") from error
