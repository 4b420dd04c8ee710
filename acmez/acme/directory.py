"""What a server offers (RFC 8555 §7.1.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .errors import MalformedAnswer, UnsupportedError
from .transport import Response
from .wire import JSONObject, Members, parse_object, retry_after

_MAX_AGE = 12 * 3600.0  # Let's Encrypt's renewalInfo URL moved once: never trust a copy for ever
# no-cache and max-age=0 mean "ask every time", which would cost a round trip per request.
_MIN_AGE = 300.0


@dataclass(frozen=True, slots=True)
class Meta:
    """What a server says about itself; every member may be missing.

    Attributes:
        terms_of_service: URL.
        website: URL.
        caa_identities: the names to put into CAA records.
        external_account_required: whether newAccount wants an external account binding.
        profiles: name -> description or URL (draft-ietf-acme-profiles).
        auto_renewal: limits of RFC 8739 orders.
        subdomain_auth_allowed: whether RFC 9444 authorizations are.
        delegation_enabled, allow_certificate_get: RFC 9115.
        issuer_domain_names, account_hash_prefix: draft-ietf-acme-dns-persist-02.
        in_band_onion_caa_required: RFC 9799 §6.4.1, under either of its two names.
        raw: all that the server sent.
    """

    terms_of_service: str | None = None
    website: str | None = None
    caa_identities: tuple[str, ...] = ()
    external_account_required: bool = False
    profiles: Mapping[str, str] = field(default_factory=dict)
    auto_renewal: JSONObject | None = None
    subdomain_auth_allowed: bool = False
    delegation_enabled: bool = False
    allow_certificate_get: bool = False
    issuer_domain_names: tuple[str, ...] = ()
    account_hash_prefix: str | None = None
    in_band_onion_caa_required: bool = False
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: JSONObject, url: str) -> Meta:
        members = Members(raw, url, "directory.meta")
        profiles = members.object("profiles") or {}
        return cls(
            terms_of_service=members.link("termsOfService"),
            website=members.link("website"),
            caa_identities=members.texts("caaIdentities"),
            external_account_required=members.flag("externalAccountRequired"),
            profiles=MappingProxyType({name: text if isinstance(text, str) else "" for name, text in profiles.items()}),
            auto_renewal=members.object("auto-renewal"),
            subdomain_auth_allowed=members.flag("subdomainAuthAllowed"),
            delegation_enabled=members.flag("delegation-enabled"),
            allow_certificate_get=members.flag("allow-certificate-get"),
            issuer_domain_names=members.texts("issuerDomainNames"),
            account_hash_prefix=members.text("accountHashPrefix"),
            in_band_onion_caa_required=(members.flag("inBandOnionCAARequired") or members.flag("onionCAARequired")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Directory:
    """The operations of one server and where they are.

    Attributes:
        url: where the directory itself is.
        endpoints: operation ("newNonce", "newOrder", ...) -> URL, unknown ones included.
        meta: what the server says about itself.
        expires: when to fetch it anew, on the monotonic clock.
        raw: all that the server sent.
    """

    url: str
    endpoints: Mapping[str, str]
    meta: Meta
    expires: float = field(default=float("inf"), repr=False, compare=False)
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response) -> Directory:
        """Read a directory.

        Raises:
            MalformedAnswer: it is not one, or lacks what every server must have.
        """
        raw = parse_object(response.body, response.url)
        members = Members(raw, response.url, "directory")
        endpoints = {name: url for name in raw if (url := members.link(name)) is not None}
        for operation in ("newNonce", "newAccount", "newOrder"):
            if operation not in endpoints:
                raise MalformedAnswer(
                    f"not an ACME directory: {operation!r} is missing (is this the directory's URL?)",
                    url=response.url,
                )
        return cls(
            url=response.url,
            endpoints=MappingProxyType(endpoints),
            meta=Meta.from_json(members.object("meta") or {}, response.url),
            expires=time.monotonic() + _lifetime(response),
            raw=raw,
        )

    @property
    def fresh(self) -> bool:
        """Whether the copy may still be used."""
        return time.monotonic() < self.expires

    def get(self, operation: str) -> str | None:
        """Return the URL of an operation, `None` if the server does not offer it."""
        return self.endpoints.get(operation)

    def require(self, operation: str) -> str:
        """Return the URL of an operation.

        Raises:
            UnsupportedError: the server does not offer it.
        """
        url = self.endpoints.get(operation)
        if url is None:
            raise UnsupportedError(f"{self.url}: the server does not offer {operation!r}")
        return url


def _lifetime(response: Response) -> float:
    """How long the copy may be used, in seconds; a server that says nothing is asked twice a day."""
    control = ",".join(response.headers.get("cache-control", ())).lower()
    if match := re.search(r"(?<![a-z-])max-age=\"?(\d{1,9})", control):
        age = re.fullmatch(r"\d{1,9}", response.header("age") or "")
        lifetime = float(match[1]) - float(age[0] if age else 0)
    elif "no-cache" in control or "no-store" in control:
        lifetime = 0.0
    else:
        until_then = retry_after(response.header("expires"), response.sent)
        lifetime = _MAX_AGE if until_then is None else until_then
    return min(max(lifetime, _MIN_AGE), _MAX_AGE)
