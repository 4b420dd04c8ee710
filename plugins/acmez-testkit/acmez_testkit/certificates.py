"""Certificates: download, revocation, renewal information (RFC 8555 §7.4.2, §7.6, RFC 9773)."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from acmez_testkit.jws import from_base64url, spki_of
from acmez_testkit.model import Certificate
from acmez_testkit.registry import Registry
from acmez_testkit.renewal import RenewalWindow, cert_id, suggested_window
from acmez_testkit.signed import Signed
from acmez_testkit.wire import Refusal, Response, retry_after

_REASONS = frozenset({0, 1, 3, 4, 5, 9})  # those a subscriber may give (RFC 5280 §5.3.1)


class Certificates:
    """Answers certificate, revokeCert and renewalInfo."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._windows: dict[str, RenewalWindow] = {}

    def one(self, signed: Signed, url: str, chain: int) -> Response:
        """Return one chain as PEM, with links to the others (RFC 8555 §7.4.2)."""
        signed.only_reads()
        certificate = self._registry.owned(self._registry.certificates, url, signed.owner)
        if chain >= len(certificate.chains):
            raise Refusal("malformed", f"certificate has no alternate {chain}", 404)
        headers = [("Content-Type", "application/pem-certificate-chain")]
        for other in range(len(certificate.chains)):
            if other != chain:
                path = f"{url}/{other}" if other else url
                headers.append(("Link", f'<{path}>;rel="alternate"'))
        return Response(200, certificate.chains[chain], headers)

    def revoke(self, signed: Signed) -> Response:
        """Revoke a certificate for its account, its names' account or its key (RFC 8555 §7.6)."""
        members = signed.members(("certificate", "reason"))
        der = from_base64url(members.get("certificate"), "certificate")
        reason = members.get("reason", 0)
        if not isinstance(reason, int) or isinstance(reason, bool) or reason not in _REASONS:
            raise Refusal("badRevocationReason", f"reason {reason!r} is not accepted")
        with self._registry.lock:
            certificate = self._by_der(der)
            if not self._may_revoke(signed, certificate):
                raise Refusal("unauthorized", "neither the account nor the key may revoke this certificate", 403)
            if certificate.revocation_reason is not None:
                raise Refusal("alreadyRevoked", "certificate is already revoked")
            certificate.revocation_reason = reason
        return Response(200)

    def _by_der(self, der: bytes) -> Certificate:
        for certificate in self._registry.certificates.values():
            if certificate.leaf.public_bytes(Encoding.DER) == der:
                return certificate
        raise Refusal("malformed", "certificate is not one of this server", 404)

    def _may_revoke(self, signed: Signed, certificate: Certificate) -> bool:
        if signed.account is None:
            return signed.key.spki == spki_of(certificate.leaf.public_key())
        if certificate.account == signed.account.url:
            return True
        authorized = {
            f"*.{authorization.identifier.value}" if authorization.wildcard else authorization.identifier.value
            for authorization in self._registry.authorizations_of(signed.account)
            if authorization.status == "valid"
        }
        return {identifier.value for identifier in certificate.identifiers} <= authorized

    def renewal_info(self, identifier: str) -> Response:
        """Return the suggested window of a certificate (RFC 9773 §4.2)."""
        certificate = self._registry.certificate_by_id(identifier)
        if certificate is None or not self._registry.behaviour.renewal_info:
            raise Refusal("malformed", f"no certificate {identifier!r}", 404)
        window = self._windows.get(identifier) or suggested_window(certificate)
        return Response.of_json(window.document(), headers=retry_after(self._registry.behaviour.renewal_retry_after))

    def set_window(self, certificate: bytes | str, start: datetime, end: datetime, explanation_url: str | None) -> None:
        """Suggest this window from now on; raise KeyError for a certificate that is not known."""
        text = certificate if isinstance(certificate, str) else certificate.decode("ascii")
        if "-----BEGIN" in text:
            text = cert_id(x509.load_pem_x509_certificate(text.encode()))
        if self._registry.certificate_by_id(text) is None:
            raise KeyError(text)
        self._windows[text] = RenewalWindow(start, end, explanation_url)
