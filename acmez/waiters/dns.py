"""Waits until name servers show a TXT record, before the CA is told to look (RFC 8555 §8.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from acmez.acme.challenges import TxtRecord, txt_record
from acmez.acme.scope import CancelScope
from acmez.dns.checks import check_seconds
from acmez.dns.servers import parse, parse_plain
from acmez.errors import AcmezError
from acmez.protocols import Challenge

if TYPE_CHECKING:
    import dns.name

    from acmez.dns.lookups import Lookups
    from acmez.dns.propagation import Propagation, View

T = TypeVar("T")

_SHARE = 0.2  # of the time waited so far: what is late is noticed by no more than so much of that later
_LONGEST_PAUSE = 30.0
_LOOKS_PER_REFRESH = 10


class PropagationError(AcmezError):
    """The CA would not see the record; the message says which server still shows what."""


@dataclass
class DnsPropagation:
    """Asks every authoritative server of the zone until all of them show the record.

    Zones are found by their SOA records and servers by their NS records, through `resolvers`; aliases (CNAME,
    DNAME) are followed. A server that has nothing to say to anybody is ignored after a while, and so is a family
    of addresses that this machine cannot reach. However many names wait, they share what they look up.

    Attributes:
        timeout: seconds after which to give up.
        interval: seconds of the first pauses; later ones are a fifth of the time waited so far, but no more than a
            tenth of the zone's refresh time, and 30.
        quorum: how many of the servers must show the record: "all", or a number.
        min_delay: further seconds to wait then, for a CA that looks from many places.
        ask: "nameservers": the authoritative ones; "resolvers": those of `resolvers`, where port 53 is blocked, say;
            "both". A resolver that is asked too early remembers for a while that there is no record.
        resolvers: "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", or "https://dns.example/dns-query" (DNS over
            HTTPS); the system's by default.
        nameservers: a list: ask these instead of those that NS records name, as with split horizons; a table: zone
            -> such a list, where the smallest zone counts that holds a name.
        families: which addresses of name servers to ask.
        follow_cname: whether the CA follows aliases; HARICA does not.
        dead_after: seconds after which a server is ignored that answers nobody.
        port: where the servers listen that NS records name.

    Raises:
        ValueError: a number is out of range, or something is no name server.
    """

    name: ClassVar[str] = "dns-propagation"

    timeout: float = 120.0
    interval: float = 1.0
    quorum: int | Literal["all"] = "all"
    min_delay: float = 0.0
    ask: Literal["nameservers", "resolvers", "both"] = "nameservers"
    resolvers: list[str] = field(default_factory=list)
    nameservers: list[str] | dict[str, list[str]] = field(default_factory=list)
    families: list[Literal["ipv4", "ipv6"]] = field(default_factory=lambda: ["ipv4", "ipv6"])
    follow_cname: bool = True
    dead_after: float = 10.0
    port: int = 53

    def __post_init__(self) -> None:
        for option in ("timeout", "interval", "dead_after"):
            check_seconds(option, getattr(self, option), most=86400)
        if not 0 <= self.min_delay <= 86400:
            raise ValueError(f"min_delay: {self.min_delay:g} is not between 0 and 86400 seconds")
        if self.quorum != "all" and self.quorum < 1:
            raise ValueError(f"quorum: {self.quorum} servers prove nothing (write a number above 0, or 'all')")
        if not self.families:
            raise ValueError("families: at least one of 'ipv4' and 'ipv6' is needed")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not a port (1-65535)")
        self._lookups, self._propagation = self._prepared()

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        """Return when the record can be seen.

        Raises:
            PropagationError: it could not within `timeout`.
            InputError: the challenge is none that a TXT record answers.
            MalformedAnswer: the CA sent a challenge that cannot be answered.
            Cancelled: *scope* ended.
        """
        record = txt_record(challenge)
        self._lookups.run(lambda: self._wait(record), scope)
        if self.min_delay:
            scope.sleep(self.min_delay)

    async def _wait(self, record: TxtRecord) -> None:
        began = time.monotonic()
        while not (view := await self._look(record)).good:
            waited = time.monotonic() - began
            if waited >= self.timeout:
                raise PropagationError(f"{record.name}: the record is not everywhere after {self.timeout:g} s: {view}")
            pause = min(waited * _SHARE, view.refresh / _LOOKS_PER_REFRESH, _LONGEST_PAUSE)
            await asyncio.sleep(min(max(pause, self.interval, view.again), self.timeout - waited))

    async def _look(self, record: TxtRecord) -> View:
        name, value = _name(record.name), record.value.encode()
        if self.ask == "resolvers":
            return await self._propagation.at_resolvers(name, value)
        view = await self._propagation.at_nameservers(name, value)
        if self.ask == "both" and view.good:  # not earlier: a resolver remembers that there is nothing yet
            return await self._propagation.at_resolvers(name, value)
        return view

    def _prepared(self) -> tuple[Lookups, Propagation]:
        from acmez.dns.lookups import Lookups
        from acmez.dns.propagation import Propagation

        resolvers = [_read("resolvers", parse, text) for text in self.resolvers]
        table = self.nameservers if isinstance(self.nameservers, dict) else {".": self.nameservers}
        overrides = {
            _read("nameservers", _name, zone): [_read("nameservers", parse_plain, text) for text in texts]
            for zone, texts in table.items()
            if texts
        }
        lookups = Lookups(resolvers, port=self.port)
        return lookups, Propagation(
            lookups,
            overrides=overrides,
            families=self.families,
            quorum=None if self.quorum == "all" else self.quorum,
            follow=self.follow_cname,
            dead_after=self.dead_after,
        )


def _read(option: str, reader: Callable[[str], T], text: str) -> T:
    try:
        return reader(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _name(text: str) -> dns.name.Name:
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException:
        raise ValueError(f"{text!r} is no domain name") from None
