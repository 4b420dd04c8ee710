"""What goes to the CA, checked before anything is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .acme.errors import InputError
from .acme.identifier import Identifier
from .acme.jws import PrivateKey
from .csr import build_request, identifiers, load_request, request_identifiers
from .keys import GeneratedKey, key_of, load_private_key, private_pem
from .protocols import KeyProvider
from .spec import CertificateSpec


@dataclass(frozen=True)
class Request:
    """One certificate request and the key behind it.

    Attributes:
        identifiers: what to order.
        csr: the certificate request.
        private_key: its key, `None` if the caller brought the request.
        generated: the type of a key that was made for this certificate, and is nowhere else.
    """

    identifiers: tuple[Identifier, ...]
    csr: x509.CertificateSigningRequest
    private_key: PrivateKey | None
    generated: str | None = None

    @classmethod
    def from_spec(cls, spec: CertificateSpec) -> Request:
        """Check a specification and make its certificate request.

        Raises:
            InputError: names or request are not fit to be sent.
            KeyFileError, KeyProviderError: the key cannot be had.
        """
        if spec.csr is not None:
            if spec.names or spec.key is not None:
                raise InputError("certificate: give either csr, or names and key")
            csr = load_request(spec.csr)
            return cls(request_identifiers(csr), csr, None)
        wanted = identifiers(spec.names)
        key, generated = _private_key(spec.key)
        return cls(wanted, build_request(key, wanted), key, generated)

    def without(self, names: Collection[str]) -> Request | None:
        """Return the request for the other identifiers.

        `None`: none of them is named, none is left, or the caller brought the request and so decides.

        Args:
            names: as the CA spells them.
        """
        left = tuple(item for item in self.identifiers if not any(_is(item, name) for name in names))
        if self.private_key is None or not left or len(left) == len(self.identifiers):
            return None
        return Request(left, build_request(self.private_key, left), self.private_key, self.generated)

    # For the journal

    def wish(self, spec: CertificateSpec) -> str:
        """Return what is wanted, in words that are the same whenever the same is: then one order does for it.

        Args:
            spec: where the request comes from.
        """
        if self.private_key is None:
            key = {"request": hashlib.sha256(self.der).hexdigest()}
        elif self.generated is not None:
            key = {"generated": self.generated}
        else:
            key = {"public": hashlib.sha256(public_bytes(self.csr)).hexdigest()}
        return json.dumps(
            {
                "names": sorted(identifier.key for identifier in self.identifiers),
                "key": key,
                "profile": spec.profile,
                "not_before": None if spec.not_before is None else spec.not_before.isoformat(),
                "not_after": None if spec.not_after is None else spec.not_after.isoformat(),
            }
        )

    @property
    def der(self) -> bytes:
        """DER of the certificate request."""
        return self.csr.public_bytes(Encoding.DER)

    @property
    def generated_key(self) -> bytes | None:
        """PEM of the private key if losing it would lose the certificate; `None` if it lives elsewhere."""
        return private_pem(self.private_key) if self.generated and self.private_key is not None else None

    def restored(self, csr: bytes, key: bytes | None) -> Request:
        """Return the request that an earlier process made for the same wish.

        Args:
            csr: DER of that request.
            key: PEM of its private key, if that was generated.
        """
        if key is None:
            return self
        earlier = x509.load_der_x509_csr(csr)
        return Request(self.identifiers, earlier, load_private_key(key, "journal"), self.generated)


def specs_for(wishes: Mapping[str, bytes], known: Iterable[CertificateSpec]) -> list[CertificateSpec]:
    """Return specifications for *wishes*, those of *known* where they fit.

    A wish whose key lives elsewhere has none unless it is in *known*.

    Args:
        wishes: each with the DER of its certificate request.
    """
    left = dict(wishes)
    named = {_names(wish) for wish in wishes}
    specs = [spec for spec in known if names_of(spec) in named and left.pop(Request.from_spec(spec).wish(spec), b"")]
    return specs + [spec for wish, csr in left.items() if (spec := _spec(wish, csr)) is not None]


def public_bytes(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """Return DER of the public key."""
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def names_of(spec: CertificateSpec) -> frozenset[tuple[str, str]]:
    """Return what a certificate is to be for, as `Identifier.key`.

    Raises:
        InputError: names or request are not fit to be sent.
    """
    wanted = identifiers(spec.names) if spec.csr is None else request_identifiers(load_request(spec.csr))
    return frozenset(identifier.key for identifier in wanted)


def _names(wish: str) -> frozenset[tuple[str, str]]:
    return frozenset((kind, value) for kind, value in json.loads(wish)["names"])


def _spec(wish: str, csr: bytes) -> CertificateSpec | None:
    wanted = json.loads(wish)
    key = wanted["key"]
    if "public" in key:
        return None
    brought = "request" in key
    return CertificateSpec(
        names=() if brought else tuple(value for _, value in wanted["names"]),
        csr=csr if brought else None,
        key=None if brought else GeneratedKey(key["generated"]),
        profile=wanted["profile"],
        not_before=_moment(wanted["not_before"]),
        not_after=_moment(wanted["not_after"]),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _private_key(given: KeyProvider | PrivateKey | None) -> tuple[PrivateKey, str | None]:
    """Return the key, and its type if it was made just now."""
    if isinstance(given, PrivateKey):
        return given, None
    provider = GeneratedKey() if given is None else given
    return key_of(provider, "certificate"), provider.type if isinstance(provider, GeneratedKey) else None


def _is(item: Identifier, name: str) -> bool:
    return Identifier(item.type, name).key == item.key
