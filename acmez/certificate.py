"""A certificate that was issued, and its files."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import files
from .acme.certificate import Chain
from .acme.jws import PrivateKey
from .csr import certificate_names
from .errors import CertificateError, KeyFileError
from .keys import load_private_key, private_pem


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain and, unless a CSR was brought, its private key.

    Attributes:
        chain: as the CA sent it.
        private_key: `None` if the caller made the certificate request; may live in an HSM.
        order_url: the order that it came from.
        written: is called with the directory once `write` is done, and tells those who watch, and the journal.
    """

    chain: Chain
    private_key: PrivateKey | None = field(repr=False)
    order_url: str = ""
    written: Callable[[Path], None] | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[..., Certificate], tuple[Chain, bytes | None, str]]:
        """Pickle the key as PEM; what `written` does belongs to this process."""
        return _unpickle, (self.chain, self.private_key_pem, self.order_url)

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
        """The private key as unencrypted PKCS#8; `None` if it is not here, or cannot leave its HSM."""
        if self.private_key is None:
            return None
        try:
            return private_pem(self.private_key)
        except KeyFileError:
            return None

    def ssl_context(self) -> ssl.SSLContext:
        """Return a context for TLS servers with this certificate: TLS 1.2 and newer, no client certificates.

        To follow renewals, `write` it and use `acmez.tls.ReloadingContext`.

        Raises:
            KeyFileError: the private key is not here, or cannot leave its HSM.
        """
        from .tls import server_context

        key_pem = self.private_key_pem
        if key_pem is None:
            raise KeyFileError(f"{self.leaf.subject.rfc4514_string() or 'certificate'}: its private key is not here")
        return server_context(self.fullchain_pem, key_pem)

    def write(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write fullchain.pem, chain.pem, cert.pem and privkey.pem (mode 0600) and return the directory.

        Without `private_key_pem` there is no privkey.pem to write. One that is there already has to be this
        certificate's key, or an earlier one's: its certificate is beside it and shares a name with this one.

        Each file is replaced atomically, and none before all of them are on the disk. Who reads between two
        replacements can see a new fullchain.pem with the old privkey.pem: reload the server afterwards.

        Args:
            overwrite: do not look at the privkey.pem that is there.

        Raises:
            KeyFileError: another key is there; nothing was written.
            OSError: a file cannot be written.
        """
        target = Path(directory)
        target.mkdir(parents=True, exist_ok=True)
        key_pem = self.private_key_pem
        if not overwrite:
            self._refuse_foreign_key(target, renews=key_pem is not None)
        contents = [("chain.pem", self.chain_pem, 0o644), ("fullchain.pem", self.fullchain_pem, 0o644)]
        if key_pem is not None:
            contents.append(("privkey.pem", key_pem, 0o600))
        # In this order the key belongs to fullchain.pem or cert.pem at any time, so that after a crash
        # between two files the next call sees whose key it is.
        contents.append(("cert.pem", self.certificate_pem, 0o644))
        files.write_all(target, contents)
        if self.written is not None:
            self.written(target)
        return target

    def _refuse_foreign_key(self, target: Path, *, renews: bool) -> None:
        path = target / "privkey.pem"
        try:
            key = _public_bytes(load_private_key(path.read_bytes(), str(path)))
        except FileNotFoundError:
            return
        except KeyFileError:
            key = b""
        if key == _public_bytes(self.leaf):
            return
        earlier = _names_of(key, target / "cert.pem", target / "fullchain.pem") if renews else set()
        if not earlier & certificate_names(self.leaf):
            raise KeyFileError(
                f"{path}: there is a key that belongs neither to this certificate nor to an earlier one for its names; "
                "choose another directory, or pass overwrite=True"
            )


def _names_of(key: bytes, *paths: Path) -> set[tuple[str, str]]:
    """Return the names of those certificates in *paths* that are for *key*; what cannot be read is for none."""
    names: set[tuple[str, str]] = set()
    for path in paths:
        with suppress(OSError, ValueError, UnsupportedAlgorithm, CertificateError):
            leaf = x509.load_pem_x509_certificate(path.read_bytes())
            if _public_bytes(leaf) == key:
                names |= certificate_names(leaf)
    return names


def _public_bytes(holder: PrivateKey | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unpickle(chain: Chain, key: bytes | None, order_url: str) -> Certificate:
    return Certificate(chain, None if key is None else load_private_key(key, "pickle"), order_url)
