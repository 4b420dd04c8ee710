"""What the DNS says about names before a certificate is ordered for them; advice, for nothing here is binding."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from .acme.challenge import ChallengeType
from .acme.scope import CancelScope
from .acme.wire import printable
from .dns.caa import Applicant, Property, permission, properties_at
from .dns.errors import DnsError, UnreachableError
from .dns.lookups import Located, Lookups
from .dns.reading import chain_from, is_authoritative, text_of
from .dns.servers import Asked, Server

_FAMILIES = ("ipv4", "ipv6")


class Verdict(StrEnum):
    """How much something matters."""

    FINE = "fine"
    UNSURE = "unsure"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one name in one respect."""

    verdict: Verdict
    says: str


_SILENCE = Finding(Verdict.UNSURE, "no resolver answers")


@dataclass(frozen=True, slots=True)
class Subject:
    """A name to look at.

    Attributes:
        name: in A-labels; a wildcard with its "*.".
        methods: the challenge types that its solvers answer.
    """

    name: str
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was found about one name.

    Attributes:
        caa: whether the CA may issue (RFC 8659).
        name_servers: whether all authoritative servers answer for the zone.
        delegation: where `_acme-challenge` leads; `None` if no solver answers dns-01.
        dnssec: whether a resolver answers only when it does not validate.
    """

    name: str
    caa: Finding
    name_servers: Finding
    delegation: Finding | None
    dnssec: Finding

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""
        found = (self.caa, self.name_servers, self.delegation, self.dnssec)
        return tuple(each for each in found if each is not None)


def preflight(
    subjects: Sequence[Subject],
    lookups: Lookups,
    scope: CancelScope,
    *,
    identities: Sequence[str],
    account_url: str | None = None,
) -> list[Report]:
    """Look at all names at once, and report of each in the order given.

    Args:
        lookups: through whose resolvers to look.
        identities: the CA's names in CAA records, as its directory tells them (`Meta.caa_identities`).
        account_url: of the account, for `accounturi` in CAA records (RFC 8657 §3).

    Raises:
        Cancelled: *scope* ended.
    """
    look = _Look(lookups, identities, account_url)

    async def everything() -> list[Report]:
        return await asyncio.gather(*map(look.at, subjects))

    return lookups.run(everything, scope)


class _Look:
    """One run; what several names share is looked at once."""

    def __init__(self, lookups: Lookups, identities: Sequence[str], account_url: str | None) -> None:
        self._lookups = lookups
        self._identities = identities
        self._account_url = account_url
        self._zones: dict[dns.name.Name, asyncio.Task[Finding]] = {}

    async def at(self, subject: Subject) -> Report:
        wildcard = subject.name.startswith("*.")
        name = dns.name.from_text(subject.name.removeprefix("*."))
        by_dns = ChallengeType.DNS_01 in subject.methods
        caa, servers, delegation, dnssec = await asyncio.gather(
            _told(self._caa(name, subject.methods, wildcard=wildcard)),
            _told(self._servers(name)),
            _told(self._delegation(name)),
            _told(self._dnssec(name)),
        )
        if dnssec is _SILENCE:  # which says nothing about the name
            caa, servers, delegation = _SILENCE, _SILENCE, _SILENCE
        return Report(subject.name, caa, servers, delegation if by_dns else None, dnssec)

    async def _caa(self, name: dns.name.Name, methods: Sequence[str], *, wildcard: bool) -> Finding:
        where, properties = await self._relevant(name)
        if where is None:
            return Finding(Verdict.FINE, "no records")
        applicant = Applicant(self._identities, self._account_url, methods)
        found = permission(properties, applicant, wildcard=wildcard)
        verdict = {True: Verdict.FINE, None: Verdict.UNSURE, False: Verdict.WRONG}[found.granted]
        return Finding(verdict, f"{found.says} ({text_of(where)})")

    async def _relevant(self, name: dns.name.Name) -> tuple[dns.name.Name | None, tuple[Property, ...]]:
        """Climb to the first records (RFC 8659 §3); aliases are followed, but not climbed from."""
        while name != dns.name.root:
            answer = await self._lookups.resolve(name, dns.rdatatype.CAA)
            if properties := properties_at(answer, (name, *chain_from(answer, name))[-1]):
                return name, properties
            name = name.parent()
        return None, ()

    async def _servers(self, name: dns.name.Name) -> Finding:
        zone = (await self._lookups.locate(name, follow=False)).zone.name
        if zone not in self._zones:
            self._zones[zone] = asyncio.create_task(self._zone(zone))
        return await self._zones[zone]

    async def _zone(self, zone: dns.name.Name) -> Finding:
        servers = await self._lookups.nameservers(zone, _FAMILIES)
        said = await asyncio.gather(*(self._trouble(server, zone) for server in servers))
        heard = {server: trouble for server, trouble in zip(servers, said, strict=True) if trouble is not None}
        troubles = [f"{server}: {trouble}" for server, trouble in heard.items() if trouble]
        if not heard:
            return Finding(Verdict.UNSURE, f"none of {text_of(zone)} can be reached from here")
        if not troubles:
            return Finding(Verdict.FINE, f"{len(heard)} of {text_of(zone)} answer")
        return Finding(Verdict.WRONG if len(troubles) == len(heard) else Verdict.UNSURE, "; ".join(troubles))

    async def _trouble(self, server: Server, zone: dns.name.Name) -> str | None:
        """Return what is wrong with a server, "" if nothing is, `None` if this machine has no way to it."""
        try:
            answer = await self._lookups.ask(server, zone, dns.rdatatype.SOA, recursive=False)
        except UnreachableError:
            return None
        except DnsError as error:
            return str(error)
        if answer.rcode() != dns.rcode.NOERROR:
            return dns.rcode.to_text(answer.rcode())
        return "" if is_authoritative(answer) else f"does not serve {text_of(zone)}"

    async def _delegation(self, name: dns.name.Name) -> Finding:
        record = dns.name.from_text("_acme-challenge", None).concatenate(name)
        located = await self._lookups.locate(record, follow=True)
        zone = text_of(located.zone.name)
        if not located.aliases:
            return Finding(Verdict.FINE, f"none; the zone is {zone}")
        if _is_nobodys(located):
            return Finding(Verdict.WRONG, f"{text_of(located.name)} is in no zone below {zone}")
        return Finding(Verdict.FINE, f"{text_of(located.name)} in the zone {zone}")

    async def _dnssec(self, name: dns.name.Name) -> Finding:
        resolvers = await self._lookups.resolvers()
        said = await asyncio.gather(*(self._validation(resolver, name) for resolver in resolvers))
        bad = [str(resolver) for resolver, each in zip(resolvers, said, strict=True) if each == "broken"]
        if bad:
            return Finding(Verdict.WRONG, f"broken: {', '.join(bad)} answers only without validation")
        if {*said} == {"silent"}:
            return _SILENCE
        if {*said} != {"fine"}:
            return Finding(Verdict.UNSURE, "not every resolver answers")
        return Finding(Verdict.FINE, "not broken")

    async def _validation(self, resolver: Asked, name: dns.name.Name) -> Literal["fine", "broken", "failing", "silent"]:
        """Return "broken" if a resolver has an answer only if asked not to validate it (RFC 4035 §3.2.2)."""
        try:
            if not _failed(await self._lookups.ask(resolver, name, dns.rdatatype.SOA, recursive=True)):
                return "fine"
            bare = await self._lookups.ask(resolver, name, dns.rdatatype.SOA, recursive=True, validated=False)
        except DnsError:
            return "silent"
        return "failing" if _failed(bare) else "broken"


async def _told(finding: Coroutine[Any, Any, Finding]) -> Finding:
    try:
        return await finding
    except DnsError as error:
        return Finding(Verdict.WRONG, printable(str(error), 300))


def _failed(answer: dns.message.Message) -> bool:
    return answer.rcode() == dns.rcode.SERVFAIL


def _is_nobodys(located: Located) -> bool:
    """Whether the zone found is a top-level domain, and so the one that should hold the name is not there."""
    return len(located.zone.name.labels) <= 2
