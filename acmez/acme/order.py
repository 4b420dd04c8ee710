"""Orders (RFC 8555 §7.1.3, §7.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from .errors import InputError, MalformedAnswer
from .identifier import Identifier
from .problem import Problem
from .transport import Response
from .wire import JSON, JSONObject, Members, parse_object, timestamp


class OrderStatus(StrEnum):
    """The states of an order (RFC 8555 §7.1.6); a server may send others."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"
    CANCELED = "canceled"  # RFC 8739 §3.1.2


FINAL = frozenset({OrderStatus.VALID, OrderStatus.INVALID, OrderStatus.CANCELED})

_FEW_AUTHORIZATIONS = 1000
_PER_IDENTIFIER = 10  # they need not be as many as the identifiers (RFC 8555 §7.1.3)


@dataclass(frozen=True, slots=True)
class AutoRenewal:
    """How long the server renews by itself (RFC 8739 §3.1.1).

    Attributes:
        end: no certificate is valid beyond it.
        lifetime: of each certificate.
        start: the first notBefore; `None`: now.
        lifetime_adjust: how much earlier the next one is issued.
        allow_certificate_get: ask that certificates can be fetched without a signature.
    """

    end: datetime
    lifetime: timedelta
    start: datetime | None = None
    lifetime_adjust: timedelta | None = None
    allow_certificate_get: bool = False

    def to_json(self) -> JSONObject:
        """Return the `auto-renewal` member of newOrder.

        Raises:
            InputError: the lifetime is not at least a second, or a date has no time zone.
        """
        if self.lifetime < timedelta(seconds=1):
            raise InputError(f"auto_renewal.lifetime: {str(self.lifetime)!r} is less than a second")
        members: dict[str, JSON] = {
            "end-date": timestamp(self.end),
            "lifetime": int(self.lifetime.total_seconds()),
        }
        if self.start is not None:
            members["start-date"] = timestamp(self.start)
        if self.lifetime_adjust is not None:
            members["lifetime-adjust"] = int(self.lifetime_adjust.total_seconds())
        if self.allow_certificate_get:
            members["allow-certificate-get"] = True
        return members


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered and how far it is.

    Attributes:
        url: the order's URL, as newOrder told it.
        status: an `OrderStatus`, or whatever the server sent.
        identifiers: what was ordered, in the server's spelling.
        authorizations: URLs.
        finalize: URL; "" where the server leaves it out.
        certificate: URL, once the order is valid.
        expires: when the server forgets the order.
        not_before, not_after: the validity that was asked for.
        error: why the order is invalid.
        profile: the profile that the server picked (draft-ietf-acme-profiles).
        replaces: the certificate that this one will replace (RFC 9773 §5).
        star_certificate: URL of the current certificate (RFC 8739 §3.1.1).
        retry_after: seconds that the server asked to wait before looking again.
        raw: all that the server sent.
    """

    url: str
    status: str
    identifiers: tuple[Identifier, ...] = ()
    authorizations: tuple[str, ...] = ()
    finalize: str = ""
    certificate: str | None = None
    expires: datetime | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    error: Problem | None = None
    profile: str | None = None
    replaces: str | None = None
    star_certificate: str | None = None
    retry_after: float | None = field(default=None, compare=False)
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response, url: str | None = None) -> Order:
        """Read an order; *url* is its URL where it is known already.

        Raises:
            MalformedAnswer: the answer is no order, or newOrder does not say where it is.
        """
        where = url or response.location
        if where is None:
            raise MalformedAnswer("the answer to newOrder has no Location", url=response.url)
        raw = parse_object(response.body, response.url)
        members = Members(raw, response.url, "order")
        error = members.object("error")
        identifiers = tuple(Identifier.from_json(item, response.url) for item in members.objects("identifiers"))
        return cls(
            url=where,
            status=members.word("status") or OrderStatus.PENDING,
            identifiers=identifiers,
            authorizations=_authorizations(members, len(identifiers)),
            finalize=members.link("finalize") or "",
            certificate=members.link("certificate"),
            expires=members.time("expires"),
            not_before=members.time("notBefore"),
            not_after=members.time("notAfter"),
            error=None if error is None else Problem.from_json(error, response.url),
            profile=members.text("profile"),
            replaces=members.text("replaces"),
            star_certificate=members.link("star-certificate"),
            retry_after=response.retry_after,
            raw=raw,
        )

    @property
    def problem(self) -> Problem | None:
        """Why the order is invalid, the same as `error`."""
        return self.error


def _authorizations(members: Members, identifiers: int) -> tuple[str, ...]:
    """The URLs, each once; a client must not be made to fetch any number of them."""
    urls = tuple(dict.fromkeys(members.links("authorizations")))
    limit = max(_FEW_AUTHORIZATIONS, _PER_IDENTIFIER * identifiers)
    if len(urls) > limit:
        raise MalformedAnswer(f"the order has {len(urls)} authorizations (limit: {limit})", url=members.url)
    return urls


def new_order_payload(
    identifiers: Sequence[Identifier],
    *,
    not_before: datetime | None,
    not_after: datetime | None,
    replaces: str | None,
    profile: str | None,
    auto_renewal: AutoRenewal | None,
    delegation: str | None,
    allow_certificate_get: bool,
) -> JSONObject:
    """Return the payload of newOrder without empty members: some CAs refuse those.

    Raises:
        InputError: there is no identifier, or two members exclude each other.
    """
    if not identifiers:
        raise InputError("order: at least one identifier is needed")
    if auto_renewal is not None and (not_before is not None or not_after is not None):
        raise InputError("order: auto_renewal excludes not_before and not_after (RFC 8739 §3.1.1)")
    optional: Mapping[str, JSON] = {
        "notBefore": None if not_before is None else timestamp(not_before),
        "notAfter": None if not_after is None else timestamp(not_after),
        "replaces": replaces,
        "profile": profile,
        "auto-renewal": None if auto_renewal is None else auto_renewal.to_json(),
        "delegation": delegation,
        "allow-certificate-get": allow_certificate_get or None,
    }
    if not_before is not None and not_after is not None and not_before >= not_after:
        raise InputError(f"order: not_before {timestamp(not_before)!r} is not before not_after")
    members: dict[str, JSON] = {"identifiers": [identifier.to_json() for identifier in identifiers]}
    return members | {name: value for name, value in optional.items() if value is not None}
