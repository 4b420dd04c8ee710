"""The solver: its options, and what is the API's business on behalf of which challenge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder
from acmez.dns.api import Api
from acmez.dns.checks import check_seconds, check_url
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

from .records import Records


@dataclass
class CloudflareSolver:
    """Answers DNS challenges with TXT records at Cloudflare.

    All records of a zone go in one request. Others at the same name are left alone.

    Attributes:
        api_token: with the permission Zone:DNS:Edit, and Zone:Zone:Read unless `zone_ids` tells all zones.
        zone_ids: zone -> its identifier, so that it need not be looked up.
        ttl: seconds, 60 to 86400, or 1: Cloudflare's choice.
        timeout: seconds for each request.
        api_url: where the API is.
        dns: how the zone of a record is found.

    Raises:
        ValueError: a value is impossible.
    """

    name: ClassVar[str] = "dns-cloudflare"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    api_token: Secret
    zone_ids: dict[str, str] = field(default_factory=dict)
    ttl: int = 60
    timeout: float = 30.0
    api_url: str = "https://api.cloudflare.com/client/v4"
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        if self.ttl != 1 and not 60 <= self.ttl <= 86400:
            raise ValueError(f"ttl: {self.ttl} is not between 60 and 86400 seconds (1: Cloudflare's choice)")
        check_seconds("timeout", self.timeout)
        check_url("api_url", self.api_url, example="https://api.cloudflare.com/client/v4")
        if not str(self.api_token).isascii() or not str(self.api_token).isprintable() or " " in self.api_token:
            raise ValueError("api_token: is no token (was more than the token copied?)")
        self._finder = RecordFinder(self.dns)
        self._zone_ids = {zone.lower().rstrip("."): identifier for zone, identifier in self.zone_ids.items()}
        self._api = Api(self.api_url, headers={"authorization": f"Bearer {self.api_token}"}, timeout=self.timeout)

    @classmethod
    def providers(cls) -> Iterable[str]:
        """Cloudflare."""
        return ["cloudflare"]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Add the record; return where it is, with Cloudflare's identifier.

        Raises:
            ApiError: Cloudflare refuses it, or does not answer.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Add all records, in one request per zone."""
        records = self._finder.find_many(challenges, scope)
        with self._api.connected(scope) as call:
            identifiers = Records(call, self._zone_ids).add(records, self.ttl)
        return [
            record.handle(record_id=identifiers[record]) if record in identifiers else record.handle()
            for record in records
        ]

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove the record; one that is gone is gone.

        Raises:
            ApiError: Cloudflare refuses it, or does not answer.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        self.clean_up_many([challenge], [handle], scope)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Remove all records, in one request per zone."""
        records = self._finder.to_remove(challenges, handles, scope)
        identifiers = {
            (handle["name"], handle["value"]): str(handle["record_id"])
            for handle in handles
            if handle and "record_id" in handle
        }
        known = {record: identifiers.get((record.name, record.value)) for record in records}
        with self._api.connected(scope) as call:
            Records(call, self._zone_ids).remove(known)
