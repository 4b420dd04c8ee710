"""Which certificates `acmez obtain --due` obtains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acmez.acme.scope import CancelScope
    from acmez.client import Client
    from acmez.renewing import Due
    from acmez.spec import CertificateSpec

    from .progress import Display

_AT_ONCE = 8


def due_of(client: Client, shown: Display, scope: CancelScope) -> Sequence[CertificateSpec]:
    """Return the certificates that are missing or due; the others are told."""
    from acmez.crew import side_by_side
    from acmez.renewing import present, renewal_of

    def look(spec: CertificateSpec) -> tuple[CertificateSpec, Due | None]:
        certificate = present(spec)
        if certificate is None:
            return spec, None
        return renewal_of(spec, certificate), client.due(certificate, scope=scope)

    wanted = []
    for outcome in side_by_side(look, client.certificates, limit=_AT_ONCE, scope=scope):
        spec, found = outcome.result()
        if found is None or found.due:
            wanted.append(spec)
        else:
            shown.not_due(spec, found)
    return wanted
