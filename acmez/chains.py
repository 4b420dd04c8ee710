"""Which of the chains that a CA offers."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from .acme.certificate import Chain


def issued_by(chain: Chain, name: str) -> bool:
    """Whether the topmost certificate of *chain* was issued by *name*, its common name or a part of it."""
    wanted = name.casefold()
    return any(wanted in common_name.casefold() for common_name in _issuer_names(chain.certificates[-1]))


def preferred(chains: Iterable[Chain], name: str) -> Chain | None:
    """Return the first chain issued by *name*; stops reading *chains*, and so downloading them, there."""
    return next((chain for chain in chains if issued_by(chain, name)), None)


def _issuer_names(certificate: x509.Certificate) -> list[str]:
    try:
        issuer = certificate.issuer
    except (ValueError, TypeError):  # malformed; it is read only now
        return []
    return [str(attribute.value) for attribute in issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
