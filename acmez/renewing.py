"""Whether to renew a certificate, and whether the files of one are there at all."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256

from .acme.certificate import same_public_key
from .acme.errors import InputError
from .acme.renewal import RenewalInfo, certificate_id
from .csr import certificate_names, load_request
from .errors import CertificateError, KeyFileError
from .keys import FileKey, GeneratedKey, load_private_key
from .request import names_of
from .spec import CertificateSpec

_SHORT_LIVED = timedelta(days=10)  # as Let's Encrypt has it: below, half of the life is left for trouble, not a third


@dataclass(frozen=True, slots=True)
class Due:
    """Whether to renew a certificate.

    Attributes:
        due: whether it is time.
        not_before: when it is time.
        why: who says so, in words: "the CA's window".
    """

    due: bool
    not_before: datetime
    why: str


def decide(certificate: x509.Certificate, info: RenewalInfo | None, now: datetime) -> Due:
    """Say whether to renew a certificate (RFC 9773 §4.2).

    Args:
        info: what the CA says; `None`: nothing, and its lifetime decides.
        now: the moment in question.
    """
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if info is not None and info.start < end:
        # The same moment at each look, or it would be ever sooner for those who look often.
        seed = f"{certificate.fingerprint(SHA256()).hex()} {info.start.isoformat()} {info.end.isoformat()}"
        moment = min(info.pick(random.Random(seed)), end)  # noqa: S311 - it spreads load, and hides nothing
        why = "the CA's window" + (f", see {info.explanation_url}" if info.explanation_url else "")
    elif end - begin < _SHORT_LIVED:
        moment, why = begin + (end - begin) / 2, "half of its lifetime"
    else:
        moment, why = begin + (end - begin) * 2 / 3, "two thirds of its lifetime"
    return Due(moment <= now, moment, why)


def present(spec: CertificateSpec) -> x509.Certificate | None:
    """Return the certificate in the directory of *spec*.

    `None`: there is none, or a file is missing or damaged, or it is for other names, or another key than *spec*
    says, or it is one that no CA has issued.

    Raises:
        InputError: *spec* is wrong.
        OSError: a file cannot be read, for lack of rights, say.
    """
    home = spec.directory
    if home is None:
        return None
    names = names_of(spec)
    with suppress(FileNotFoundError, ValueError, UnsupportedAlgorithm, CertificateError, KeyFileError):
        leaf = x509.load_pem_x509_certificate((home / "cert.pem").read_bytes())
        served = x509.load_pem_x509_certificate((home / "fullchain.pem").read_bytes())
        whole = leaf == served and leaf.issuer != leaf.subject and (home / "chain.pem").exists()
        if whole and certificate_names(leaf) == names and _has_its_key(leaf, spec, home):
            return leaf
    return None


def renewal_of(spec: CertificateSpec, certificate: x509.Certificate) -> CertificateSpec:
    """Return *spec*, telling the CA that it replaces *certificate*, if that has a name in RFC 9773."""
    with suppress(InputError):
        return replace(spec, replaces=certificate_id(certificate))
    return spec


def _has_its_key(leaf: x509.Certificate, spec: CertificateSpec, home: Path) -> bool:
    if spec.csr is not None:
        return same_public_key(leaf, load_request(spec.csr))
    path = home / "privkey.pem"
    elsewhere = not isinstance(spec.key, GeneratedKey | FileKey | None)  # in an HSM, say: then it has no file
    if elsewhere and not path.exists():
        return True
    return same_public_key(leaf, load_private_key(path.read_bytes(), str(path)))


__all__ = ["Due", "decide", "present", "renewal_of"]
