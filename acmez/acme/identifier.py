"""What a certificate is for (RFC 8555 §9.7.7)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import InputError
from .wire import JSON, JSONObject, Members, printable


class IdentifierType(StrEnum):
    """The registered identifier types that clients meet; a server may send others."""

    DNS = "dns"
    IP = "ip"  # RFC 8738
    EMAIL = "email"  # RFC 8823
    TN_AUTH_LIST = "TNAuthList"  # RFC 9448
    BUNDLE_EID = "bundleEID"  # RFC 9891
    PERMANENT_IDENTIFIER = "permanent-identifier"  # draft-ietf-acme-device-attest
    HARDWARE_MODULE = "hardware-module"  # draft-ietf-acme-device-attest


@dataclass(frozen=True, slots=True)
class Identifier:
    """One subject of an order or authorization.

    Attributes:
        type: an `IdentifierType`, or whatever the server sent.
        value: a DNS name in A-labels and lower case, an address in RFC 5952 text, ...
        ancestor_domain: the domain that may be authorized instead (RFC 9444 §4.1).
        raw: all that the server sent.
    """

    type: str
    value: str
    ancestor_domain: str | None = None
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def dns(cls, name: str, *, ancestor_domain: str | None = None) -> Identifier:
        """Return the identifier of a DNS name, taken as it is."""
        return cls(IdentifierType.DNS, name, ancestor_domain)

    @classmethod
    def ip(cls, address: str) -> Identifier:
        """Return the identifier of an IP address in RFC 5952 text (RFC 8738 §3).

        Raises:
            InputError: *address* is not an IPv4 or IPv6 address.
        """
        try:
            return cls(IdentifierType.IP, str(ipaddress.ip_address(address)))
        except ValueError:
            raise InputError(f"{address!r}: not an IP address") from None

    @classmethod
    def from_json(cls, raw: JSONObject, url: str) -> Identifier:
        """Read an identifier that a server sent."""
        members = Members(raw, url, "identifier")
        return cls(
            type=members.required_word("type"),
            value=members.required_word("value"),
            ancestor_domain=members.text("ancestorDomain"),
            raw=raw,
        )

    def to_json(self) -> JSONObject:
        """Return the identifier as newOrder and newAuthz send it, without empty members."""
        members: dict[str, JSON] = {"type": str(self.type), "value": self.value}
        if self.ancestor_domain is not None:
            members["ancestorDomain"] = self.ancestor_domain
        return members

    @property
    def key(self) -> tuple[str, str]:
        """What two spellings of one identifier have in common: type, folded value."""
        value = self.value.rstrip(".").lower() if self.type == IdentifierType.DNS else self.value
        if self.type == IdentifierType.IP:
            try:
                value = str(ipaddress.ip_address(self.value))
            except ValueError:
                value = self.value
        return str(self.type), value

    def __str__(self) -> str:
        return printable(self.value)
