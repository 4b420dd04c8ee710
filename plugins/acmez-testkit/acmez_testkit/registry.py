"""What the CA knows, in memory: all its objects, found by their URL."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from acmez_testkit.behaviour import Behaviour
from acmez_testkit.jws import AccountKey
from acmez_testkit.model import Account, Authorization, Certificate, Challenge, Identifier, Order
from acmez_testkit.nonces import Nonces
from acmez_testkit.wire import Refusal

_Owned = TypeVar("_Owned", Order, Authorization, Certificate)


class Registry:
    """The objects of one CA; hold `lock` to change one or to look at more than one."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.terms = behaviour.terms_of_service
        self.origin = ""
        self.lock = threading.RLock()
        self.nonces = Nonces(reject=behaviour.nonce_reject, seed=behaviour.seed)
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.authorizations: dict[str, Authorization] = {}
        self.challenges: dict[str, Challenge] = {}
        self.certificates: dict[str, Certificate] = {}
        self._by_thumbprint: dict[str, Account] = {}
        self._by_cert_id: dict[str, Certificate] = {}
        self._by_subject: defaultdict[tuple[str, Identifier, bool], list[Authorization]] = defaultdict(list)
        self._numbers = itertools.count(1)

    def url(self, path: str) -> str:
        """Return the absolute URL of a path of the API."""
        return self.origin + path

    def new_url(self, kind: str) -> str:
        """Return the URL of a new object."""
        return self.url(f"/{kind}/{next(self._numbers)}")

    def account_of(self, thumbprint: str) -> Account | None:
        """Return the account whose key has this thumbprint."""
        return self._by_thumbprint.get(thumbprint)

    def add_account(self, account: Account) -> None:
        """Make a new account known, by its URL and its key."""
        self.accounts[account.url] = account
        self._by_thumbprint[account.key.thumbprint] = account

    def change_key(self, account: Account, key: AccountKey) -> None:
        """Make an account known by another key."""
        del self._by_thumbprint[account.key.thumbprint]
        account.key = key
        self._by_thumbprint[key.thumbprint] = account

    def add_authorization(self, authorization: Authorization) -> None:
        """Make a new authorization and its challenges known."""
        self.authorizations[authorization.url] = authorization
        self.challenges.update({challenge.url: challenge for challenge in authorization.challenges})
        self._by_subject[authorization.account, authorization.identifier, authorization.wildcard].append(authorization)

    def add_certificate(self, certificate: Certificate) -> None:
        """Make a new certificate known, by its URL and its RFC 9773 identifier."""
        self.certificates[certificate.url] = certificate
        self._by_cert_id[certificate.cert_id] = certificate

    def authorizations_for(self, account: Account, identifier: Identifier, *, wildcard: bool) -> list[Authorization]:
        """Return the account's authorizations for one identifier, brought up to date."""
        found = self._by_subject[account.url, identifier, wildcard]
        for authorization in found:
            authorization.age()
        return found

    def authorizations_of(self, account: Account) -> Iterator[Authorization]:
        """Return the account's authorizations, brought up to date."""
        for authorization in self.authorizations.values():
            if authorization.account == account.url:
                authorization.age()
                yield authorization

    def owned(self, objects: dict[str, _Owned], url: str, account: Account) -> _Owned:
        """Return the object at `url`; raise Refusal if there is none or it is another account's."""
        found = objects.get(url)
        if found is None:
            raise Refusal("malformed", f"nothing at {url!r}", 404)
        if found.account != account.url:
            raise Refusal("unauthorized", f"{url!r} belongs to another account", 403)
        return found

    def order(self, url: str, account: Account) -> Order:
        """Return the account's order at `url`, brought up to date."""
        order = self.owned(self.orders, url, account)
        order.age()
        return order

    def authorization(self, url: str, account: Account) -> Authorization:
        """Return the account's authorization at `url`, brought up to date."""
        authorization = self.owned(self.authorizations, url, account)
        authorization.age()
        return authorization

    def certificate_by_id(self, cert_id: str) -> Certificate | None:
        """Return the certificate with this RFC 9773 identifier."""
        return self._by_cert_id.get(cert_id)
