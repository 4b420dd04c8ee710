"""The solver: its options, and what is a provider's business on behalf of which challenge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder, by_zone
from acmez.dns.checks import check_seconds, check_ttl
from acmez.dns.locks import ZoneLocks
from acmez.hints import did_you_mean
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

from .providers import Lexicon, provider_names


@dataclass
class LexiconSolver:
    """Answers DNS challenges with any DNS provider that Lexicon knows.

    How other values at a name fare is the provider's business in Lexicon; most keep them.

    Attributes:
        provider: Lexicon's name of it: "gandi", "hetzner", "ovh".
        credentials: its options, as Lexicon calls them: "auth_token", "auth_username".
        ttl: seconds; some providers want more.
        timeout: seconds for all that is done to one zone.
        dns: how the zone of a record is found.

    Raises:
        ValueError: a value is impossible.
    """

    name: ClassVar[str] = "dns-lexicon"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    provider: str
    credentials: dict[str, Secret] = field(default_factory=dict)
    ttl: int = 300
    timeout: float = 300.0
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        names = provider_names()
        if self.provider not in names:
            hint = did_you_mean(self.provider, names) or f" (it has {', '.join(names)})"
            raise ValueError(f"provider: Lexicon has no {self.provider!r}{hint}")
        check_ttl(self.ttl, least=1)
        check_seconds("timeout", self.timeout, most=86400)
        self._finder = RecordFinder(self.dns)
        self._locks = ZoneLocks(f"lexicon {self.provider}")
        self._lexicon = Lexicon(self.provider, self.credentials, ttl=self.ttl, timeout=self.timeout)

    @classmethod
    def providers(cls) -> Iterable[str]:
        """The providers of the installed dns-lexicon."""
        return provider_names()

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Add the record; return where it is.

        Raises:
            LexiconError: the provider fails, or does not come to an end.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Add all records, with one log-in per zone."""
        records = self._finder.find_many(challenges, scope)
        for zone, part in by_zone(records):
            with self._locks.hold(zone, scope):
                self._lexicon.add(zone, part, scope)
        return [record.handle() for record in records]

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove the record by its value; one that is gone is gone.

        Raises:
            LexiconError: the provider fails, or does not come to an end.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        self.clean_up_many([challenge], [handle], scope)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Remove all records, with one log-in per zone."""
        for zone, part in by_zone(self._finder.to_remove(challenges, handles, scope)):
            with self._locks.hold(zone, scope):
                self._lexicon.remove(zone, part, scope)
