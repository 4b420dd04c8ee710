"""Finds zones and their servers; whoever asks the same at the same time shares the answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import dns.message
import dns.name
import dns.rdatatype

from acmez.acme.scope import CancelScope

from .background import Background
from .errors import DnsError, NoAnswerError, ZoneError
from .exchange import ask, question
from .hosts import addresses_of
from .reading import Zone, chain_from, is_usable, records_at, text_of, told, zone_of
from .servers import Asked, NamedServer, Server, Written

T = TypeVar("T")

_AT_ONCE = 200  # questions in flight, each with a socket
_KEPT = 60.0  # seconds for which an answer of a resolver is believed
_MOST_KEPT = 4096
_MOST_ALIASES = 10
_MOST_SERVERS = 16  # of a zone, and addresses of each
_MOST_ADDRESSES = 64
_FAMILIES = {"ipv4": dns.rdatatype.A, "ipv6": dns.rdatatype.AAAA}


@dataclass(frozen=True, slots=True)
class Located:
    """Where a name leads.

    Attributes:
        name: the name itself, or what it is an alias of.
        zone: holds that name.
        aliases: all names on the way but the first.
    """

    name: dns.name.Name
    zone: Zone
    aliases: tuple[dns.name.Name, ...] = ()


class Lookups:
    """Asks name servers, from any number of threads, with one cache.

    Args:
        resolvers: are asked in this order; none: the system's.
        prefer: are asked before them; authoritative servers may be among them, which know their own zones only.
        port: where the servers listen that NS records name.
    """

    def __init__(self, resolvers: Sequence[Written] = (), *, prefer: Sequence[Written] = (), port: int = 53) -> None:
        self._prefer = tuple(prefer)
        self._resolvers = tuple(resolvers)
        self._port = port
        self._background = Background(self._begin)
        self._kept: dict[Hashable, tuple[float, dns.message.Message]] = {}
        self._begin()

    def _begin(self) -> None:
        self._flying: dict[Hashable, asyncio.Task[Any]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], scope: CancelScope) -> T:
        """Await what *work* returns, which may use the other methods, and return its result.

        Raises:
            Cancelled: *scope* ended.
        """
        return self._background.run(work, scope)

    async def ask(
        self,
        server: Asked,
        name: dns.name.Name,
        kind: dns.rdatatype.RdataType,
        *,
        recursive: bool,
        validated: bool = True,
    ) -> dns.message.Message:
        """Ask one server; never twice at the same time for the same.

        Args:
            validated: let a resolver check signatures, if it does at all.

        Raises:
            DnsError: no answer came.
        """

        async def once() -> dns.message.Message:
            async with self._slots:
                return await ask(server, question(name, kind, recursive=recursive, validated=validated))

        return await self._shared((server, name, kind, validated), once)

    async def resolve(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        """Ask the resolvers until one has a usable answer.

        Raises:
            NoAnswerError: none has.
        """
        kept = self._kept.get((name, kind))
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        return await self._shared((name, kind), lambda: self._resolve_and_keep(name, kind))

    async def locate(self, name: dns.name.Name, *, follow: bool) -> Located:
        """Find the zone of *name*, by SOA records alone.

        Args:
            follow: if the name is an alias, go where it leads, see `led`.

        Raises:
            DnsError: there is no zone, the aliases lead nowhere, or no resolver answers.
        """
        end, aliases = await self.led(name) if follow else (name, ())
        answer = await self.resolve(end, dns.rdatatype.SOA)
        # There is no zone apex at an alias (RFC 1034 §3.6.2), so its zone is that of the name above.
        zone = None if chain_from(answer, end) else zone_of(answer, end)
        return Located(end, zone or await self._zone_above(end), aliases)

    async def led(self, name: dns.name.Name) -> tuple[dns.name.Name, tuple[dns.name.Name, ...]]:
        """Return the end of all aliases, or the name itself, and the aliases on the way, as `Located` has them.

        An alias that a wildcard made does not count: it is gone as soon as a record is put at the name itself.

        Raises:
            DnsError: the aliases lead nowhere, or no resolver answers.
        """
        aliases: list[dns.name.Name] = []
        while True:
            chain = chain_from(await self.resolve(name, dns.rdatatype.SOA), name)
            if not chain or await self._is_wildcard(name, chain[0]):
                return name, tuple(aliases)
            if not set(chain).isdisjoint(aliases) or len(aliases) > _MOST_ALIASES:
                raise ZoneError(f"{text_of(name)}: its aliases lead nowhere: {' -> '.join(map(text_of, aliases))}")
            aliases += chain
            name = chain[-1]

    async def nameservers(self, zone: dns.name.Name, families: Sequence[str]) -> list[Server]:
        """Return every address of the servers that the zone's NS records name.

        Raises:
            DnsError: there are none, or no resolver answers.
        """
        answer = await self.resolve(zone, dns.rdatatype.NS)
        hosts = sorted({*records_at(answer, zone, dns.rdatatype.NS)})[:_MOST_SERVERS]
        lookups = [self._addresses(dns.name.from_text(host), family) for host in hosts for family in families]
        servers = [server for found in await asyncio.gather(*lookups) for server in found]
        if not servers:
            named = ", ".join(hosts) or "none"
            raise ZoneError(f"{text_of(zone)}: no address of its name servers is known (NS records: {named})")
        return list(dict.fromkeys(servers))[:_MOST_ADDRESSES]

    async def addressed(self, servers: Sequence[Written]) -> list[Asked]:
        """Return *servers* with the addresses of those that are given by name.

        Raises:
            NoAnswerError: a name has none.
        """
        found: list[Asked] = []
        for server in servers:
            if isinstance(server, NamedServer):
                addresses = await addresses_of(server.host, server.port)
                found += [Server(address, server.port, server.host) for address in addresses]
            else:
                found.append(server)
        return found

    async def resolvers(self) -> list[Asked]:
        """Return the resolvers that are asked.

        Raises:
            NoAnswerError: the system has none.
        """
        return await self.addressed(self._resolvers) if self._resolvers else _system_resolvers()

    async def _resolve_and_keep(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        answer = await self._resolve(name, kind)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[name, kind] = (time.monotonic() + _KEPT, answer)
        return answer

    async def _resolve(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        problems: list[str] = []
        for resolver in [*await self.addressed(self._prefer), *await self.resolvers()]:
            try:
                answer = await self.ask(resolver, name, kind, recursive=True)
            except DnsError as error:
                problems.append(f"{resolver}: {error}")
                continue
            if is_usable(answer):
                return answer
            problems.append(f"{resolver}: {told(answer, name)}")
        raise NoAnswerError(f"{text_of(name)}: no resolver knows: {'; '.join(problems)}")

    async def _zone_above(self, name: dns.name.Name) -> Zone:
        try:
            parent = name.parent()
        except dns.name.NoParent:
            raise ZoneError("no zone is told by any SOA record") from None
        return (await self.locate(parent, follow=False)).zone

    async def _is_wildcard(self, name: dns.name.Name, target: dns.name.Name) -> bool:
        """Whether a name beside *name* that nobody can have made leads to the same *target*."""
        label = secrets.token_hex(8)[: len("_acme-challenge")].encode()
        try:
            sibling = dns.name.Name([label, *name.labels[1:]])
        except dns.name.NameTooLong:
            return False
        return chain_from(await self._resolve(sibling, dns.rdatatype.SOA), sibling)[:1] == (target,)

    async def _addresses(self, host: dns.name.Name, family: str) -> list[Server]:
        try:
            answer = await self.resolve(host, _FAMILIES[family])
        except DnsError:
            return []
        addresses = records_at(answer, host, _FAMILIES[family])
        return [Server(address, self._port, text_of(host)) for address in sorted(addresses)[:_MOST_SERVERS]]

    async def _shared(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = self._flying.get(key)
        if task is None:
            task = self._flying[key] = asyncio.create_task(make())
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        self._flying.pop(key, None)
        if not task.cancelled():
            task.exception()  # heard, also if nobody waits any more


def _system_resolvers() -> list[Asked]:
    import dns.resolver

    try:
        system = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise NoAnswerError("this machine knows no resolver (set 'resolvers')") from None
    return [Server(str(address), system.port) for address in system.nameservers]
