"""One certificate, from newOrder to download (RFC 8555 §7.4)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection
from dataclasses import dataclass

from cryptography import x509

from . import events
from .acme.account import Account
from .acme.certificate import Chain, same_public_key
from .acme.errors import AcmeError, InputError, LostAnswer, MalformedAnswer
from .acme.identifier import Identifier
from .acme.jws import PrivateKey
from .acme.order import Order, OrderStatus
from .acme.problem import OrderNotReady
from .acme.renewal import certificate_id, refuses_replaces
from .acme.scope import CancelScope
from .certificate import Certificate
from .chains import issued_by, preferred
from .csr import build_request, certificate_names, identifiers, load_request, request_identifiers
from .engine import Engine
from .errors import CertificateError, ChallengesFailed, FailedIdentifier, OrderFailed
from .keys import generate
from .protocols import KeyProvider
from .solving import Failed, Solving
from .spec import CertificateSpec


@dataclass(frozen=True)
class Request:
    """What goes to the CA, checked before anything is sent.

    Attributes:
        identifiers: what to order.
        csr: the certificate request.
        private_key: its key, `None` if the caller brought the request.
    """

    identifiers: tuple[Identifier, ...]
    csr: x509.CertificateSigningRequest
    private_key: PrivateKey | None

    @classmethod
    def from_spec(cls, spec: CertificateSpec) -> Request:
        """Check a specification and make its certificate request.

        Raises:
            InputError: names or request are not fit to be sent.
            KeyFileError: the key cannot be had.
        """
        if spec.csr is not None:
            if spec.names or spec.key is not None:
                raise InputError("certificate: give either csr, or names and key")
            csr = load_request(spec.csr)
            return cls(request_identifiers(csr), csr, None)
        wanted = identifiers(spec.names)
        key = _private_key(spec.key)
        return cls(wanted, build_request(key, wanted), key)

    def can_do_without(self, names: Collection[str]) -> bool:
        """Whether a request for the other identifiers can be made; not if the caller brought the request."""
        return self.private_key is not None and any(item.value not in names for item in self.identifiers)

    def without(self, names: Collection[str]) -> Request:
        """Return the request for the other identifiers."""
        left = tuple(item for item in self.identifiers if item.value not in names)
        if self.private_key is None:
            raise InputError("csr: what is in it is the caller's decision")
        return Request(left, build_request(self.private_key, left), self.private_key)


class Issuance:
    """Obtains one certificate; every order that it takes is one run through RFC 8555 §7.4 and §7.5."""

    def __init__(
        self,
        engine: Engine,
        account: Account,
        spec: CertificateSpec,
        request: Request,
        *,
        allow_subset: bool,
        scope: CancelScope,
    ) -> None:
        self._engine = engine
        self._acme = engine.acme
        self._account = account
        self._spec = spec
        self._request = request
        self._allow_subset = allow_subset
        self._scope = scope
        self._failed: Failed = {}
        self._failures: list[FailedIdentifier] = []

    def run(self) -> Certificate:
        """Order, prove, finalize, download; fall back to other challenges in new orders while there are any.

        Raises:
            ChallengesFailed: some identifiers could not be proved in any way.
            OrderFailed: the CA gave the order up.
            TryAgainLater: the CA asks for more patience than the cap.
            CertificateError: the CA issued something else.
        """
        for number in itertools.count(1):
            solving = Solving(self._engine, self._account, self._request.identifiers, self._failed, self._scope)
            try:
                order = solving.authorize(self._new_order())
                # The answers are needed no more: they go while the CA issues.
                solving.begin_clean_up()
                return self._obtain(order)
            except ChallengesFailed as exc:
                self._failures += exc.failed
                if number < self._engine.max_orders and self._goes_on(solving, exc):
                    continue
                solving.give_up()
                self._end(exc)
                raise ChallengesFailed(self._failures, order_url=exc.order_url) from exc
            except AcmeError as exc:
                self._end(exc)
                raise
            finally:
                solving.clean_up()
        raise AssertionError("unreachable")

    def _goes_on(self, solving: Solving, error: ChallengesFailed) -> bool:
        """Whether another order makes sense: for other ways, or without what failed."""
        if solving.has_other_ways:
            return True
        failed = {item.identifier for item in error.failed}
        if not self._allow_subset or not self._request.can_do_without(failed):
            return False
        self._request = self._request.without(failed)
        return True

    def _end(self, error: AcmeError) -> None:
        self._engine.emit(events.OrderFailed(order=getattr(error, "order_url", None) or "", reason=str(error)))

    # newOrder, RFC 8555 §7.4

    def _new_order(self) -> Order:
        spec = self._spec
        replaces = certificate_id(spec.replaces) if isinstance(spec.replaces, x509.Certificate) else spec.replaces
        directory = self._acme.directory(scope=self._scope)
        if replaces is not None and directory.get("renewalInfo") is None:
            replaces = None  # RFC 9773 §5: only where the server knows what it means
        try:
            order = self._send_order(replaces)
        except AcmeError as exc:
            if replaces is None or not refuses_replaces(exc):
                raise
            order = self._send_order(None)
        self._check_ordered(order)
        names = tuple(identifier.value for identifier in self._request.identifiers)
        self._engine.emit(events.OrderCreated(order=order.url, names=names, status=order.status))
        return order

    def _send_order(self, replaces: str | None) -> Order:
        spec = self._spec
        return self._acme.new_order(
            self._account,
            self._request.identifiers,
            not_before=spec.not_before,
            not_after=spec.not_after,
            replaces=replaces,
            profile=self._profile(),
            scope=self._scope,
        )

    def _profile(self) -> str | None:
        """The profile to ask for: only one that the server offers (draft-ietf-acme-profiles §4)."""
        profile = self._spec.profile
        offered = self._acme.directory(scope=self._scope).meta.profiles
        if profile is None or profile in offered:
            return profile
        if self._spec.profile_required:
            raise InputError(f"profile: {profile!r} is not offered; profiles: {', '.join(offered) or 'none'}")
        return None

    def _check_ordered(self, order: Order) -> None:
        """Refuse an order for something else: a CA dropped a wildcard once, and nobody noticed (lego#2519)."""
        ordered = {identifier.key for identifier in order.identifiers}
        wanted = {identifier.key for identifier in self._request.identifiers}
        if ordered and ordered != wanted:
            odd = ", ".join(sorted(value for _, value in ordered ^ wanted))
            raise MalformedAnswer(f"the CA's order is not for what was asked for; differing: {odd}", url=order.url)
        if order.status == OrderStatus.INVALID:
            raise OrderFailed(f"{order.url}: the new order is invalid: {order.error}", order_url=order.url)

    # finalize, RFC 8555 §7.4

    def _obtain(self, order: Order) -> Certificate:
        order = self._finalize(order)
        self._engine.emit(events.OrderFinalized(order=order.url, status=order.status))
        order = self._await_certificate(order)
        chain = self._download(order)
        self._check_issued(chain)
        names = tuple(identifier.value for identifier in self._request.identifiers)
        self._engine.emit(events.CertificateIssued(order=order.url, names=names))
        return Certificate(chain, self._request.private_key, order.url)

    def _finalize(self, order: Order) -> Order:
        for looks in itertools.count():
            if order.status != OrderStatus.READY:
                return order
            try:
                return self._acme.finalize(self._account, order, self._request.csr, scope=self._scope)
            except LostAnswer:
                # The CA may have acted: the order tells (never finalize a finalized order).
                order = self._acme.order(self._account, order.url, scope=self._scope)
            except OrderNotReady as exc:
                self._scope.sleep(self._engine.pause(looks, exc.retry_after, order.url))
                order = self._acme.order(self._account, order.url, scope=self._scope)
        raise AssertionError("unreachable")

    def _await_certificate(self, order: Order) -> Order:
        """Poll the order until it is valid (RFC 8555 §7.4)."""
        began = time.monotonic()
        for looks in itertools.count():
            if order.status == OrderStatus.VALID and order.certificate is not None:
                return order
            if order.status in (OrderStatus.INVALID, OrderStatus.CANCELED):
                raise OrderFailed(f"{order.url}: the order is {order.status}: {order.error}", order_url=order.url)
            if time.monotonic() - began > self._engine.polling.timeout:
                raise OrderFailed(f"{order.url}: still {order.status!r} after finalize", order_url=order.url)
            self._scope.sleep(self._engine.pause(looks, order.retry_after, order.url))
            order = self._acme.order(self._account, order.url, scope=self._scope)
        raise AssertionError("unreachable")

    # download, RFC 8555 §7.4.2

    def _download(self, order: Order) -> Chain:
        chain = self._acme.certificate(self._account, order.certificate or "", scope=self._scope)
        wanted = self._spec.preferred_chain
        if wanted is not None and not issued_by(chain, wanted):
            # The default chain is good, too: a preference is not worth a certificate.
            chain = preferred(self._acme.alternates(self._account, chain, scope=self._scope), wanted) or chain
        if self._engine.chooses_chains:
            chains = [chain, *self._acme.alternates(self._account, chain, scope=self._scope)]
            chain = self._engine.choose_chain(chains) or chain
        return chain

    def _check_issued(self, chain: Chain) -> None:
        leaf = chain.leaf
        if not same_public_key(leaf, self._request.csr):
            raise CertificateError(f"{chain.url}: the certificate is for another key than the request's")
        issued = certificate_names(leaf)
        missing = [identifier for identifier in self._request.identifiers if identifier.key not in issued]
        if missing:
            raise CertificateError(f"{chain.url}: the certificate lacks {', '.join(map(str, missing))}")
        foreign = issued - {identifier.key for identifier in self._request.identifiers}
        if foreign:
            raise CertificateError(
                f"{chain.url}: the certificate is also for {', '.join(sorted(value for _, value in foreign))}"
            )


def _private_key(given: KeyProvider | PrivateKey | None) -> PrivateKey:
    if given is None:
        return generate("ec-p256")
    return given if isinstance(given, PrivateKey) else given.get("certificate")
