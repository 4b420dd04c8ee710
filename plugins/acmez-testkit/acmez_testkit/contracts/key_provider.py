"""What a key provider has to keep: keys that sign, and that nobody sees."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from acmez.acme.errors import AcmeError
from acmez.acme.identifier import Identifier
from acmez.acme.jws import PrivateKey, SigningKey
from acmez.csr import build_request
from acmez.kinds import KEY_PROVIDER
from acmez.protocols import KeyProvider, Replaceable

from .component import ComponentContract
from .expecting import PATIENCE, at_once, require, within
from .secrecy import listening, require_hidden, require_right_error, secrets_of

T = TypeVar("T", bound=KeyProvider)

#: What a key provider may have beside what every one has.
FURTHER = (Replaceable,)

PURPOSES = ("account", "certificate")
THREADS = 32


class KeyProviderContract(ComponentContract[T]):
    """The rules for a key provider; write `make`, and `make_failing` if it can fail.

    Attributes:
        keeps: whether it gives the same key for a purpose each time; otherwise it must give a new one.
    """

    kind = KEY_PROVIDER
    keeps: ClassVar[bool] = True

    def test_its_further_methods_are_as_acmez_calls_them(self) -> None:
        self._require_further(FURTHER)

    @pytest.mark.parametrize("purpose", PURPOSES)
    def test_its_key_signs_requests_to_the_ca(self, purpose: str) -> None:
        key = _get(self.make(), purpose)
        try:
            signing = SigningKey(key)
        except AcmeError as error:
            raise AssertionError(str(error)) from error
        require(_verifies(signing, b"signed"), f"what the key for {purpose!r} signs does not verify")

    @pytest.mark.parametrize("purpose", PURPOSES)
    def test_its_key_signs_certificate_requests(self, purpose: str) -> None:
        request = build_request(_get(self.make(), purpose), [Identifier.dns("example.com")])
        require(request.is_signature_valid, f"the request that the key for {purpose!r} signs does not verify")

    @pytest.mark.parametrize("purpose", PURPOSES)
    def test_the_second_key_is_the_same_or_new(self, purpose: str) -> None:
        provider = self.make()
        first = SigningKey(_get(provider, purpose))
        for again in (provider, self.make()):  # the latter as in the next process
            same = first.same_as(SigningKey(_get(again, purpose)))
            if self.keeps:
                require(
                    same, f"the key for {purpose!r} was another one the second time (otherwise say `keeps = False`)"
                )
            else:
                require(
                    not same, f"the key for {purpose!r} was the same the second time (otherwise say `keeps = True`)"
                )

    def test_many_threads_can_use_it_at_once(self) -> None:
        provider = self.make()
        keys = at_once(THREADS, "get", lambda _: SigningKey(provider.get("account")))
        distinct = {key.thumbprint for key in keys}
        require(len(distinct) == (1 if self.keeps else THREADS), f"{THREADS} threads at once got {len(distinct)} keys")

    def test_its_keys_are_not_shown(self) -> None:
        provider = self.make()
        with listening() as heard:
            keys = [_get(provider, purpose) for purpose in PURPOSES]
        secrets = secrets_of(provider) | {text for key in keys for text in _texts(key)}
        require_hidden("\n".join(heard), secrets, "the log")
        require_hidden(f"{provider!r} {provider!s}", secrets, "the repr of a provider that was used")

    def test_a_failure_is_told_in_words(self) -> None:
        provider = self.make_failing()
        try:
            within(PATIENCE, "get", lambda: provider.get("account"))
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - its kind is what is looked at
            require_right_error(error, secrets_of(provider), "get")
        else:
            raise AssertionError("get succeeded with the instance of make_failing()")


def _get(provider: KeyProvider, purpose: str) -> PrivateKey:
    return within(PATIENCE, f"get({purpose!r})", lambda: provider.get(purpose))


def _verifies(signing: SigningKey, data: bytes) -> bool:
    signature = signing.sign(data)
    public = signing.private_key.public_key()
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            r, s = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
            digests = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}
            public.verify(encode_dss_signature(r, s), data, ec.ECDSA(digests[signing.algorithm]))
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _texts(key: PrivateKey) -> list[str]:
    """Return how a private key could be shown; nothing for one that cannot leave where it lives."""
    try:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    except Exception:  # noqa: BLE001 - a key of a plugin's raises what it likes
        return []
    body = pem.decode().splitlines()[1:-1]
    return [*body, pem.hex()]
