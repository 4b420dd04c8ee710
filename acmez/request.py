"""What goes to the CA, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .acme.errors import InputError
from .acme.identifier import Identifier
from .acme.jws import PrivateKey
from .csr import build_request, identifiers, load_request, request_identifiers
from .keys import GeneratedKey, generate, load_private_key, private_pem
from .protocols import KeyProvider
from .spec import CertificateSpec


@dataclass(frozen=True)
class Request:
    """One certificate request and the key behind it.

    Attributes:
        identifiers: what to order.
        csr: the certificate request.
        private_key: its key, `None` if the caller brought the request.
        generated: whether the key was made for this certificate, and is nowhere else.
    """

    identifiers: tuple[Identifier, ...]
    csr: x509.CertificateSigningRequest
    private_key: PrivateKey | None
    generated: bool = False

    @classmethod
    def from_spec(cls, spec: CertificateSpec) -> Request:
        """Check a specification and make its certificate request.

        Raises:
            InputError: names or request are not fit to be sent.
            KeyFileError: the key cannot be had.
        """
        if spec.csr is not None:
            if spec.names or spec.key is not None:
                raise InputError("certificate: give either csr, or names and key")
            csr = load_request(spec.csr)
            return cls(request_identifiers(csr), csr, None)
        wanted = identifiers(spec.names)
        key, generated = _private_key(spec.key)
        return cls(wanted, build_request(key, wanted), key, generated)

    def can_do_without(self, names: Collection[str]) -> bool:
        """Whether a request for the other identifiers can be made; not if the caller brought the request."""
        return self.private_key is not None and any(item.value not in names for item in self.identifiers)

    def without(self, names: Collection[str]) -> Request:
        """Return the request for the other identifiers."""
        left = tuple(item for item in self.identifiers if item.value not in names)
        if self.private_key is None:
            raise InputError("csr: what is in it is the caller's decision")
        return Request(left, build_request(self.private_key, left), self.private_key, self.generated)

    def restored(self, spec: CertificateSpec, csr: bytes, key: bytes | None) -> Request | None:
        """Return the request that an earlier process made for the same names; `None` if its key is gone.

        Args:
            csr: DER of that request.
            key: PEM of its private key, if it was generated.
        """
        earlier = x509.load_der_x509_csr(csr)
        if spec.csr is not None:
            return self if earlier.public_bytes(Encoding.DER) == self.csr.public_bytes(Encoding.DER) else None
        if key is not None:
            restored = load_private_key(key, "journal")
        elif self.private_key is not None and earlier.public_key() == self.private_key.public_key():
            restored = self.private_key
        else:
            return None
        return Request(self.identifiers, earlier, restored, self.generated)

    @property
    def generated_key(self) -> bytes | None:
        """PEM of the private key if losing it would lose the certificate; `None` if it lives elsewhere."""
        return private_pem(self.private_key) if self.generated and self.private_key is not None else None


def _private_key(given: KeyProvider | PrivateKey | None) -> tuple[PrivateKey, bool]:
    """Return the key, and whether it was made just now."""
    if given is None:
        return generate("ec-p256"), True
    if isinstance(given, PrivateKey):
        return given, False
    return given.get("certificate"), isinstance(given, GeneratedKey)
