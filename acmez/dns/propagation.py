"""What every server shows of one TXT value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from .errors import DnsError, UnreachableError
from .health import Health
from .lookups import Lookups
from .reading import Zone, alias_at, chain_from, is_authoritative, text_of, told, values_at, zone_of
from .servers import Asked, Written

_LONGEST_CHAIN = 8  # aliases; Boulder's resolver follows no more than a dozen
_USELESS = {dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR, dns.rcode.NOTAUTH}


@dataclass(frozen=True, slots=True)
class Sight:
    """What one server shows.

    Attributes:
        good: the value.
        says: in words.
        counts: whether it matters; a server that is dead for everybody does not.
        again: seconds before which it will say nothing new.
    """

    server: str
    good: bool
    says: str
    counts: bool = True
    again: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """What is seen in one look.

    Attributes:
        good: enough servers show the value.
        refresh: seconds between two looks of the zone's secondary servers at the primary.
    """

    sights: tuple[Sight, ...]
    good: bool
    refresh: float = 3600.0

    @property
    def again(self) -> float:
        """Seconds before which looking again is pointless."""
        waiting = [sight.again for sight in self.sights if sight.counts and not sight.good]
        return min(waiting, default=0.0)

    def __str__(self) -> str:
        return "; ".join(f"{sight.server}: {sight.says}" for sight in self.sights if not sight.good)


class Propagation:
    """Looks for TXT values.

    Args:
        overrides: zone -> servers to ask instead of those that its NS records name.
        families: "ipv4", "ipv6".
        quorum: how many servers must show a value; `None`: all.
        follow: whether CAs follow aliases.
    """

    def __init__(
        self,
        lookups: Lookups,
        *,
        overrides: Mapping[dns.name.Name, Sequence[Written]],
        families: Sequence[Literal["ipv4", "ipv6"]],
        quorum: int | None,
        follow: bool,
        dead_after: float,
    ) -> None:
        self._lookups = lookups
        self._overrides = overrides
        self._families = families
        self._quorum = quorum
        self._follow = follow
        self._health = Health(dead_after)

    async def at_nameservers(self, name: dns.name.Name, value: bytes, *, trail: Sequence[dns.name.Name] = ()) -> View:
        """Ask the authoritative servers of *name*, and where it is an alias, those of its target.

        Args:
            trail: the aliases that led here.
        """
        try:
            servers, zone, strict = await self._servers(name)
        except DnsError as error:
            return View((Sight(text_of(name), good=False, says=str(error)),), good=False)
        asked = await self._ask_all(servers, name, recursive=False)
        answers = dict(zip(servers, asked, strict=True))
        targets = {alias for each in asked if (alias := _alias(each, name)) is not None}
        behind = {target: await self._behind(target, value, (*trail, name)) for target in sorted(targets)}
        sights = [self._sight(server, answer, name, value, behind, strict) for server, answer in answers.items()]
        leads = [sight for view in behind.values() for sight in view.sights]
        good = self._enough(sights) and all(view.good for view in behind.values())
        refresh = min([zone.refresh, *(view.refresh for view in behind.values())])
        return View((*(sight for sight in sights if sight.says), *leads), good, refresh)

    async def at_resolvers(self, name: dns.name.Name, value: bytes) -> View:
        """Ask the resolvers, which follow aliases by themselves."""
        try:
            resolvers = await self._lookups.resolvers()
        except DnsError as error:
            return View((Sight(text_of(name), good=False, says=str(error)),), good=False)
        asked = await self._ask_all(resolvers, name, recursive=True)
        sights = [
            self._resolver_sight(each, answer, name, value) for each, answer in zip(resolvers, asked, strict=True)
        ]
        return View(tuple(sights), self._enough(sights))

    async def _servers(self, name: dns.name.Name) -> tuple[list[Asked], Zone, bool]:
        """Return whom to ask about *name*, its zone, and whether they must be authoritative."""
        known = [zone for zone in self._overrides if name.is_subdomain(zone)]
        if known:
            zone = max(known, key=lambda each: len(each.labels))
            return await self._lookups.addressed(self._overrides[zone]), Zone(zone), False
        located = await self._lookups.locate(name, follow=False)
        return [*await self._lookups.nameservers(located.zone.name, self._families)], located.zone, True

    async def _ask_all(
        self, servers: Sequence[Asked], name: dns.name.Name, *, recursive: bool
    ) -> list[dns.message.Message | DnsError]:
        """Ask those that are worth it, and return an entry for every one."""
        due = self._health.due(servers)
        asked = [server for server in servers if server in due]
        heard = await asyncio.gather(*(self._ask(server, name, recursive=recursive) for server in asked))
        answers = dict(zip(asked, heard, strict=True))
        return [answers.get(server, DnsError("no answer to anybody")) for server in servers]

    async def _ask(self, server: Asked, name: dns.name.Name, *, recursive: bool) -> dns.message.Message | DnsError:
        began = time.monotonic()
        try:
            answer = await self._lookups.ask(server, name, dns.rdatatype.TXT, recursive=recursive)
        except DnsError as error:
            self._health.silent(server, began)
            return error
        if answer.rcode() in _USELESS:
            self._health.silent(server, began)
        else:
            self._health.heard(server)
        return answer

    async def _behind(self, target: dns.name.Name, value: bytes, trail: Sequence[dns.name.Name]) -> View:
        problem = None
        if not self._follow:
            problem = f"an alias of {text_of(target)}, which the CA does not follow"
        elif target in trail:
            problem = f"an alias of {text_of(target)}: a loop"
        elif len(trail) > _LONGEST_CHAIN:
            problem = f"an alias of {text_of(target)}: too many aliases"
        if problem is not None:
            return View((Sight(text_of(trail[-1]), good=False, says=problem),), good=False)
        return await self.at_nameservers(target, value, trail=trail)

    def _sight(
        self,
        server: Asked,
        answer: dns.message.Message | DnsError,
        name: dns.name.Name,
        value: bytes,
        behind: Mapping[dns.name.Name, View],
        strict: bool,
    ) -> Sight:
        if isinstance(answer, DnsError):
            return self._silent(server, answer)
        if answer.rcode() in _USELESS:
            return Sight(str(server), good=False, says=told(answer, name), counts=not self._health.is_dead(server))
        if strict and not is_authoritative(answer):
            zone = zone_of(answer, name)
            return Sight(str(server), good=False, says=f"does not serve {'the zone' if zone is None else zone.name}")
        alias = alias_at(answer, name)
        if alias is not None:
            return Sight(str(server), good=behind[alias].good, says="")  # what is wrong is told of the target
        good = value in values_at(answer, name)
        return Sight(str(server), good=good, says="has it" if good else told(answer, name))

    def _resolver_sight(
        self, resolver: Asked, answer: dns.message.Message | DnsError, name: dns.name.Name, value: bytes
    ) -> Sight:
        if isinstance(answer, DnsError):
            return self._silent(resolver, answer)
        end = (name, *chain_from(answer, name))[-1] if self._follow else name
        good = value in values_at(answer, end)
        zone = zone_of(answer, end)
        dead = answer.rcode() in _USELESS and self._health.is_dead(resolver)
        again = 0.0 if good or zone is None else float(zone.negative_ttl)
        return Sight(
            str(resolver), good=good, says="has it" if good else told(answer, end), counts=not dead, again=again
        )

    def _silent(self, server: Asked, error: DnsError) -> Sight:
        # One family may be out of reach from here, and fine for the CA: the other one tells.
        gone = isinstance(error, UnreachableError) or self._health.is_dead(server)
        ignored = " (ignored)" if gone else ""
        return Sight(str(server), good=False, says=f"{error}{ignored}", counts=not gone)

    def _enough(self, sights: Sequence[Sight]) -> bool:
        alive = [sight for sight in sights if sight.counts]
        needed = len(alive) if self._quorum is None else min(self._quorum, len(alive))
        return sum(sight.good for sight in alive) >= max(needed, 1)


def _alias(answer: dns.message.Message | DnsError, name: dns.name.Name) -> dns.name.Name | None:
    return None if isinstance(answer, DnsError) else alias_at(answer, name)
