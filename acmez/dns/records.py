"""Where the record of a challenge goes: its name, and the zone that holds it.

Every DNS solver has these options and uses these records:

    @dataclass
    class MySolver:
        dns: DnsOptions = field(default_factory=DnsOptions)

        def __post_init__(self) -> None:
            self._finder = RecordFinder(self.dns)

        def present(self, challenge: Challenge, scope: CancelScope) -> Handle:
            record = self._finder.find(challenge, scope)
            ...  # add record.value to the TXT records at record.name in record.zone
            return record.handle()

        def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
            for record in self._finder.to_remove([challenge], [handle], scope):
                ...  # remove record.value, and nothing else
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from acmez.acme.challenge import ChallengeType
from acmez.acme.challenges import TxtRecord, txt_record
from acmez.acme.errors import InputError
from acmez.protocols import CancelScope, Challenge, Handle

from .errors import DnsError, NoAnswerError
from .servers import Written, parse
from .texts import quoted

if TYPE_CHECKING:
    from .lookups import Lookups

#: The challenge types that a TXT record answers; of a solver, the first is its `challenge_type`.
DNS_CHALLENGE_TYPES = (ChallengeType.DNS_01, ChallengeType.DNS_ACCOUNT_01, ChallengeType.DNS_PERSIST_01)


@dataclass
class DnsOptions:
    """How a solver finds the place of a record.

    Attributes:
        cname: "follow": put the record at what its name is an alias of; "never": at the name itself; a table: name of
            the record -> where to put it, and all others at their names.
        zones: zones that need not be looked up, because other resolvers see others, say; no resolver need know a name
            in them, and one that does is asked for aliases only.
        resolvers: through which zones and aliases are looked up: "192.0.2.1", "192.0.2.1:5353", or
            "https://dns.example/dns-query"; the system's by default.

    Raises:
        ValueError: something is no name server or no name.
    """

    cname: Literal["follow", "never"] | dict[str, str] = "follow"
    zones: list[str] = field(default_factory=list)
    resolvers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for text in self.resolvers:
            try:
                parse(text)
            except ValueError as error:
                raise ValueError(f"resolvers: {error}") from None
        for text in self.zones:
            _checked("zones", text)
        if isinstance(self.cname, Mapping):
            for text in (*self.cname, *self.cname.values()):
                _checked("cname", text)


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """A TXT record in its zone; others at the same name are not to be touched.

    Attributes:
        zone, name: without a trailing dot.
        value: the text, in one piece.
        persistent: whether it stays when the order is done (dns-persist-01).
    """

    zone: str
    name: str
    value: str
    persistent: bool = False

    @property
    def relative(self) -> str:
        """The name below the zone, "" if it is the zone's own."""
        return self.name.removesuffix(self.zone).removesuffix(".")

    @property
    def strings(self) -> tuple[str, ...]:
        """The value as character-strings of at most 255 octets (RFC 1035 §3.3.14)."""
        return TxtRecord(self.name, self.value).strings

    @property
    def quoted(self) -> str:
        """The value as zone files have it."""
        return quoted(self.value)

    def handle(self, **more: str) -> Handle:
        """Return what `present` returns; *more* is what the provider calls the record, say."""
        return {"zone": self.zone, "name": self.name, "value": self.value, **more}

    @classmethod
    def from_handle(cls, handle: Handle) -> ZoneRecord:
        """Read what `handle` made, here or in another process.

        Raises:
            InputError: it did not.
        """
        match handle:
            case {"zone": str(zone), "name": str(name), "value": str(value)} if f".{name}".endswith(f".{zone}"):
                return cls(zone, name, value)
        raise InputError("the handle is not one of a DNS solver")


def by_zone(records: Iterable[ZoneRecord], most: int | None = None) -> list[tuple[str, list[ZoneRecord]]]:
    """Return each zone with its records, each record once; in parts where a provider takes no more than *most*."""
    zones: dict[str, list[ZoneRecord]] = {}
    for record in dict.fromkeys(records):
        zones.setdefault(record.zone, []).append(record)
    return [
        (zone, part[start : start + (most or len(part))])
        for zone, part in zones.items()
        for start in range(0, len(part), most or len(part))
    ]


