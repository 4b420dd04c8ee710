"""The primary server of zones, which takes updates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update
from dns.rdtypes.ANY.TXT import TXT

from acmez.dns import DnsError, NoAnswerError, SignatureError, ZoneRecord, by_zone
from acmez.dns.exchange import ask, question
from acmez.dns.lookups import Lookups
from acmez.dns.reading import alias_at, text_of, values_at
from acmez.dns.servers import NamedServer, Server

from .errors import UpdateError, bad_signature, refusal

M = TypeVar("M", bound=dns.message.Message)

_MOST_CONNECTIONS = 8  # BIND keeps ten waiting, and lets the next ones try again after a second
_MOST_AT_ONCE = 100  # records in one update, which has to stay below 64 KiB


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the server shows at a name; *ttl* is `None` if there is no TXT record."""

    values: tuple[bytes, ...] = ()
    ttl: int | None = None
    alias: dns.name.Name | None = None


class Primary:
    """Adds and removes TXT values.

    Args:
        key: signs everything; `None`: nothing is signed.
        tcp: do not try UDP.
        timeout: seconds for each answer.
        verify: read back what was added.
    """

    def __init__(
        self,
        server: Server | NamedServer,
        lookups: Lookups,
        *,
        key: dns.tsig.Key | None,
        tcp: bool,
        timeout: float,
        verify: bool,
    ) -> None:
        self._server = server
        self._lookups = lookups
        self._key = key
        self._tcp = tcp
        self._timeout = timeout
        self._verify = verify
        self._words = "an update that is not signed" if key is None else f"key {text_of(key.name)!r}"

    async def add(self, records: Sequence[ZoneRecord], ttl: int) -> None:
        """Add what is not there yet.

        Raises:
            UpdateError: the server refuses it, or does not show it.
            NoAnswerError: the server does not answer.
        """
        work = [self._add(zone, each, ttl) for zone, each in by_zone(records, _MOST_AT_ONCE)]
        # All are awaited, also after an error: what is added later would never be removed.
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        error = next(filter(None, outcomes), None)
        if isinstance(error, DnsError):
            error.untouched = all(isinstance(each, DnsError) and each.untouched for each in outcomes)
        if error is not None:
            raise error

    async def remove(self, records: Sequence[ZoneRecord]) -> None:
        """Remove values that are there, and nothing else; raises like `add`."""
        await asyncio.gather(*(self._remove(zone, each) for zone, each in by_zone(records, _MOST_AT_ONCE)))

    async def _add(self, zone: str, records: Sequence[ZoneRecord], ttl: int) -> None:
        try:
            before = await self._shown(zone, records)
        except DnsError as error:
            error.untouched = True
            raise
        missing = [record for record in records if record.value.encode() not in before[record.name].values]
        if not missing:
            return
        update = dns.update.UpdateMessage(zone)
        for record in missing:
            # One set of records has one TTL (RFC 2181 §5.2): another one would change that of its other values.
            own = before[record.name].ttl
            update.add(_absolute(record.name), ttl if own is None else own, _data(record))
        await self._send(update, zone)
        if self._verify:
            await self._check_all(zone, missing)

    async def _remove(self, zone: str, records: Sequence[ZoneRecord]) -> None:
        update = dns.update.UpdateMessage(zone)
        for record in records:
            update.delete(_absolute(record.name), _data(record))
        await self._send(update, zone)

    async def _check_all(self, zone: str, records: Sequence[ZoneRecord]) -> None:
        try:
            shown = await self._shown(zone, records)
        except DnsError as error:
            error.untouched = False
            raise
        for record in records:
            self._check(record, shown[record.name])

    def _check(self, record: ZoneRecord, shown: _Shown) -> None:
        if record.value.encode() in shown.values:
            return
        if shown.alias is not None:
            reason = f"it is an alias of {text_of(shown.alias)!r} (follow it, or remove the CNAME)"
        else:
            reason = "NOERROR, and still it does not show it"
        raise UpdateError(f"{self._server}: {record.name!r}: the server ignored the record: {reason}")

    async def _shown(self, zone: str, records: Sequence[ZoneRecord]) -> Mapping[str, _Shown]:
        names = list(dict.fromkeys(record.name for record in records))
        if not self._verify:
            return dict.fromkeys(names, _Shown())
        slots = asyncio.Semaphore(_MOST_CONNECTIONS)

        async def look(name: str) -> _Shown:
            async with slots:
                return await self._look(zone, name)

        shown = await asyncio.gather(*map(look, names))
        return dict(zip(names, shown, strict=True))

    async def _look(self, zone: str, name: str) -> _Shown:
        owner = _absolute(name)
        answer = await self._send(question(owner, dns.rdatatype.TXT, recursive=False), zone, allowed=(3,))
        rrset = answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.TXT)
        return _Shown(values_at(answer, owner), None if rrset is None else rrset.ttl, alias_at(answer, owner))

    async def _send(self, message: M, zone: str, allowed: Sequence[int] = ()) -> dns.message.Message:
        if self._key is not None:
            message.use_tsig(self._key)
        try:
            answer = await self._ask(message)
        except SignatureError as error:
            raise bad_signature(self._server, zone, error, self._words) from error
        if answer.rcode() != dns.rcode.NOERROR and answer.rcode() not in allowed:
            raise refusal(self._server, zone, dns.rcode.to_text(answer.rcode()), self._words)
        return answer

    async def _ask(self, message: dns.message.Message) -> dns.message.Message:
        """Ask at the server's addresses until one answers."""
        problems: list[str] = []
        for server in await self._lookups.addressed([self._server]):
            try:
                return await ask(server, message, tcp=self._tcp, patience=self._timeout)
            except NoAnswerError as error:
                problems.append(f"{server}: {error}")
        raise NoAnswerError("; ".join(problems))


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name)


def _data(record: ZoneRecord) -> TXT:
    return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [each.encode() for each in record.strings])
