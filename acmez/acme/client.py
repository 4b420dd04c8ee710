"""The plumbing client: one method per request of RFC 8555 and its extensions, in the RFC's order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .account import Account, AccountStatus, account_payload
from .authorization import FINAL as FINAL_AUTHORIZATION
from .authorization import Authorization, AuthorizationStatus
from .certificate import Chain, RevocationReason
from .challenge import Challenge
from .delegation import Delegation
from .directory import Directory
from .errors import AcmeError, Cancelled, InputError, LostAnswer, MalformedAnswer
from .identifier import Identifier
from .jws import ExternalAccount, SigningKey, sign
from .order import FINAL as FINAL_ORDER
from .order import AutoRenewal, Order, OrderStatus, new_order_payload
from .pace import Paces, Rates
from .polling import Polling, poll
from .problem import BLANK, AlreadyRevoked, ErrorType, ProblemError
from .renewal import RenewalInfo, certificate_name
from .retry import DefaultRetry, RetryPolicy
from .rollover import after_key_change
from .scope import CancelScope
from .session import Observe, Session
from .signed import SignedRequests
from .transport import Response, Transport
from .wire import JSON, JSONObject, b64encode

PEM_CHAIN = "application/pem-certificate-chain"


class Client(SignedRequests):
    """Speaks RFC 8555 to one server, request by request; safe for many threads.

    Every method that sends takes a `scope`, which bounds it and can cancel it, and raises
    `ProblemError` (the server refused), `TransportError` (no usable answer came), `MalformedAnswer`
    or `Cancelled`. Requests that do no harm when they arrive twice are repeated as `retry` says; the
    others (newOrder, newAuthz, keyChange, a challenge's response, finalize) raise `LostAnswer` once
    they may have been acted on, and so leaves a `ProblemError` with a status of 500 or more it open:
    read the resource before repeating them.

    Args:
        directory_url: the server's directory.
        transport: sends the requests; `None`: one of the client's own, closed with it.
        retry: decides what is repeated.
        observe: is called with each request's outcome, from the thread that sent it.
        requests_per_second: what the server is known to bear, in all or by operation; `None`: any number.
        language: the Accept-Language for messages (RFC 8555 §6.1).
    """

    def __init__(
        self,
        directory_url: str,
        *,
        transport: Transport | None = None,
        retry: RetryPolicy | None = None,
        observe: Observe | None = None,
        language: str = "en",
        requests_per_second: Rates | None = None,
    ) -> None:
        self.transport = Transport() if transport is None else transport
        self._owns_transport = transport is None
        super().__init__(
            Session(
                directory_url,
                self.transport,
                retry or DefaultRetry(),
                observe=observe,
                language=language,
                paces=Paces(requests_per_second),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client's own connections; a transport that was given stays open."""
        if self._owns_transport:
            self.transport.close()

    def directory(self, *, refresh: bool = False, scope: CancelScope | None = None) -> Directory:
        """Return what the server offers (RFC 8555 §7.1.1), from memory while that may be used."""
        return self.session.directory(scope, refresh=refresh)

    # Accounts, RFC 8555 §7.3

    def new_account(
        self,
        key: SigningKey,
        *,
        contact: Sequence[str] = (),
        terms_of_service_agreed: bool = False,
        external_account: ExternalAccount | None = None,
        scope: CancelScope | None = None,
    ) -> Account:
        """Create an account, or return the one that the key has already (RFC 8555 §7.3).

        Args:
            contact: URLs such as "mailto:admin@example.com".
            external_account: binds the account to a CA's customer (RFC 8555 §7.3.4).

        Raises:
            UserActionRequired: the terms of service must be agreed to.
            ExternalAccountRequired: the CA wants an external account binding.
        """
        payload = account_payload(contact or None, agreed=terms_of_service_agreed)
        if external_account is not None:
            url = self.directory(scope=scope).require("newAccount")
            payload["externalAccountBinding"] = external_account.binding(key.jwk, url)
        return self._new_account(key, payload, scope)

    def find_account(self, key: SigningKey, *, scope: CancelScope | None = None) -> Account:
        """Return the account of a key (RFC 8555 §7.3.1).

        Raises:
            AccountDoesNotExist: there is none.
        """
        return self._new_account(key, {"onlyReturnExisting": True}, scope)

    def account(self, account: Account, *, scope: CancelScope | None = None) -> Account:
        """Fetch an account; CAs that offer no POST-as-GET of accounts are asked by key.

        Raises:
            AccountDoesNotExist: there is none.
        """
        read = partial(Account.from_response, key=account.key, url=account.url)
        try:
            return self._get(account, account.url, "account", scope, read)
        except ProblemError as exc:
            # Google Trust Services, SSL.com and DigiCert refuse, each in its own words.
            own_words = exc.status < 500 and exc.problem.type in (BLANK, ErrorType.MALFORMED)
            if not own_words and exc.status not in (404, 405, 501):
                raise
            return self.find_account(account.key, scope=scope)

    def update_account(
        self,
        account: Account,
        *,
        contact: Sequence[str] | None = None,
        terms_of_service_agreed: bool = False,
        scope: CancelScope | None = None,
    ) -> Account:
        """Replace the contacts (RFC 8555 §7.3.2), by none if *contact* is empty, or agree to new terms (§7.3.3)."""
        payload = account_payload(contact, agreed=terms_of_service_agreed)
        response = self._post(account, account.url, payload, "updateAccount", scope, repeatable=True)
        return account.updated(response, otherwise=account.changed(contact, agreed=terms_of_service_agreed))

    def deactivate_account(self, account: Account, *, scope: CancelScope | None = None) -> Account:
        """Deactivate the account for ever (RFC 8555 §7.3.6)."""
        payload: JSONObject = {"status": AccountStatus.DEACTIVATED}
        deactivated = replace(account, status=AccountStatus.DEACTIVATED)
        try:
            response = self._post(account, account.url, payload, "deactivateAccount", scope, repeatable=False)
        except LostAnswer:
            try:
                found = self.account(account, scope=scope)
            except ProblemError as exc:
                if exc.problem.type == ErrorType.UNAUTHORIZED:  # what a deactivated account gets
                    return deactivated
                raise
            if found.status == AccountStatus.VALID:
                raise
            return found
        return account.updated(response, otherwise=deactivated)

    def change_key(self, account: Account, new_key: SigningKey, *, scope: CancelScope | None = None) -> Account:
        """Give the account another key (RFC 8555 §7.3.5).

        Store the new key before calling, and keep the old one until this returns or `KeyChangeError.holds`
        says which one to keep. Whatever the answer, the server is asked which of the two keys the account
        answers to; so the call may be repeated after a crash.

        Raises:
            InputError: the new key is the account's already (RFC 8555 §11.1).
            KeyChangeError: the account does not hold the new key, or that could not be found out.
            ProblemError: the server refused, and the account holds its old key.
            Cancelled: the account may hold either key.
        """
        if new_key.same_as(account.key):
            raise InputError(f"{account.url}: the new key is the account's already")
        url = self.directory(scope=scope).require("keyChange")
        inner = sign(new_key, url, {"account": account.url, "oldKey": account.key.jwk})
        error: LostAnswer | ProblemError | None = None
        try:
            self._post(account, url, inner, "keyChange", scope, repeatable=False)
        except (LostAnswer, ProblemError) as exc:
            error = exc
        return after_key_change(account, new_key, error, lambda key: self.find_account(key, scope=scope))

    def orders(self, account: Account, *, scope: CancelScope | None = None) -> Iterator[str]:
        """Yield the URLs of the account's orders, page by page (RFC 8555 §7.1.2.1).

        Raises:
            UnsupportedError: the server keeps no such list, as most do not.
        """
        return self._listed(account, account.orders, "orders", scope)

    def delegations(self, account: Account, *, scope: CancelScope | None = None) -> Iterator[str]:
        """Yield the URLs of what is delegated to the account, page by page (RFC 9115 §2.3.1.2).

        Raises:
            UnsupportedError: the server keeps no such list.
        """
        return self._listed(account, account.delegations, "delegations", scope)

    def delegation(self, account: Account, url: str, *, scope: CancelScope | None = None) -> Delegation:
        """Fetch a delegation (RFC 9115 §2.3.1.3)."""
        return self._get(account, url, "delegation", scope, Delegation.from_response)

    # Orders, RFC 8555 §7.4

    def new_order(
        self,
        account: Account,
        identifiers: Sequence[Identifier],
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        replaces: str | None = None,
        profile: str | None = None,
        auto_renewal: AutoRenewal | None = None,
        delegation: str | None = None,
        allow_certificate_get: bool = False,
        scope: CancelScope | None = None,
    ) -> Order:
        """Order a certificate (RFC 8555 §7.4).

        Args:
            not_before, not_after: the wished validity; Let's Encrypt refuses both.
            replaces: `certificate_id` of the certificate that this one replaces (RFC 9773 §5).
            profile: one of the directory's profiles (draft-ietf-acme-profiles).
            auto_renewal: let the server renew by itself (RFC 8739).
            delegation: URL of a delegation (RFC 9115 §2.3.2).

        Raises:
            LostAnswer: the order may exist, and the answer did not even tell its URL.
            RejectedIdentifier, RateLimited, AlreadyReplaced, InvalidProfile: as the CA says.
        """
        payload = new_order_payload(
            identifiers,
            not_before=not_before,
            not_after=not_after,
            replaces=replaces,
            profile=profile,
            auto_renewal=auto_renewal,
            delegation=delegation,
            allow_certificate_get=allow_certificate_get,
        )
        url = self.directory(scope=scope).require("newOrder")
        return self._create(account, url, payload, "newOrder", scope, Order.from_response, self.order)

    def order(self, account: Account, url: str, *, scope: CancelScope | None = None) -> Order:
        """Fetch an order (RFC 8555 §7.4)."""
        return self._get(account, url, "order", scope, partial(Order.from_response, url=url))

    def poll_order(
        self,
        account: Account,
        order: Order,
        *,
        until: Collection[str],
        polling: Polling | None = None,
        scope: CancelScope | None = None,
    ) -> Order:
        """Fetch an order again and again until its status is one of *until* (RFC 8555 §7.4).

        Raises:
            StateError: it will not get there; the message holds the order's error.
            PollTimeout: it did not get there in time.
        """
        return poll(
            lambda: self.order(account, order.url, scope=scope),
            order,
            until=until,
            final=FINAL_ORDER,
            polling=polling or Polling(),
            scope=scope,
        )

    def finalize(
        self,
        account: Account,
        order: Order,
        request: x509.CertificateSigningRequest | None,
        *,
        extra: JSONObject | None = None,
        scope: CancelScope | None = None,
    ) -> Order:
        """Send the certificate request; the order comes back, maybe still processing (RFC 8555 §7.4).

        Args:
            request: its names must be the order's; `None` for challenges that need none.
            extra: further members, such as RFC 9799's `onionCAA`.

        Raises:
            InputError: the request is for the account's own key (RFC 8555 §11.1).
            OrderNotReady: read the order again.
            LostAnswer: the server may have acted; read the order.
        """
        if not order.finalize:
            raise MalformedAnswer("the order has no finalize URL", url=order.url)
        payload: dict[str, JSON] = dict(extra or {})
        if request is not None:
            if account.key.belongs_to(request.public_key()):
                raise InputError(f"{order.url}: the certificate request is for the account's key (RFC 8555 §11.1)")
            payload["csr"] = b64encode(request.public_bytes(Encoding.DER))
        response = self._post(account, order.finalize, payload, "finalize", scope, repeatable=False)
        return Order.from_response(response, order.url)

    def cancel_auto_renewal(self, account: Account, order: Order, *, scope: CancelScope | None = None) -> Order:
        """End the automatic renewal of an order (RFC 8739 §3.1.2)."""
        read = partial(Order.from_response, url=order.url)
        return self._end(account, order.url, OrderStatus.CANCELED, "cancelAutoRenewal", read, self.order, scope)

    # Authorizations and challenges, RFC 8555 §7.5

    def new_authorization(
        self,
        account: Account,
        identifier: Identifier,
        *,
        subdomain_auth_allowed: bool = False,
        scope: CancelScope | None = None,
    ) -> Authorization:
        """Ask for an authorization before any order (RFC 8555 §7.4.1).

        Args:
            subdomain_auth_allowed: ask for one that covers subdomains (RFC 9444 §4.2).

        Raises:
            UnsupportedError: the server does not offer it, as most do not.
        """
        url = self.directory(scope=scope).require("newAuthz")
        named: dict[str, JSON] = dict(identifier.to_json())
        if subdomain_auth_allowed:
            named["subdomainAuthAllowed"] = True
        read = self._authorization_of(account)
        return self._create(account, url, {"identifier": named}, "newAuthz", scope, read, self.authorization)

    def authorization(self, account: Account, url: str, *, scope: CancelScope | None = None) -> Authorization:
        """Fetch an authorization with its challenges (RFC 8555 §7.5)."""
        return self._get(account, url, "authorization", scope, self._authorization_of(account, url))

    def _authorization_of(self, account: Account, url: str | None = None) -> Callable[[Response], Authorization]:
        return lambda response: Authorization.from_response(response, account, url, meta=self.session.meta)

    def poll_authorization(
        self,
        account: Account,
        authorization: Authorization,
        *,
        polling: Polling | None = None,
        scope: CancelScope | None = None,
    ) -> Authorization:
        """Fetch an authorization again and again until it is valid (RFC 8555 §7.5.1).

        Raises:
            StateError: it will not become valid; the message holds the challenge's error.
            PollTimeout: it did not become valid in time.
        """
        return poll(
            lambda: self.authorization(account, authorization.url, scope=scope),
            authorization,
            until={AuthorizationStatus.VALID},
            final=FINAL_AUTHORIZATION,
            polling=polling or Polling(),
            scope=scope,
        )

    def deactivate_authorization(
        self, account: Account, url: str, *, scope: CancelScope | None = None
    ) -> Authorization:
        """Give an authorization up (RFC 8555 §7.5.2)."""
        return self._end(
            account,
            url,
            AuthorizationStatus.DEACTIVATED,
            "deactivateAuthorization",
            self._authorization_of(account, url),
            self.authorization,
            scope,
        )

    def respond(
        self,
        account: Account,
        challenge: Challenge,
        payload: JSONObject | None = None,
        *,
        scope: CancelScope | None = None,
    ) -> Challenge:
        """Tell the server to look (RFC 8555 §7.5.1); then poll the order or the authorization.

        Args:
            payload: the challenge type's response object; `None`: `{}`.

        Raises:
            LostAnswer: the server may be looking already; read the authorization.
            Conflict: it is.
        """
        if not challenge.url:
            raise MalformedAnswer(f"{challenge}: the challenge has no URL", url=account.url)
        response = self._post(account, challenge.url, payload or {}, "challenge", scope, repeatable=False)
        return challenge.updated(response)

    # Certificates, RFC 8555 §7.4.2 and §7.6

    def certificate(self, account: Account | None, url: str, *, scope: CancelScope | None = None) -> Chain:
        """Download a certificate with its default chain (RFC 8555 §7.4.2).

        Args:
            account: `None` sends a plain GET, where the server allows it (RFC 8739 §3.4).
        """
        if account is None:
            return self.session.get_and_read(Chain.from_response, url, "certificate", scope=scope, accept=PEM_CHAIN)
        return self._get(account, url, "certificate", scope, Chain.from_response, accept=PEM_CHAIN)

    def alternates(self, account: Account | None, chain: Chain, *, scope: CancelScope | None = None) -> Iterator[Chain]:
        """Yield the certificate's other chains, each downloaded when it is asked for.

        One that cannot be had, or is for another certificate, is left out: the default chain is good already.

        Raises:
            Cancelled: *scope* ended.
        """
        for url in chain.alternates:
            try:
                other = self.certificate(account, url, scope=scope)
            except Cancelled:
                raise
            except AcmeError:
                continue
            if other.leaf == chain.leaf:
                yield other

    def star_certificate(self, account: Account | None, order: Order, *, scope: CancelScope | None = None) -> Chain:
        """Download the current certificate of an order that the server renews (RFC 8739 §3.3).

        Args:
            account: `None` sends a plain GET, where the server allows it (RFC 8739 §3.4).
        """
        if order.star_certificate is None:
            raise InputError(f"{order.url}: the order has no star-certificate")
        return self.certificate(account, order.star_certificate, scope=scope)

    def revoke(
        self,
        signer: Account | SigningKey,
        certificate: x509.Certificate,
        *,
        reason: RevocationReason | None = None,
        scope: CancelScope | None = None,
    ) -> None:
        """Revoke a certificate (RFC 8555 §7.6); one that is revoked already counts as success.

        Args:
            signer: the account that ordered it or is authorized for all its names, or the
                certificate's own key.
        """
        payload: dict[str, JSON] = {"certificate": b64encode(certificate.public_bytes(Encoding.DER))}
        if reason is not None:
            payload["reason"] = int(reason)
        url = self.directory(scope=scope).require("revokeCert")
        key, key_id = (signer.key, signer.url) if isinstance(signer, Account) else (signer, None)
        try:
            self.session.post(url, payload, "revokeCert", key=key, key_id=key_id, repeatable=True, scope=scope)
        except AlreadyRevoked:
            return

    def renewal_info(self, certificate: x509.Certificate | str, *, scope: CancelScope | None = None) -> RenewalInfo:
        """Ask when the CA wants a certificate to be renewed (RFC 9773 §4.2).

        Args:
            certificate: the certificate, or its `certificate_id`.

        Raises:
            UnsupportedError: the server does not say.
        """
        name = certificate_name(certificate)
        base = self.directory(scope=scope).require("renewalInfo")
        # Information that makes no sense is a long-term failure: not to be asked for again now (RFC 9773 §4.3.3).
        response = self.session.get(f"{base.rstrip('/')}/{name}", "renewalInfo", scope=scope, accept="application/json")
        return RenewalInfo.from_response(response)
