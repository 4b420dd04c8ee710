"""Orders and pre-authorizations, as they are asked for (RFC 8555 §7.4, §7.4.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from acmez_testkit.authorizations import Authorizations
from acmez_testkit.identifiers import read_identifiers
from acmez_testkit.model import Account, Identifier, Order
from acmez_testkit.registry import Registry
from acmez_testkit.signed import Signed
from acmez_testkit.wire import Refusal, Response, retry_after

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CheckTerms = Callable[[Account], None]


class Orders:
    """Answers newOrder and order."""

    def __init__(self, registry: Registry, authorizations: Authorizations, check_terms: CheckTerms) -> None:
        self._registry = registry
        self._behaviour = registry.behaviour
        self._authorizations = authorizations
        self._check_terms = check_terms

    def new(self, signed: Signed) -> Response:
        """Create an order, or find the unfinished one for the same (RFC 8555 §7.4)."""
        self._check_terms(signed.owner)
        members = signed.members(("identifiers", "notBefore", "notAfter", "replaces", "profile"))
        identifiers = read_identifiers(members.get("identifiers"), self._behaviour)
        self._check_validity(members)
        profile = self._profile(members.get("profile"))
        with self._registry.lock:
            self._check_replaces(members.get("replaces"), identifiers, signed.owner)
            order = self._unfinished(signed.owner, identifiers, profile) if self._behaviour.reuse_orders else None
            order = order or self._create(signed.owner, identifiers, profile, members)
            return Response.of_json(order.document(), 201, [("Location", order.url)])

    def _create(
        self,
        account: Account,
        identifiers: tuple[Identifier, ...],
        profile: str | None,
        members: dict[str, object],
    ) -> Order:
        order = Order(
            url=self._registry.new_url("order"),
            account=account.url,
            identifiers=identifiers,
            authorizations=tuple(self._authorizations.get(account, identifier) for identifier in identifiers),
            expires=datetime.now(UTC) + timedelta(seconds=self._behaviour.order_lifetime_seconds),
            not_before=_text(members.get("notBefore")),
            not_after=_text(members.get("notAfter")),
            profile=profile,
            replaces=_text(members.get("replaces")),
        )
        order.age()
        self._registry.orders[order.url] = order
        if order.replaces is not None and (old := self._registry.certificate_by_id(order.replaces)):
            old.replaced_by = order.url
        return order

    def _unfinished(self, account: Account, identifiers: tuple[Identifier, ...], profile: str | None) -> Order | None:
        for order in self._registry.orders.values():
            same = order.account == account.url and set(order.identifiers) == set(identifiers)
            if same and order.profile == profile:
                order.age()
                if order.status in {"pending", "ready"}:
                    return order
        return None

    def _profile(self, asked: object) -> str | None:
        """Return the profile asked for, or the default one (draft-ietf-acme-profiles §4)."""
        profiles = self._behaviour.profiles
        if asked is None:
            return next(iter(profiles), None)
        if not isinstance(asked, str) or asked not in profiles:
            raise Refusal("invalidProfile", f"there is no profile {asked!r}")
        return asked

    def _check_validity(self, members: dict[str, object]) -> None:
        if self._behaviour.refuse_validity and {"notBefore", "notAfter"} & set(members):
            raise Refusal("malformed", "notBefore and notAfter are not supported")
        moments = [read_moment(members[name], name) for name in ("notBefore", "notAfter") if name in members]
        if moments != sorted(set(moments)):
            raise Refusal("malformed", "notAfter is not after notBefore")
        if "notAfter" in members and moments[-1] <= datetime.now(UTC):
            raise Refusal("malformed", "notAfter is in the past")
        if any(moment < _EPOCH for moment in moments):
            raise Refusal("malformed", "notBefore is before 1970")

    def _check_replaces(self, value: object, identifiers: tuple[Identifier, ...], account: Account) -> None:
        """Raise Refusal unless the order may replace that certificate (RFC 9773 §5)."""
        if value is None:
            return
        if not isinstance(value, str) or not self._behaviour.renewal_info:
            raise Refusal("malformed", "replaces is not accepted")
        old = self._registry.certificate_by_id(value)
        if old is None:
            raise Refusal("malformed", f"replaces names the unknown certificate {value!r}", 404)
        if old.account != account.url:
            raise Refusal("unauthorized", "replaces names a certificate of another account", 403)
        if not set(old.identifiers) & set(identifiers):
            raise Refusal("malformed", "replaces names a certificate without any identifier of this order")
        successor = self._registry.orders.get(old.replaced_by or "")
        if successor is not None:
            successor.age()
            if successor.status != "invalid":
                raise Refusal("alreadyReplaced", f"{value!r} is already replaced", 409)

    def one(self, signed: Signed, url: str) -> Response:
        """Return the order (RFC 8555 §7.4)."""
        signed.only_reads()
        with self._registry.lock:
            return self.answer(self._registry.order(url, signed.owner))

    def answer(self, order: Order) -> Response:
        """Return an order, with Retry-After while it is processing."""
        value = self._behaviour.retry_after[1] if order.status == "processing" else None
        return Response.of_json(
            order.document(), headers=retry_after(value, as_date=self._behaviour.retry_after_as_date)
        )


def read_moment(text: object, what: str) -> datetime:
    """Read a time of RFC 3339; raise Refusal for anything else."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) and "T" in text else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refusal("malformed", f"{what} is not a time of RFC 3339")
    return moment


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
