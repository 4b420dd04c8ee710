"""What an answer says; nothing in it is believed that is not about the name that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_LONGEST_CHAIN = 16


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone, as its SOA record tells it.

    Attributes:
        refresh: seconds between two looks of a secondary server at the primary.
        negative_ttl: seconds for which resolvers remember that a name is not there (RFC 2308 §5).
    """

    name: dns.name.Name
    refresh: int = 3600
    negative_ttl: int = 0


def values_at(answer: dns.message.Message, name: dns.name.Name) -> tuple[bytes, ...]:
    """Return the TXT values at *name*, the character-strings of each joined."""
    rrset = _find(answer, name, dns.rdatatype.TXT)
    return () if rrset is None else tuple(b"".join(record.strings) for record in rrset)


def alias_at(answer: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """Return what *name* is an alias of, by a CNAME at it or a DNAME above it (RFC 6672)."""
    rrset = _find(answer, name, dns.rdatatype.CNAME)
    if rrset is not None:
        target: dns.name.Name = rrset[0].target
        return target
    for each in answer.answer:
        if each.rdtype == dns.rdatatype.DNAME and name.is_subdomain(each.name) and name != each.name:
            try:
                return name.relativize(each.name).concatenate(each[0].target)
            except dns.name.NameTooLong:
                return None
    return None


def chain_from(answer: dns.message.Message, name: dns.name.Name) -> tuple[dns.name.Name, ...]:
    """Return the aliases that lead on from *name*, one after the other; a loop ends where it closes."""
    chain: list[dns.name.Name] = []
    while (target := alias_at(answer, chain[-1] if chain else name)) is not None:
        if target == name or target in chain or len(chain) == _LONGEST_CHAIN:
            break
        chain.append(target)
    return tuple(chain)


def zone_of(answer: dns.message.Message, name: dns.name.Name) -> Zone | None:
    """Return the zone of *name*, if the answer's SOA record tells it; one above the name, or at it."""
    for rrset in (*answer.answer, *answer.authority):
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name) and rrset.name != dns.name.root:
            return Zone(rrset.name, rrset[0].refresh, min(rrset.ttl, rrset[0].minimum))
    return None


def records_at(answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Iterator[str]:
    """Yield the records of a kind at *name*, as text."""
    for record in _find(answer, name, kind) or ():
        yield record.to_text()


def is_usable(answer: dns.message.Message) -> bool:
    """Whether the server knows what it says: no failure, and no referral to other servers."""
    knows = answer.flags & (dns.flags.AA | dns.flags.RA)
    return bool(knows) and answer.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}


def is_authoritative(answer: dns.message.Message) -> bool:
    """Whether the server serves the zone itself."""
    return bool(answer.flags & dns.flags.AA)


def told(answer: dns.message.Message, name: dns.name.Name) -> str:
    """Say in words what the answer to a TXT query says, in limited length."""
    rcode = answer.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return "no such name"
    if rcode != dns.rcode.NOERROR:
        return dns.rcode.to_text(rcode)
    values = values_at(answer, name)
    if not values:
        return "no TXT record"
    shown = ", ".join(repr(value[:60].decode("ascii", "backslashreplace")) for value in values[:4])
    more = f" and {len(values) - 4} more" if len(values) > 4 else ""
    return f"only {shown}{more}"


def text_of(name: dns.name.Name) -> str:
    """Return a name without its trailing dot, as messages and handles have it."""
    return name.to_text(omit_final_dot=True)


def _find(answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    return next(
        (
            rrset
            for rrset in answer.answer
            if rrset.rdtype == kind and rrset.rdclass == dns.rdataclass.IN and rrset.name == name and len(rrset)
        ),
        None,
    )
