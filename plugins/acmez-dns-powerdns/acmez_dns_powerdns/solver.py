"""The solver: its options, and what is a server's business on behalf of which challenge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder
from acmez.dns.api import Api, Calls
from acmez.dns.checks import check_seconds, check_ttl, check_url
from acmez.dns.locks import ZoneLocks
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

from .zones import Abilities, Zones


@dataclass
class PowerDnsSolver:
    """Answers DNS challenges through the HTTP API of a PowerDNS authoritative server.

    All records of a zone go in one request. Servers from 4.9.12 and 5.0.2 on add and remove single values. Older ones
    only replace all that are at a name: the others are read and kept, one process of a machine at a time, and a moment
    later it looks whether a process of another machine has undone the change, and makes it again.

    Attributes:
        url: of the API's server: "http://127.0.0.1:8081".
        api_key: the server's `api-key`.
        server_id: which server of the API; there is one, "localhost", unless a proxy says otherwise.
        ttl: seconds; other records at the name keep theirs, and then it is theirs.
        notify: tell secondary servers at once.
        trust: a PEM file that vouches for the API's certificate; the system's trust store by default.
        timeout: seconds for each request.
        dns: how the zone of a record is found.

    Raises:
        ValueError: a value is impossible.
    """

    name: ClassVar[str] = "dns-powerdns"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    url: str
    api_key: Secret
    server_id: str = "localhost"
    ttl: int = 60
    notify: bool = True
    trust: Path | None = None
    timeout: float = 30.0
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        check_url("url", self.url, example="http://127.0.0.1:8081")
        check_ttl(self.ttl, least=1)
        check_seconds("timeout", self.timeout)
        self._finder = RecordFinder(self.dns)
        self._locks = ZoneLocks(f"powerdns {self.url} {self.server_id}")
        self._abilities = Abilities()
        self._api = Api(
            f"{self.url.rstrip('/')}/api/v1/servers/{quote(self.server_id, safe='')}",
            headers={"x-api-key": str(self.api_key)},
            trust=self.trust,
            timeout=self.timeout,
        )

    @classmethod
    def providers(cls) -> Iterable[str]:
        """PowerDNS."""
        return ["powerdns"]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Add the record; return where it is.

        Raises:
            ApiError: the server refuses it, or does not answer.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Add all records, in one request per zone."""
        records = self._finder.find_many(challenges, scope)
        with self._api.connected(scope) as call:
            self._zones(call, scope).add(records, self.ttl)
        return [record.handle() for record in records]

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove the record by its value; one that is gone is gone.

        Raises:
            ApiError: the server refuses it, or does not answer.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        self.clean_up_many([challenge], [handle], scope)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Remove all records, in one request per zone."""
        records = self._finder.to_remove(challenges, handles, scope)
        with self._api.connected(scope) as call:
            self._zones(call, scope).remove(records)

    def _zones(self, call: Calls, scope: CancelScope) -> Zones:
        return Zones(call, self._locks, self._abilities, scope, notify=self.notify)
