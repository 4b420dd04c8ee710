"""The solver: its options, and what is a server's business on behalf of which challenge."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder
from acmez.dns.checks import check_seconds, check_ttl
from acmez.dns.servers import parse_plain
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

if TYPE_CHECKING:
    from dns.tsig import Key

Algorithm = Literal["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]


@dataclass
class Rfc2136Solver:
    """Answers DNS challenges with dynamic updates of the zone's primary server.

    All records of a zone go in one update. Other values at a name, and their TTL, stay as they are. Every record
    is read back, since servers ignore some updates without a word (RFC 2136 §3.4.2.2).

    Attributes:
        server: the primary: "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", or a name.
        key_name: of the TSIG key; none: updates are not signed, and the server must trust this machine's address.
        key_secret: of the TSIG key, in base64.
        key_algorithm: of the TSIG key.
        ttl: seconds; other records at the name keep theirs, and then it is theirs.
        transport: "tcp" or "udp"; what does not fit into a datagram goes over TCP.
        timeout: seconds for each answer of the server.
        verify: read every record back; switch it off where the server answers no queries.
        dns: how the zone of a record is found.

    Raises:
        ValueError: a value is impossible.
    """

    name: ClassVar[str] = "dns-rfc2136"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    server: str
    key_name: str = ""
    key_secret: Secret | None = None
    key_algorithm: Algorithm = "hmac-sha256"
    ttl: int = 60
    transport: Literal["tcp", "udp"] = "tcp"
    timeout: float = 10.0
    verify: bool = True
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        from .primary import Primary

        check_ttl(self.ttl)
        check_seconds("timeout", self.timeout)
        try:
            server = parse_plain(self.server)
        except ValueError as error:
            raise ValueError(f"server: {error}") from None
        self._finder = RecordFinder(self.dns, prefer=[server])
        self._primary = Primary(
            server,
            self._finder.lookups,
            key=self._key(),
            tcp=self.transport == "tcp",
            timeout=self.timeout,
            verify=self.verify,
        )

    @classmethod
    def providers(cls) -> Iterable[str]:
        """Every server that takes dynamic updates."""
        return ["rfc2136"]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Add the record; return where it is.

        Raises:
            UpdateError: the server refuses it, or does not show it.
            DnsError: the server does not answer, or the zone cannot be found.
            Cancelled: *scope* ended.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Add all records, in one update per zone."""
        records = self._finder.find_many(challenges, scope)
        self._finder.lookups.run(lambda: self._primary.add(records, self.ttl), scope)
        return [record.handle() for record in records]

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove the record by its value; one that is gone is gone.

        Raises:
            UpdateError: the server refuses it.
            DnsError: the server does not answer, or the zone cannot be found.
            Cancelled: *scope* ended.
        """
        self.clean_up_many([challenge], [handle], scope)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Remove all records, in one update per zone."""
        records = self._finder.to_remove(challenges, handles, scope)
        if records:
            self._finder.lookups.run(lambda: self._primary.remove(records), scope)

    def _key(self) -> Key | None:
        import dns.exception
        import dns.tsig

        if bool(self.key_name) != bool(self.key_secret):
            missing, given = ("key_secret", "key_name") if self.key_name else ("key_name", "key_secret")
            raise ValueError(f"{missing}: required with {given!r}")
        if not self.key_name:
            return None
        try:
            return dns.tsig.Key(self.key_name, str(self.key_secret), self.key_algorithm)
        except dns.exception.DNSException:
            raise ValueError(f"key_name: {self.key_name!r} is no domain name, as names of keys are") from None
        except (binascii.Error, ValueError):
            raise ValueError("key_secret: is not base64") from None