class RecordFinder:
    """Finds the places of records; it keeps what it has found for a minute.

    Args:
        prefer: servers to ask before the resolvers, such as a primary that knows its zones.
    """

    def __init__(self, options: DnsOptions, *, prefer: Sequence[Written] = ()) -> None:
        from .lookups import Lookups

        self._cname = options.cname
        self._moved = _moved(options.cname)
        self._zones = sorted(map(_normal, options.zones), key=len, reverse=True)
        self._lookups = Lookups([parse(text) for text in options.resolvers], prefer=prefer)

    @property
    def lookups(self) -> Lookups:
        """What asks the name servers."""
        return self._lookups

    def find(self, challenge: Challenge, scope: CancelScope) -> ZoneRecord:
        """Return the record that must exist for *challenge*.

        Raises:
            DnsError: its zone cannot be found.
            InputError: no TXT record answers the challenge.
            MalformedAnswer: the CA sent a challenge that cannot be answered.
            Cancelled: *scope* ended.
        """
        return self.find_many([challenge], scope)[0]

    def find_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> list[ZoneRecord]:
        """Return the records of several challenges, all looked up at once; raises like `find`.

        Call it before anything is changed: its errors say `untouched`, so that nothing is cleaned up.
        """
        records = [txt_record(challenge) for challenge in challenges]

        async def find_all() -> list[ZoneRecord]:
            return await asyncio.gather(*(self._find(record) for record in records))

        known = [self._known(record) for record in records]
        found = [each for each in known if each is not None]
        if len(found) == len(known):
            return found
        try:
            return self._lookups.run(find_all, scope)
        except DnsError as error:
            error.untouched = True
            raise

    def leads_to(self, name: str, scope: CancelScope) -> str:
        """Return what *name* is an alias of, at the end of all aliases, or the name itself.

        Raises:
            DnsError: the aliases lead nowhere, or no resolver answers.
            Cancelled: *scope* ended.
        """
        import dns.name

        from .reading import text_of

        end, _ = self._lookups.run(lambda: self._lookups.led(dns.name.from_text(name)), scope)
        return text_of(end).lower()

    def to_remove(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> list[ZoneRecord]:
        """Return the records that are to be cleaned up: those of *handles*, or else found anew; no persistent ones.

        Raises:
            DnsError: a zone cannot be found.
            InputError: a handle is not one of a DNS solver.
            Cancelled: *scope* ended.
        """
        passing = [
            (challenge, handle)
            for challenge, handle in zip(challenges, handles, strict=True)
            if challenge.type != ChallengeType.DNS_PERSIST_01
        ]
        lost = [challenge for challenge, handle in passing if handle is None]
        found = self.find_many(lost, scope) if lost else []
        return [*found, *(ZoneRecord.from_handle(handle) for _, handle in passing if handle is not None)]

    def _known(self, record: TxtRecord) -> ZoneRecord | None:
        """Return the record if nothing has to be looked up."""
        if self._cname == "follow":
            return None
        name = self._moved.get(record.name, record.name)
        zone = self._known_zone(name)
        return None if zone is None else ZoneRecord(zone, name, record.value, record.persistent)

    async def _find(self, record: TxtRecord) -> ZoneRecord:
        import dns.name

        from .reading import text_of

        start = self._moved.get(record.name, record.name)
        name = await self._end(start) if self._cname == "follow" else start
        zone = self._known_zone(name)
        if zone is None:
            located = await self._lookups.locate(dns.name.from_text(name), follow=False)
            zone = text_of(located.zone.name).lower()
        return ZoneRecord(zone, name, record.value, record.persistent)

    async def _end(self, name: str) -> str:
        """Return what *name* is an alias of, or the name itself; also if no resolver knows it and its zone is told."""
        import dns.name

        from .reading import text_of

        try:
            end, _ = await self._lookups.led(dns.name.from_text(name))
        except NoAnswerError:
            if self._known_zone(name) is None:
                raise
            return name
        return text_of(end).lower()

    def _known_zone(self, name: str) -> str | None:
        return next((zone for zone in self._zones if f".{name}".endswith(f".{zone}")), None)


def _moved(cname: str | Mapping[str, str]) -> Mapping[str, str]:
    return {_normal(name): _normal(target) for name, target in cname.items()} if isinstance(cname, Mapping) else {}


def _normal(name: str) -> str:
    return name.lower().rstrip(".")


def _checked(option: str, text: str) -> None:
    import dns.exception
    import dns.name

    try:
        if text.isascii() and dns.name.from_text(text) != dns.name.root:
            return
    except dns.exception.DNSException:
        pass
    hint = "" if text.isascii() else " (write its A-labels, xn--...)"
    raise ValueError(f"{option}: {text!r} is no domain name{hint}")
