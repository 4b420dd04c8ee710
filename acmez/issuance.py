"""One certificate, from newOrder to download (RFC 8555 §7.4)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509

from . import current, events
from .acme.account import Account
from .acme.certificate import Chain, same_public_key
from .acme.errors import AcmeError, Cancelled, InputError, MalformedAnswer, TransportError
from .acme.order import Order, OrderStatus
from .acme.problem import OrderNotReady, ProblemError, RejectedIdentifier, printable
from .acme.renewal import certificate_id, refuses_replaces
from .acme.scope import CancelScope, doing
from .certificate import Certificate
from .chains import issued_by, preferred
from .csr import certificate_names
from .engine import Engine, log, told
from .errors import CertificateError, ChallengesFailed, FailedIdentifier, JournalError, OrderFailed, TryAgainLater
from .record import Record
from .request import Request
from .solving import Failed, Solving
from .spec import CertificateSpec
from .sweeping import sweep

if TYPE_CHECKING:
    from .journal import OrderEntry

_ORDERS_TO_LOOK_AT = 100  # the newest ones, when an order may have been lost


class _OrderTaken(CertificateError):
    """Another issuance finalized the order: Boulder answers newOrder with one that is still open."""


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
        self._record = Record()
        self._finalized = False
        self._warming = scope.child()

    def run(self) -> Certificate:
        """Order, prove, finalize, download; fall back to other challenges in new orders while there are any.

        Raises:
            ChallengesFailed: some identifiers could not be proved in any way.
            OrderFailed: the CA gave the order up.
            TryAgainLater: the CA asks for more patience than the cap.
            CertificateError: the CA issued something else.
        """
        names = tuple(identifier.value for identifier in self._request.identifiers)
        try:
            with self._engine.issuing(names):
                return self._run()
        finally:
            self._warming.cancel("the issuance has ended")  # connections that still open are for nobody
            self._warming.close()

    def _run(self) -> Certificate:
        for number in itertools.count(1):
            last = number >= self._engine.max_orders
            order = self._next_order(last=last)
            certificate = None if order is None else self._take_through(order, last=last)
            if certificate is not None:
                return certificate
        raise AssertionError("unreachable")

    def _next_order(self, *, last: bool) -> Order | None:
        """Return an order to go on with, or a new one; `None`: another one, without what the CA refuses, may do."""
        try:
            with doing(lambda: f"ordering for {', '.join(map(str, self._request.identifiers[:10]))}"):
                return self._resume() or self._new_order()
        except RejectedIdentifier as exc:
            refused = {str(item.identifier) for item in exc.problem.subproblems if item.identifier}
            if not last and self._does_without(refused):
                return None
            self._end(exc)
            raise

    def _take_through(self, order: Order, *, last: bool) -> Certificate | None:
        """Prove, finalize and download; `None`: another order may do better."""
        solving = Solving(
            self._engine, self._account, order, self._request.identifiers, self._failed, self._record, self._scope
        )
        keep = False
        try:
            with self._engine.limited(order.url):
                order = solving.authorize()
                # The answers are needed no more: they go while the CA issues.
                solving.begin_clean_up()
                certificate = self._obtain(order)
            keep = True  # until its files are written
            return certificate
        except ChallengesFailed as exc:
            self._failures += exc.failed
            solving.give_up()
            if not last and self._goes_on(solving, exc):
                return None
            self._end(exc)
            raise ChallengesFailed(self._failures, order_url=exc.order_url) from exc
        except _OrderTaken as exc:
            if not last:
                return None
            self._end(exc)
            raise
        except BaseException as exc:
            self._scope.cancel("the issuance has ended")  # what still runs beside, after Ctrl-C, say
            keep = self._can_be_resumed(exc)
            if not keep:
                solving.give_up()
            self._end(exc)
            raise
        finally:
            solving.clean_up()
            self._record.finish(forget=not keep)

    def _can_be_resumed(self, error: BaseException) -> bool:
        """Whether the journal keeps the order: not if the CA or the proofs have spoilt it."""
        passing = isinstance(error, Cancelled | TransportError | TryAgainLater | JournalError) or (
            isinstance(error, ProblemError) and _may_pass(error)
        )
        return self._engine.journal is not None and (passing or not isinstance(error, AcmeError))

    def _goes_on(self, solving: Solving, error: ChallengesFailed) -> bool:
        """Whether another order makes sense: for other ways, or without what failed."""
        return solving.has_other_ways or self._does_without({item.identifier for item in error.failed})

    def _does_without(self, names: Collection[str]) -> bool:
        """Go on without *names*, if the caller allows that and something is left."""
        rest = self._request.without(names) if self._allow_subset else None
        if rest is not None:
            self._request = rest
        return rest is not None

    def _end(self, error: BaseException) -> None:
        order_url = getattr(error, "order_url", None) or current.order()
        self._engine.emit(events.OrderFailed(order=order_url, reason=told(error)))

    # newOrder, RFC 8555 §7.4

    def _new_order(self) -> Order:
        self._profile()
        replaces = self._replaces()
        if replaces is None:
            self._engine.await_order(self._scope)
        self._record = self._begin()
        # The authorizations are read side by side: their connections open while the order is made.
        many = min(len(self._request.identifiers), self._engine.parallelism)
        try:
            self._acme.session.warm_up(many - 1, self._warming)
            order = self._send_order(replaces)
            self._check_ordered(order)
            self._record.ordered(order.url)
        except BaseException as exc:
            self._record.finish(forget=not self._can_be_resumed(exc))
            raise
        names = tuple(identifier.value for identifier in self._request.identifiers)
        self._engine.emit(events.OrderCreated(order=order.url, names=names, status=order.status))
        return order

    def _begin(self) -> Record:
        journal, request = self._engine.journal, self._request
        if journal is None:
            return Record()
        wish = request.wish(self._spec)
        return Record(journal, journal.begin(*self._where, wish, csr=request.der, key=request.generated_key))

    @property
    def _where(self) -> tuple[str, str]:
        return self._acme.session.directory_url, self._account.url

    def _replaces(self) -> str | None:
        """The certificate to name in `replaces`: only where the server knows what that means (RFC 9773 §5)."""
        replaces = self._spec.replaces
        if replaces is None or self._acme.directory(scope=self._scope).get("renewalInfo") is None:
            return None
        return certificate_id(replaces) if isinstance(replaces, x509.Certificate) else replaces

    def _send_order(self, replaces: str | None) -> Order:
        try:
            return self._order_once(replaces)
        except AcmeError as exc:
            if replaces is None or not refuses_replaces(exc):
                raise
            self._engine.await_order(self._scope)
            return self._order_once(None)

    def _order_once(self, replaces: str | None) -> Order:
        """Order; after an answer that leaves it in doubt look for the order rather than order twice."""
        send = partial(self._call_new_order, replaces)
        return self._engine.settle(send, self._find_lost_order, "newOrder", self._scope)

    def _call_new_order(self, replaces: str | None) -> Order:
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

    def _find_lost_order(self) -> Order | None:
        """Look for an order for these names that nobody knows of, where the CA keeps a list (RFC 8555 §7.1.2.1)."""
        account = self._acme.account(self._account, scope=self._scope)
        if account.orders is None:
            return None
        journal = self._engine.journal
        known = frozenset() if journal is None else journal.known_urls(*self._where)
        try:
            urls = [url for url in self._acme.orders(account, scope=self._scope) if url not in known]
        except (MalformedAnswer, ProblemError) as exc:
            if isinstance(exc, ProblemError) and _may_pass(exc):
                raise
            return None  # there is no list after all
        wanted = {identifier.key for identifier in self._request.identifiers}
        for url in reversed(urls[-_ORDERS_TO_LOOK_AT:]):
            order = self._look_up(url)
            if order is None or order.status not in (OrderStatus.PENDING, OrderStatus.READY):
                continue
            if {identifier.key for identifier in order.identifiers} == wanted:
                return order
        return None

    # An order that an earlier process left behind

    def _resume(self) -> Order | None:
        journal = self._engine.journal
        if journal is None:
            return None
        while entry := journal.unfinished(*self._where, self._request.wish(self._spec)):
            self._record = Record(journal, entry)
            try:
                order = self._look_up(entry.url)
                if order is not None and not (odd := self._differing(order)):
                    return self._go_on(entry, order)
                if order is not None:
                    log.warning("%s: not gone on with: it is not for what was asked for; differing: %s", order.url, odd)
                sweep(self._engine, journal, self._record.inherited())
            except BaseException:
                self._record.finish(forget=False)
                raise
            self._record.finish(forget=True)
        return None

    def _go_on(self, entry: OrderEntry, order: Order) -> Order:
        self._request = self._request.restored(entry.csr, entry.key)
        if entry.url is None:
            self._record.ordered(order.url)
        self._engine.emit(events.OrderResumed(order=order.url, status=order.status))
        return order

    def _look_up(self, url: str | None) -> Order | None:
        """Return the order if it can be gone on with."""
        if url is None:
            return self._find_lost_order()
        try:
            order = self._acme.order(self._account, url, scope=self._scope)
        except ProblemError as exc:
            if _may_pass(exc):
                raise
            return None  # expired orders are 404 at Let's Encrypt
        expired = order.expires is not None and order.expires <= datetime.now(UTC)
        ended = order.status in (OrderStatus.INVALID, OrderStatus.CANCELED)
        return None if ended or (expired and order.status != OrderStatus.VALID) else order

    def _profile(self) -> str | None:
        """The profile to ask for: only one that the server offers (draft-ietf-acme-profiles §4)."""
        profile = self._spec.profile
        offered = self._acme.directory(scope=self._scope).meta.profiles
        if profile is None or profile in offered:
            return profile
        if self._spec.profile_required:
            raise InputError(f"profile: {profile!r} is not offered; profiles: {', '.join(offered) or 'none'}")
        return None

    def _differing(self, order: Order) -> str:
        """Say which names only one of order and request has; "" if they are the same, or the CA does not tell."""
        ordered = {identifier.key for identifier in order.identifiers}
        wanted = {identifier.key for identifier in self._request.identifiers}
        return printable(", ".join(sorted(value for _, value in ordered ^ wanted))) if ordered else ""

    def _check_ordered(self, order: Order) -> None:
        """Refuse an order for something else: a CA dropped a wildcard once, and nobody noticed (lego#2519)."""
        if odd := self._differing(order):
            raise MalformedAnswer(f"the CA's order is not for what was asked for; differing: {odd}", url=order.url)
        if order.status == OrderStatus.INVALID:
            raise OrderFailed(f"{order.url}: the new order is invalid: {order.error}", order_url=order.url)

    # finalize, RFC 8555 §7.4

    def _obtain(self, order: Order) -> Certificate:
        with doing(lambda: f"{order.url}: finalizing the order"):
            order = self._finalize(order)
        self._engine.emit(events.OrderFinalized(order=order.url, status=order.status))
        with doing(lambda: f"{order.url}: waiting for the CA to issue"):
            order = self._await_certificate(order)
        with doing(lambda: f"{order.url}: downloading the certificate"):
            chain = self._download(order)
        self._check_issued(chain)
        names = tuple(identifier.value for identifier in self._request.identifiers)
        self._engine.emit(events.CertificateIssued(order=order.url, names=names))
        written = self._engine.delivery(chain.leaf, names, order.url, self._record.deliver(order.url))
        return Certificate(chain, self._request.private_key, order.url, written=written)

    def _finalize(self, order: Order) -> Order:
        """Send the certificate request, again only if the order says that it never arrived."""
        began = time.monotonic()
        for looks in itertools.count():
            if order.status != OrderStatus.READY:
                return order
            try:
                send, look = partial(self._call_finalize, order), partial(self._finalized_already, order)
                return self._engine.settle(send, look, "finalize", self._scope)
            except ProblemError as exc:
                # 409: it collided with something, with an earlier finalize, say. The order tells.
                passing = isinstance(exc, OrderNotReady) or exc.status == 409
                if not passing or time.monotonic() - began > self._engine.polling.timeout:
                    raise
                self._scope.sleep(self._engine.pause(looks, exc.retry_after, order.url))
            order = self._acme.order(self._account, order.url, scope=self._scope)
        raise AssertionError("unreachable")

    def _call_finalize(self, order: Order) -> Order:
        finalized = self._acme.finalize(self._account, order, self._request.csr, scope=self._scope)
        self._finalized = True
        return finalized

    def _finalized_already(self, order: Order) -> Order | None:
        """Return the order if the CA got the request after all: what is finalized is never finalized again."""
        now = self._acme.order(self._account, order.url, scope=self._scope)
        return None if now.status == OrderStatus.READY else now

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
            message = f"{chain.url}: the certificate is for another key than the request's"
            raise CertificateError(message) if self._finalized else _OrderTaken(message)
        issued = certificate_names(leaf)
        missing = [identifier for identifier in self._request.identifiers if identifier.key not in issued]
        if missing:
            raise CertificateError(f"{chain.url}: the certificate lacks {', '.join(map(str, missing))}")
        foreign = issued - {identifier.key for identifier in self._request.identifiers}
        if foreign:
            raise CertificateError(
                f"{chain.url}: the certificate is also for {', '.join(sorted(value for _, value in foreign))}"
            )


def _may_pass(error: ProblemError) -> bool:
    return error.status >= 500 or error.status == 429
