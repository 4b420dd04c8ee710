"""Certificates and revocation (RFC 8555 §7.4.2, §7.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .errors import MalformedAnswer
from .jws import PrivateKey
from .transport import Response
from .wire import parse_http_date, printable

# Both match in linear time whatever a server sends.
_LABEL = re.compile(rb"-----BEGIN ([^-\r\n]{1,64})-----")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_MAX_CERTIFICATES = 32


class RevocationReason(IntEnum):
    """Why a certificate is revoked (RFC 5280 §5.3.1); which ones a CA takes is its own business."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    REMOVE_FROM_CRL = 8
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10


@dataclass(frozen=True)
class Chain:
    """A certificate with the issuers that a server sent with it.

    Attributes:
        url: where it was downloaded.
        pem: the certificates, leaf first, nothing else.
        alternates: URLs of other chains for the same certificate (RFC 8555 §7.4.2).
        not_before, not_after: the validity as the headers of a STAR certificate tell it (RFC 8739 §3.3).
    """

    url: str
    pem: bytes = field(repr=False)
    alternates: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave out what `certificates` has cached: it cannot be pickled, and comes from `pem`."""
        return {name: value for name, value in self.__dict__.items() if name != "certificates"}

    @classmethod
    def from_response(cls, response: Response) -> Chain:
        """Read a downloaded chain, whatever content type it came under.

        Raises:
            MalformedAnswer: it holds no certificate, or anything that is not one (RFC 8555 §11.4).
        """
        chain = cls(
            url=response.url,
            pem=certificates_only(response.body, response.url),
            alternates=tuple(url for url in response.links.get("alternate", ()) if url != response.url),
            not_before=parse_http_date(response.header("cert-not-before") or ""),
            not_after=parse_http_date(response.header("cert-not-after") or ""),
        )
        _ = chain.certificates
        return chain

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates, leaf first."""
        try:
            return tuple(x509.load_pem_x509_certificates(self.pem))
        except (ValueError, x509.InvalidVersion) as exc:
            raise MalformedAnswer(f"a certificate cannot be read: {exc}", url=self.url) from exc

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return self.certificates[0]


def certificates_only(body: bytes, url: str) -> bytes:
    """Return the PEM certificates of *body*, one after another.

    Raises:
        MalformedAnswer: there is none, there are too many, or there is anything else: a private key,
            say, that a careless client would write to a file.
    """
    foreign = sorted({label.decode("ascii", "replace") for label in _LABEL.findall(body)} - {"CERTIFICATE"})
    if foreign:
        raise MalformedAnswer(f"the certificate chain holds {printable(', '.join(map(repr, foreign)), 200)}", url=url)
    blocks = _CERTIFICATE.findall(body)
    if not blocks or not body.lstrip().startswith(blocks[0]):
        raise MalformedAnswer("the answer is no PEM certificate chain", url=url)
    if len(blocks) > _MAX_CERTIFICATES:
        raise MalformedAnswer(f"the chain holds {len(blocks)} certificates (limit: {_MAX_CERTIFICATES})", url=url)
    if _CERTIFICATE.sub(b"", body).strip():
        raise MalformedAnswer("the certificate chain holds something beside certificates", url=url)
    return b"".join(block.replace(b"\r\n", b"\n") + b"\n" for block in blocks)


def same_public_key(certificate: x509.Certificate, other: x509.CertificateSigningRequest | PrivateKey) -> bool:
    """Whether the certificate is for the key of the request, or for that private key."""
    encoding = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(*encoding) == other.public_key().public_bytes(*encoding)
