"""When to renew: ACME Renewal Information (RFC 9773)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from acmez_testkit.jws import base64url
from acmez_testkit.model import Certificate
from acmez_testkit.wire import timestamp


@dataclass(frozen=True, slots=True)
class RenewalWindow:
    """When the CA would like a certificate to be renewed."""

    start: datetime
    end: datetime
    explanation_url: str | None = None

    def document(self) -> dict[str, object]:
        """Return the JSON object (RFC 9773 §4.2)."""
        window = {"start": timestamp(self.start), "end": timestamp(self.end)}
        explanation = {"explanationURL": self.explanation_url} if self.explanation_url else {}
        return {"suggestedWindow": window, **explanation}


def cert_id(certificate: x509.Certificate) -> str:
    """Return the identifier of a certificate (RFC 9773 §4.1); raise ValueError if it has none."""
    try:
        key_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        key_id = None
    if key_id is None:
        raise ValueError("certificate has no authority key identifier")
    serial = certificate.serial_number
    # the content octets of a DER INTEGER: a leading zero octet where the top bit is set
    octets = serial.to_bytes(serial.bit_length() // 8 + 1)
    return f"{base64url(key_id)}.{base64url(octets)}"


def suggested_window(certificate: Certificate) -> RenewalWindow:
    """Return Boulder's window: 2 % of the lifetime, after 2/3 of it; in the past once it is revoked."""
    if certificate.revocation_reason is not None:
        now = datetime.now(UTC)
        return RenewalWindow(now - timedelta(hours=1), now - timedelta(minutes=30))
    start, end = certificate.leaf.not_valid_before_utc, certificate.leaf.not_valid_after_utc
    lifetime = end - start
    opening = start + lifetime * (2 / 3 if lifetime >= timedelta(days=10) else 1 / 2)
    return RenewalWindow(opening, opening + max(lifetime * 0.02, timedelta(seconds=1)))
