"""What certificate is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from .acme.errors import InputError
from .acme.jws import PrivateKey
from .protocols import KeyProvider


@dataclass(frozen=True)
class CertificateSpec:
    """One certificate to obtain.

    Attributes:
        names: DNS names, wildcards and IP addresses; or give *csr*.
        csr: a certificate request of your own: PEM, DER or the object; its key stays with you.
        key: the certificate's key, or what provides it; `None`: a new EC P-256 key.
        profile: one of the CA's profiles; `None`: the CA's choice.
        profile_required: whether to fail if the CA does not offer the profile, or to do without it.
        preferred_chain: (part of) the common name of the issuer at the top of the wanted chain.
        replaces: the certificate that this one replaces, which spares rate limits (RFC 9773 §5).
        not_before, not_after: the wished validity; Let's Encrypt refuses both.
        directory: where `acmez obtain` writes the files.

    Raises:
        InputError: *names* is one text, not a list of them.
    """

    names: tuple[str, ...] = ()
    csr: bytes | str | x509.CertificateSigningRequest | None = field(default=None, repr=False)
    key: KeyProvider | PrivateKey | None = field(default=None, repr=False)
    profile: str | None = None
    profile_required: bool = True
    preferred_chain: str | None = None
    replaces: x509.Certificate | str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    directory: Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise InputError(f"names: expected a list, got the text {self.names!r} (did you mean [{self.names!r}]?)")
        object.__setattr__(self, "names", tuple(self.names))
