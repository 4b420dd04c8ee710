"""A certificate that was issued, and its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import files
from .acme.certificate import Chain
from .acme.jws import PrivateKey
from .csr import certificate_names
from .errors import KeyFileError
from .keys import load_private_key, private_pem


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain and, unless a CSR was brought, its private key.

    Attributes:
        chain: as the CA sent it.
        private_key: `None` if the caller made the certificate request.
        order_url: the order that it came from.
    """

    chain: Chain
    private_key: PrivateKey | None = field(repr=False)
    order_url: str = ""

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return self.chain.leaf

    @property
    def fullchain_pem(self) -> bytes:
        """Leaf and issuers, as servers want it."""
        return self.chain.pem

    @property
    def certificate_pem(self) -> bytes:
        """The leaf alone."""
        return self.leaf.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The issuers alone."""
        return b"".join(issuer.public_bytes(Encoding.PEM) for issuer in self.chain.certificates[1:])

    @property
    def private_key_pem(self) -> bytes | None:
        """The private key as unencrypted PKCS#8; `None` if it is not here."""
        return None if self.private_key is None else private_pem(self.private_key)

    def write(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write fullchain.pem, chain.pem, cert.pem and privkey.pem (mode 0600) and return the directory.

        Each file is replaced atomically. A key that is there is replaced only if it belongs to the
        certificate beside it and that one shares a name with this one: that is a renewal.

        Args:
            overwrite: replace any key.

        Raises:
            KeyFileError: another key is there; nothing was written.
            OSError: a file cannot be written; the old ones are intact.
        """
        target = Path(directory)
        target.mkdir(parents=True, exist_ok=True)
        key_pem = self.private_key_pem
        if key_pem is not None:
            if not overwrite:
                self._refuse_foreign_key(target)
            # The key first: a crash between two files must not lose it.
            files.write(target / "privkey.pem", key_pem, mode=0o600)
        for name, pem in (
            ("fullchain.pem", self.fullchain_pem),
            ("chain.pem", self.chain_pem),
            ("cert.pem", self.certificate_pem),
        ):
            files.write(target / name, pem, mode=0o644)
        return target

    def _refuse_foreign_key(self, target: Path) -> None:
        path = target / "privkey.pem"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        try:
            known = x509.load_pem_x509_certificate((target / "cert.pem").read_bytes())
            key = load_private_key(data, str(path))
        except (OSError, ValueError, KeyFileError):
            known = key = None
        encoding = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if (
            known is None
            or key is None
            or known.public_key().public_bytes(*encoding) != key.public_key().public_bytes(*encoding)
            or not certificate_names(known) & certificate_names(self.leaf)
        ):
            raise KeyFileError(
                f"{path}: there is a key that does not belong to an earlier certificate for these names; "
                "choose another directory, or pass overwrite=True"
            )
