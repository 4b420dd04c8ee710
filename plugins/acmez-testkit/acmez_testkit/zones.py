"""The records of an authoritative DNS server, and what it answers from them (RFC 1034 §4.3.2)."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

_TTL = 1  # seconds
_MOST_ALIASES = 16

_Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


def named(text: str) -> dns.name.Name:
    """Return a name, however it is spelt."""
    return dns.name.from_text(text).canonicalize()


class Zones:
    """Zones and their records; not safe for several threads by itself."""

    def __init__(self) -> None:
        self._zones: set[dns.name.Name] = set()
        self._records: dict[_Key, list[dns.rdata.Rdata]] = {}

    def add_zone(self, name: str) -> None:
        """Add a zone with what every zone has."""
        zone = named(name)
        if zone in self._zones:
            return
        self._zones.add(zone)
        server = f"ns.{name.rstrip('.')}"
        self.add(name, "SOA", f"{server}. hostmaster.{name.rstrip('.')}. 1 3600 600 86400 {_TTL}")
        self.add(name, "NS", f"{server}.")
        self.add(server, "A", "127.0.0.1")

    def add(self, name: str, record_type: str, value: str) -> None:
        """Add a record, unless it is there."""
        owner, kind = named(name), dns.rdatatype.from_text(record_type)
        if self._zone_of(owner) is None:
            raise ValueError(f"{name!r}: is in none of the zones ({', '.join(map(str, sorted(self._zones)))})")
        records = self._records.setdefault((owner, kind), [])
        record = _read(kind, value)
        if record not in records:
            records.append(record)

    def remove(self, name: str, record_type: str, value: str | None) -> None:
        """Remove a record, or all of the type."""
        key = named(name), dns.rdatatype.from_text(record_type)
        gone = None if value is None else _read(key[1], value)
        left = [] if gone is None else [each for each in self._records.get(key, ()) if each != gone]
        if left:
            self._records[key] = left
        else:
            self._records.pop(key, None)

    def values(self, name: str, record_type: str) -> list[str]:
        """Return the values of the records."""
        key = named(name), dns.rdatatype.from_text(record_type)
        return [_text(record) for record in self._records.get(key, ())]

    def answer(self, reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        """Fill *reply* with what there is of a name, or say that there is nothing."""
        zone = self._zone_of(name)
        if zone is None:
            reply.set_rcode(dns.rcode.REFUSED)
            return
        reply.flags |= dns.flags.AA
        for _ in range(_MOST_ALIASES):
            if records := self._set(name, kind):
                reply.answer.append(records)
                return
            alias = self._set(name, dns.rdatatype.CNAME)
            if not alias:
                break
            reply.answer.append(alias)
            name = alias[0].target.canonicalize()
            if self._zone_of(name) is None:  # the client goes on by itself
                return
        if not self._exists(name):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        soa = self._set(self._zone_of(name) or zone, dns.rdatatype.SOA)
        if soa:
            reply.authority.append(soa)

    def _set(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        records = self._records.get((name, kind))
        return dns.rrset.from_rdata_list(name, _TTL, records) if records else None

    def _zone_of(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the closest zone above a name."""
        above = [zone for zone in self._zones if name.is_subdomain(zone)]
        return max(above, key=len, default=None)

    def _exists(self, name: dns.name.Name) -> bool:
        """Whether there is anything at a name or below it: an empty name in between exists (RFC 8020)."""
        return any(owner.is_subdomain(name) for owner, _ in self._records)


def _read(kind: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    if kind == dns.rdatatype.TXT:
        octets = value.encode()
        strings = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, kind, strings)
    return dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)


def _text(record: dns.rdata.Rdata) -> str:
    strings: tuple[bytes, ...] | None = getattr(record, "strings", None)
    return record.to_text() if strings is None else b"".join(strings).decode()
