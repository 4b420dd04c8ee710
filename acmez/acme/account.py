"""Accounts (RFC 8555 §7.1.2, §7.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .errors import AcmeError, InputError, MalformedAnswer
from .jws import SigningKey
from .transport import Response
from .wire import JSON, JSONObject, Members, parse_json, parse_object


class AccountStatus(StrEnum):
    """The states of an account (RFC 8555 §7.1.6); a server may send others."""

    VALID = "valid"
    DEACTIVATED = "deactivated"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Account:
    """An account and the key that signs for it.

    Attributes:
        url: the account's URL, verbatim: it is the key id of every request.
        key: signs the account's requests.
        status: an `AccountStatus`, or whatever the server sent.
        contact: mailto: and other URLs; Let's Encrypt keeps none.
        terms_of_service_agreed: `None`: the server does not say.
        orders: URL of the list of orders, `None` where the server has none.
        delegations: URL of the list of delegations (RFC 9115 §2.3.1.1).
        raw: all that the server sent.
    """

    url: str
    key: SigningKey
    status: str = AccountStatus.VALID
    contact: tuple[str, ...] = ()
    terms_of_service_agreed: bool | None = None
    orders: str | None = None
    delegations: str | None = None
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response, key: SigningKey, url: str | None = None) -> Account:
        """Read an account; *url* is its URL where it is known already.

        Raises:
            MalformedAnswer: the answer is no account, or does not say where it is.
        """
        where = url or response.location
        if where is None:
            raise MalformedAnswer("the answer to newAccount has no Location", url=response.url)
        # Some CAs answer with an empty body: the Location is all that matters.
        raw = parse_object(response.body, response.url) if response.body.strip() else {}
        members = Members(raw, response.url, "account")
        agreed = raw.get("termsOfServiceAgreed")
        return cls(
            url=where,
            key=key,
            status=members.word("status") or AccountStatus.VALID,
            contact=members.texts("contact"),
            terms_of_service_agreed=agreed if isinstance(agreed, bool) else None,
            orders=members.link("orders"),
            delegations=members.link("delegations"),
            raw=raw,
        )

    def changed(self, contact: Sequence[str] | None, *, agreed: bool) -> Account:
        """Return the account with other contacts, unless they are `None`, and once it has *agreed* to the terms."""
        contacts = self.contact if contact is None else tuple(contact)
        return replace(self, contact=contacts, terms_of_service_agreed=agreed or self.terms_of_service_agreed)

    def updated(self, response: Response, *, otherwise: Account) -> Account:
        """Return the account as the answer to a change tells it; some CAs' answers tell nothing."""
        return Account.from_response(response, self.key, self.url) if response.body.strip() else otherwise


class KeyChangeError(AcmeError):
    """A key rollover failed or its answer was lost (RFC 8555 §7.3.5).

    Attributes:
        holds: the key that the account answers to now, as found by asking the server; `None`: the
            server could not be asked, keep both keys.
    """

    def __init__(self, message: str, *, holds: SigningKey | None) -> None:
        super().__init__(message)
        self.holds = holds


def check_contacts(contact: Sequence[str]) -> tuple[str, ...]:
    """Return the contacts if each is a URL that RFC 8555 §7.3 allows.

    Raises:
        InputError: one is not; says which and what to write instead.
    """
    if isinstance(contact, str):
        raise InputError(f"contact: expected a list of URLs, got the text {contact!r} (did you mean [{contact!r}]?)")
    for value in contact:
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", value):
            hint = f" (did you mean 'mailto:{value}'?)" if "@" in value else ""
            raise InputError(f"contact: {value!r} is not a URL{hint}")
        if value.lower().startswith("mailto:") and ("?" in value or "," in value or "@" not in value):
            raise InputError(f"contact: {value!r}: a mailto: URL holds one address and no header fields")
    return tuple(contact)


def account_payload(contact: Sequence[str] | None, *, agreed: bool) -> dict[str, JSON]:
    """Return what newAccount or an update says of contacts, unless they are `None`, and of the terms of service.

    Raises:
        InputError: a contact is not one that RFC 8555 §7.3 allows.
    """
    payload: dict[str, JSON] = {}
    if contact is not None:
        payload["contact"] = check_contacts(contact)
    if agreed:
        payload["termsOfServiceAgreed"] = True
    return payload


def listed_urls(response: Response, member: str) -> tuple[str, ...]:
    """Return one page of a list of orders or delegations (RFC 8555 §7.1.2.1); step-ca sends a bare array."""
    value = parse_json(response.body, response.url)
    raw: JSONObject = {member: value} if isinstance(value, list) else parse_object(response.body, response.url)
    return Members(raw, response.url, "list").links(member)
