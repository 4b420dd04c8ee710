"""The solver: its options, and what is Amazon's business on behalf of which challenge."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder, ZoneRecord, by_zone
from acmez.dns.checks import check_seconds, check_ttl
from acmez.dns.locks import ZoneLocks
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

from .aws import Aws
from .zones import Zones


@dataclass
class Route53Solver:
    """Answers DNS challenges with TXT records at Amazon Route 53.

    All records of a zone go in one change. Others at a name are kept, also those that another process adds at the same
    time. It waits until Amazon says that all its name servers have the change, so it needs no other waiter.

    Attributes:
        hosted_zone_ids: zone -> identifier of its hosted zone, so that it need not be looked up.
        profile: of the AWS configuration files; by default whatever boto3 finds: the environment, files, the role of
            the machine or container.
        access_key_id, secret_access_key, session_token: credentials, in place of those.
        endpoint_url: where the API is, in place of Amazon's own.
        ttl: seconds; other records at the name keep theirs, and then it is theirs.
        timeout: seconds for each request.
        change_timeout: seconds for a change to reach all name servers.
        dns: how the zone of a record is found.

    Raises:
        ValueError: a value is impossible.
    """

    name: ClassVar[str] = "dns-route53"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    hosted_zone_ids: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    access_key_id: str = ""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    endpoint_url: str = ""
    ttl: int = 60
    timeout: float = 30.0
    change_timeout: float = 300.0
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            missing, given = ("secret_access_key", "access_key_id")[:: 1 if self.access_key_id else -1]
            raise ValueError(f"{missing}: required with {given!r}")
        check_ttl(self.ttl)
        check_seconds("timeout", self.timeout, most=86400)
        check_seconds("change_timeout", self.change_timeout, most=86400)
        self._finder = RecordFinder(self.dns)
        self._locks = ZoneLocks(f"route53 {self.endpoint_url}")
        self._zone_ids = {zone.lower().rstrip("."): identifier for zone, identifier in self.hosted_zone_ids.items()}
        self._mutex = threading.Lock()
        self._changes: dict[tuple[str, str, str], str] = {}
        self._aws = Aws(
            profile=self.profile,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            session_token=self.session_token,
            endpoint_url=self.endpoint_url,
            timeout=self.timeout,
        )

    @classmethod
    def providers(cls) -> Iterable[str]:
        """Amazon Route 53."""
        return ["route53"]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Add the record; return where it is.

        Raises:
            Route53Error: Amazon refuses it, or does not answer.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Add all records, in one change per zone."""
        records = self._finder.find_many(challenges, scope)
        changes = self._change(records, scope, ttl=self.ttl)
        with self._mutex:
            for challenge, record in zip(challenges, records, strict=True):
                if record.zone in changes:
                    self._changes[_key(challenge)] = changes[record.zone]
        return [record.handle() for record in records]

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        """Return when all of Amazon's name servers have the record.

        Raises:
            Route53Error: they did not get it within `change_timeout`, or Amazon does not answer.
            Cancelled: *scope* ended.
        """
        with self._mutex:
            change = self._changes.pop(_key(challenge), None)
        if change is not None:
            with self._aws.client(scope) as client:
                Zones(client, self._zone_ids, scope).wait(change, self.change_timeout)

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove the record by its value; one that is gone is gone.

        Raises:
            Route53Error: Amazon refuses it, or does not answer.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended.
        """
        self.clean_up_many([challenge], [handle], scope)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Remove all records, in one change per zone."""
        with self._mutex:
            for challenge in challenges:
                self._changes.pop(_key(challenge), None)
        records = self._finder.to_remove(challenges, handles, scope)
        if records:
            self._change(records, scope, ttl=None)

    def _change(self, records: Sequence[ZoneRecord], scope: CancelScope, *, ttl: int | None) -> dict[str, str]:
        """Add records, or with no *ttl* remove them; return zone -> identifier of the change."""
        made: dict[str, str] = {}
        with self._aws.client(scope) as client:
            api = Zones(client, self._zone_ids, scope)
            for zone, part in by_zone(records):
                with self._locks.hold(zone, scope):
                    change = api.change(zone, part, ttl=ttl)
                if change is not None:
                    made[zone] = change
        return made


def _key(challenge: Challenge) -> tuple[str, str, str]:
    return challenge.type, challenge.identifier.value, challenge.token or challenge.url
