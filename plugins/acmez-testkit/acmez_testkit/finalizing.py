"""Finalizing orders: CSRs checked, certificates issued (RFC 8555 §7.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from acmez_testkit.background import Background
from acmez_testkit.identifiers import refusal_of_each
from acmez_testkit.issuing import Issuer, general_name
from acmez_testkit.jws import check_strength, from_base64url, spki_of
from acmez_testkit.model import Certificate, Order
from acmez_testkit.orders import Orders, read_moment
from acmez_testkit.registry import Registry
from acmez_testkit.renewal import cert_id
from acmez_testkit.signed import Signed
from acmez_testkit.wire import Refusal, Response

_WEAK_HASHES = (hashes.MD5, hashes.SHA1)


class Finalizing:
    """Answers finalize, at once or with the certificate to follow."""

    def __init__(self, registry: Registry, orders: Orders, issuer: Issuer, background: Background) -> None:
        self._registry = registry
        self._behaviour = registry.behaviour
        self._orders = orders
        self._issuer = issuer
        self._background = background

    def finalize(self, signed: Signed, url: str) -> Response:
        """Take a CSR for an order that is ready and issue; the answer has no Location, like Pebble's."""
        members = signed.members(("csr",))
        der = from_base64url(members.get("csr"), "csr")
        with self._registry.lock:
            order = self._registry.order(url, signed.owner)
            if order.status != "ready":
                raise Refusal("orderNotReady", f"order is {order.status}, not ready", 403)
            csr = self._read(der, order)
            if self._behaviour.async_finalize:
                order.status = "processing"
                self._background.run(lambda: self._issue(order, csr), after=self._behaviour.processing_seconds)
            else:
                self._issue(order, csr)
            return self._orders.answer(order)

    def _issue(self, order: Order, csr: x509.CertificateSigningRequest) -> None:
        refused = [i for i in order.identifiers if i.value in self._behaviour.caa_refused_names]
        with self._registry.lock:
            if refused:
                faults = {i: ("caa", f"CAA record for {i.value!r} prevents issuance") for i in refused}
                order.status, order.error = "invalid", refusal_of_each(faults, 403).document()
                return
            leaf, chains = self._issuer.issue(
                order.identifiers, csr.public_key(), self._validity(order), _common_name(csr)
            )
            url = self._registry.new_url("certificate")
            self._registry.add_certificate(
                Certificate(url, order.account, order.url, order.identifiers, leaf, chains, cert_id(leaf))
            )
            order.status, order.certificate = "valid", url

    def _validity(self, order: Order) -> tuple[datetime, datetime]:
        start = datetime.now(UTC) if order.not_before is None else read_moment(order.not_before, "notBefore")
        if order.not_after is None:
            return start, start + timedelta(seconds=self._behaviour.certificate_lifetime_seconds)
        end = read_moment(order.not_after, "notAfter")
        return min(start, end - timedelta(seconds=1)), end  # the order may have waited beyond its notAfter

    def _read(self, der: bytes, order: Order) -> x509.CertificateSigningRequest:
        """Return the CSR; raise Refusal `badCSR` unless it is sound and fits the order exactly."""
        try:
            csr = x509.load_der_x509_csr(der)
            names = _names(csr)
            signed = csr.is_signature_valid
            key, common_name = csr.public_key(), _common_name(csr)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
            raise Refusal("badCSR", "csr is not a PKCS #10 request") from None
        except UserWarning as warning:  # cryptography warns of a bad subject, and warnings may be errors
            raise Refusal("badCSR", f"subject of the CSR: {warning}") from None
        if not signed or isinstance(csr.signature_hash_algorithm, _WEAK_HASHES):
            raise Refusal("badCSR", "signature of the CSR is bad or weak")
        check_strength(key, "badCSR", min_rsa_bits=self._behaviour.min_rsa_bits)
        spki = spki_of(key)
        if any(account.key.spki == spki for account in self._registry.accounts.values()):
            raise Refusal("badCSR", "CSR has the key of an account")
        wanted = {general_name(identifier) for identifier in order.identifiers}
        if names != wanted:
            raise Refusal("badCSR", "names of the CSR are not the identifiers of the order")
        if common_name is not None and len(common_name) > 64:
            raise Refusal("badCSR", "common name is longer than X.520 permits")
        if common_name is not None and x509.DNSName(common_name.lower()) not in wanted:
            raise Refusal("badCSR", f"common name {common_name!r} is not a DNS name of the order")
        return csr


def _names(csr: x509.CertificateSigningRequest) -> set[x509.GeneralName]:
    try:
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {x509.DNSName(name.value.lower()) if isinstance(name, x509.DNSName) else name for name in names}


def _common_name(csr: x509.CertificateSigningRequest) -> str | None:
    attributes = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else None
