"""Accounts: create, find, update, deactivate, bind to external accounts, change keys (RFC 8555 §7.3)."""

from __future__ import annotations

import re

from acmez_testkit.jws import AccountKey, from_base64url, parse, read_json, read_jwk, verify, verify_mac
from acmez_testkit.model import Account
from acmez_testkit.registry import Registry
from acmez_testkit.signed import Signed, check_members
from acmez_testkit.wire import Refusal, Response

_MAILTO = re.compile(r"mailto:[^@,?\s]+@[^@,?\s]+\.[^@,?\s]+")


class Accounts:
    """Answers newAccount, account, orders and keyChange."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._behaviour = registry.behaviour

    def new(self, signed: Signed) -> Response:
        """Create or find an account (RFC 8555 §7.3, §7.3.1)."""
        members = signed.members(("contact", "termsOfServiceAgreed", "onlyReturnExisting", "externalAccountBinding"))
        only_existing = _flag(members, "onlyReturnExisting")
        with self._registry.lock:
            account = self._registry.account_of(signed.key.thumbprint)
            if account is not None:
                if account.status != "valid":
                    raise Refusal("unauthorized", f"account is {account.status}", 403)
                return _answer(account, 200)
            if only_existing:
                raise Refusal("accountDoesNotExist", "no account has this key")
            account = self._create(signed, members)
            self._registry.add_account(account)
            return _answer(account, 201)

    def _create(self, signed: Signed, members: dict[str, object]) -> Account:
        terms = self._agreed(members)
        if self._registry.terms is not None and terms is None:
            raise self._terms_refusal("the terms of service have to be agreed to")
        contact = self._contact(members)
        binding = members.get("externalAccountBinding")
        if binding is not None:
            self._check_binding(binding, signed)
        elif self._behaviour.external_accounts:
            raise Refusal("externalAccountRequired", "an externalAccountBinding is required", 403)
        bound = binding if isinstance(binding, dict) else None
        url = self._registry.new_url("account")
        return Account(url, signed.key, contact=contact, terms_agreed=terms, external_account=bound)

    def check_terms(self, account: Account) -> None:
        """Raise Refusal if the terms have changed since the account agreed (RFC 8555 §7.3.3)."""
        if account.terms_agreed != self._registry.terms and self._registry.terms is not None:
            raise self._terms_refusal("the terms of service have changed")

    def _terms_refusal(self, detail: str) -> Refusal:
        link = ("Link", f'<{self._registry.terms}>;rel="terms-of-service"')
        members = {"instance": self._registry.terms}
        return Refusal("userActionRequired", detail, 403, headers=[link], members=members)

    def _agreed(self, members: dict[str, object]) -> str | None:
        return self._registry.terms if _flag(members, "termsOfServiceAgreed") else None

    def _contact(self, members: dict[str, object]) -> tuple[str, ...]:
        contact = members.get("contact", [])
        if not isinstance(contact, list) or not all(isinstance(url, str) for url in contact):
            raise Refusal("malformed", "contact is not a list of URLs")
        if len(contact) > self._behaviour.max_contacts:
            raise Refusal("invalidContact", f"more than {self._behaviour.max_contacts} contacts")
        for url in contact:
            if not url.startswith("mailto:"):
                raise Refusal("unsupportedContact", f"contact {url!r} is not a mailto URL")
            if not url.isascii() or not _MAILTO.fullmatch(url):
                raise Refusal("invalidContact", f"contact {url!r} is not one mail address")
        return tuple(contact)

    def _check_binding(self, binding: object, signed: Signed) -> None:
        """Raise Refusal unless an external account binds this key (RFC 8555 §7.3.4)."""
        if not isinstance(binding, dict):
            raise Refusal("malformed", "externalAccountBinding is not a JWS")
        jws = parse(binding, "externalAccountBinding")
        if set(jws.protected) != {"alg", "kid", "url"}:
            raise Refusal("malformed", "externalAccountBinding has to have exactly alg, kid and url")
        if jws.protected["url"] != signed.url:
            raise Refusal("malformed", "url of externalAccountBinding is not that of the request")
        kid = jws.protected["kid"]
        secret = self._behaviour.external_accounts.get(kid) if isinstance(kid, str) else None
        if secret is None:
            raise Refusal("unauthorized", f"unknown external account {kid!r}", 403)
        verify_mac(jws, from_base64url(secret, "MAC key"))
        bound = read_json(jws.payload, "payload of externalAccountBinding")
        if self._read_jwk(bound).thumbprint != signed.key.thumbprint:
            raise Refusal("malformed", "externalAccountBinding is for another key")

    def _read_jwk(self, value: object) -> AccountKey:
        return read_jwk(value, min_rsa_bits=self._behaviour.min_rsa_bits)

    def one(self, signed: Signed, url: str) -> Response:
        """Return, update or deactivate the account (RFC 8555 §7.3.2, §7.3.6)."""
        account = self._own(signed, url)
        if signed.payload:
            self._update(account, signed)
        return Response.of_json(account.document())

    def _update(self, account: Account, signed: Signed) -> None:
        members = signed.members(("contact", "termsOfServiceAgreed", "status"), may_be_empty=("contact",))
        if not members:
            raise Refusal("malformed", "nothing to update; to read the account, send an empty payload")
        unchanged = not signed.strict and members.get("status") == account.status  # certbot sends the whole object
        if members.get("status", "deactivated") != "deactivated" and not unchanged:
            raise Refusal("malformed", f"status can only become 'deactivated', not {members['status']!r}")
        contact = self._contact(members)
        with self._registry.lock:
            if "contact" in members:
                account.contact = contact
            account.terms_agreed = self._agreed(members) or account.terms_agreed
            account.status = str(members.get("status", account.status))

    def orders(self, signed: Signed, url: str, cursor: int) -> Response:
        """Return one page of the account's orders (RFC 8555 §7.1.2.1)."""
        signed.only_reads()
        account = self._own(signed, url)
        size = self._behaviour.orders_per_page
        with self._registry.lock:
            for order in self._registry.orders.values():
                order.age()
            own = [o for o in self._registry.orders.values() if o.account == account.url]
        urls = [order.url for order in own if order.status != "invalid"]
        page = urls[cursor : cursor + size]
        more = cursor + size < len(urls)
        headers = [("Link", f'<{url}/orders?cursor={cursor + size}>;rel="next"')] if more else []
        return Response.of_json(page if self._behaviour.orders_as_array else {"orders": page}, headers=headers)

    def change_key(self, signed: Signed) -> Response:
        """Replace the account's key (RFC 8555 §7.3.5)."""
        account = signed.owner
        jws = parse(read_json(signed.payload, "payload"), "inner JWS")
        if set(jws.protected) != {"alg", "jwk", "url"}:
            raise Refusal("malformed", "inner JWS has to have exactly alg, jwk and url, and no nonce")
        if jws.protected["url"] != signed.url:
            raise Refusal("malformed", "url of the inner JWS is not that of the request")
        key = self._read_jwk(jws.protected["jwk"])
        verify(jws, key, self._behaviour.signature_algorithms)
        inner = read_json(jws.payload, "payload of the inner JWS")
        check_members(inner, ("account", "oldKey"), "payload of the inner JWS")
        if inner.get("account") != account.url:
            raise Refusal("malformed", "account of the inner JWS is not the one that signed")
        if self._read_jwk(inner.get("oldKey")).thumbprint != account.key.thumbprint:
            raise Refusal("malformed", "oldKey of the inner JWS is not the account's key")
        with self._registry.lock:
            user = self._registry.account_of(key.thumbprint)
            if user is not None:
                raise Refusal("malformed", "the new key is in use", 409, headers=[("Location", user.url)])
            self._registry.change_key(account, key)
        return Response.of_json(account.document())

    def _own(self, signed: Signed, url: str) -> Account:
        if signed.owner.url != url:
            raise Refusal("unauthorized", f"{url!r} is not the account that signed", 403)
        return signed.owner


def _flag(members: dict[str, object], name: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise Refusal("malformed", f"{name} is not a boolean")
    return value


def _answer(account: Account, status: int) -> Response:
    return Response.of_json(account.document(), status, [("Location", account.url)])
