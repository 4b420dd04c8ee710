"""The CA's objects: accounts, orders, authorizations, challenges, certificates (RFC 8555 §7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509

from acmez_testkit.jws import AccountKey
from acmez_testkit.wire import timestamp


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """What a certificate is for: `type` is "dns" or "ip"."""

    type: str
    value: str

    def document(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"type": self.type, "value": self.value}


@dataclass(slots=True)
class Account:
    """An account; `terms_agreed` is the URL of the terms it agreed to."""

    url: str
    key: AccountKey
    status: str = "valid"
    contact: tuple[str, ...] = ()
    terms_agreed: str | None = None
    external_account: dict[str, object] | None = field(default=None, repr=False)

    def document(self) -> dict[str, object]:
        """Return the JSON object (RFC 8555 §7.1.2)."""
        document: dict[str, object] = {"status": self.status, "orders": f"{self.url}/orders"}
        if self.contact:
            document["contact"] = list(self.contact)
        if self.terms_agreed is not None:
            document["termsOfServiceAgreed"] = True
        if self.external_account is not None:
            document["externalAccountBinding"] = self.external_account
        return document


@dataclass(slots=True)
class Challenge:
    """A challenge of one authorization."""

    url: str
    type: str
    token: str = field(repr=False)
    authorization: str
    status: str = "pending"
    validated: datetime | None = None
    error: dict[str, object] | None = None

    def document(self) -> dict[str, object]:
        """Return the JSON object (RFC 8555 §8)."""
        document: dict[str, object] = {
            "type": self.type,
            "url": self.url,
            "token": self.token,
            "status": self.status,
        }
        if self.validated is not None:
            document["validated"] = timestamp(self.validated)
        if self.error is not None:
            document["error"] = self.error
        return document


@dataclass(slots=True)
class Authorization:
    """An account's authorization to act for one identifier (without the "*." of a wildcard)."""

    url: str
    account: str
    identifier: Identifier
    wildcard: bool
    expires: datetime
    challenges: tuple[Challenge, ...] = ()
    status: str = "pending"
    pre_authorized: bool = False

    def document(self) -> dict[str, object]:
        """Return the JSON object (RFC 8555 §7.1.4)."""
        # once it is decided, only the challenge that decided it is shown
        shown = [c for c in self.challenges if self.status in {"pending", c.status}]
        document: dict[str, object] = {
            "identifier": self.identifier.document(),
            "status": self.status,
            "expires": timestamp(self.expires),
            "challenges": [challenge.document() for challenge in shown or self.challenges],
        }
        if self.wildcard:
            document["wildcard"] = True
        return document

    def age(self) -> None:
        """Let the authorization end when its time is over (RFC 8555 §7.1.6)."""
        if datetime.now(UTC) >= self.expires:
            self.status = {"pending": "invalid", "valid": "expired"}.get(self.status, self.status)


@dataclass(slots=True)
class Order:
    """An order for one certificate; `not_before` and `not_after` are as the client wrote them."""

    url: str
    account: str
    identifiers: tuple[Identifier, ...]
    authorizations: tuple[Authorization, ...]
    expires: datetime
    status: str = "pending"
    not_before: str | None = None
    not_after: str | None = None
    profile: str | None = None
    replaces: str | None = None
    error: dict[str, object] | None = None
    certificate: str | None = None

    def document(self) -> dict[str, object]:
        """Return the JSON object (RFC 8555 §7.1.3)."""
        optional = {
            "notBefore": self.not_before,
            "notAfter": self.not_after,
            "profile": self.profile,
            "replaces": self.replaces,
            "error": self.error,
            "certificate": self.certificate,
        }
        return {
            "status": self.status,
            "expires": timestamp(self.expires),
            "identifiers": [identifier.document() for identifier in self.identifiers],
            "authorizations": [authorization.url for authorization in self.authorizations],
            "finalize": f"{self.url}/finalize",
            **{name: value for name, value in optional.items() if value is not None},
        }

    def age(self) -> None:
        """Follow the authorizations and the clock (RFC 8555 §7.1.6)."""
        if self.status not in {"pending", "ready"}:
            return
        for authorization in self.authorizations:
            authorization.age()
        states = {authorization.status for authorization in self.authorizations}
        if datetime.now(UTC) >= self.expires or states - {"pending", "valid"}:
            self.status = "invalid"
        elif states == {"valid"}:
            self.status = "ready"


@dataclass(slots=True)
class Certificate:
    """An issued certificate; `chains` are PEM, the default one first."""

    url: str
    account: str
    order: str
    identifiers: tuple[Identifier, ...]
    leaf: x509.Certificate
    chains: tuple[bytes, ...] = field(repr=False)
    cert_id: str
    """The RFC 9773 §4.1 identifier."""
    revocation_reason: int | None = None
    """The reason code it was revoked with; None: it is not revoked."""
    replaced_by: str | None = None
    """URL of the order that replaces it."""
