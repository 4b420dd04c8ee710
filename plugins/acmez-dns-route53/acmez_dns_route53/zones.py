"""Hosted zones: sets of records, which can only be replaced as a whole, and changes, which take a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from acmez.dns import ZoneRecord
from acmez.dns.texts import unquoted
from acmez.protocols import CancelScope

from .aws import Answer, Client, Route53Error, asked

_MOST_AT_ONCE = 100  # names in one change, which has room for 32000 characters of values
_ATTEMPTS = 8
_PAUSE = 2.0  # seconds between two looks at a change


class Zones:
    """Adds and removes TXT values, and waits for changes.

    Args:
        zone_ids: zone -> identifier, which grows.
    """

    def __init__(self, client: Client, zone_ids: dict[str, str], scope: CancelScope) -> None:
        self._client = client
        self._zone_ids = zone_ids
        self._scope = scope

    def change(self, zone: str, records: Sequence[ZoneRecord], *, ttl: int | None) -> str | None:
        """Add what is not there yet, or with no *ttl* remove what is there.

        Returns:
            The identifier of the last change, `None` if there was nothing to do.

        Raises:
            Route53Error: Amazon refuses it, or does not answer.
        """
        names: dict[str, list[ZoneRecord]] = {}
        for record in records:
            names.setdefault(record.name, []).append(record)
        change = None
        wanted = list(names.items())
        for start in range(0, len(wanted), _MOST_AT_ONCE):
            change = self._change_part(zone, dict(wanted[start : start + _MOST_AT_ONCE]), ttl) or change
        return change

    def wait(self, change: str, timeout: float) -> None:
        """Return when all name servers have a change.

        Raises:
            Route53Error: they did not get it within *timeout* seconds, or Amazon does not answer.
            Cancelled: the scope ended.
        """
        gives_up = time.monotonic() + timeout

        def is_done() -> bool:
            answer = self._asked(f"change {change}", lambda: self._client.get_change(Id=change))
            return bool(answer["ChangeInfo"]["Status"] == "INSYNC")

        while not is_done():
            if time.monotonic() + _PAUSE > gives_up:
                raise Route53Error(f"change {change}: is not on all name servers after {timeout:g} s")
            self._scope.sleep(_PAUSE)

    def _change_part(self, zone: str, names: Mapping[str, Sequence[ZoneRecord]], ttl: int | None) -> str | None:
        """Read and write; once more if somebody else wrote meanwhile."""
        for attempt in range(_ATTEMPTS):
            self._scope.check()
            changes = [each for name, part in names.items() for each in self._changes(zone, name, part, ttl)]
            if not changes:
                return None
            try:
                answer = self._made(zone, changes)
            except Route53Error as error:
                if error.code not in {"InvalidChangeBatch", "PriorRequestNotComplete"} or attempt == _ATTEMPTS - 1:
                    raise
                self._scope.sleep(0.1 * 2**attempt)
            else:
                identifier: str = answer["ChangeInfo"]["Id"]
                return identifier
        raise AssertionError("unreachable")

    def _made(self, zone: str, changes: Sequence[Answer]) -> Answer:
        identifier = self._zone_id(zone)
        return self._asked(
            f"zone {zone!r}",
            lambda: self._client.change_resource_record_sets(
                HostedZoneId=identifier, ChangeBatch={"Comment": "acmez", "Changes": list(changes)}
            ),
        )

    def _changes(self, zone: str, name: str, records: Sequence[ZoneRecord], ttl: int | None) -> list[Answer]:
        """Return what turns what is at a name into what shall be.

        The old set is deleted and the new one created: Amazon refuses that if the old one is not as it was read, and
        does neither. UPSERT would overwrite what another process added meanwhile.
        """
        old = self._read(zone, name)
        before: list[Answer] = [] if old is None else list(old["ResourceRecords"])
        ours = {record.value for record in records}
        if ttl is None:
            after = [each for each in before if unquoted(each["Value"]) not in ours]
        else:
            known = {unquoted(each["Value"]) for each in before}
            after = [*before, *({"Value": record.quoted} for record in records if record.value not in known)]
        if len(after) == len(before):
            return []
        changes: list[Answer] = [] if old is None else [{"Action": "DELETE", "ResourceRecordSet": old}]
        if after:
            new = {"Name": f"{name}.", "Type": "TXT", "TTL": ttl, **(old or {}), "ResourceRecords": after}
            changes.append({"Action": "CREATE", "ResourceRecordSet": new})
        return changes

    def _read(self, zone: str, name: str) -> dict[str, Any] | None:
        """Return the TXT records at a name, `None` if there are none."""
        identifier = self._zone_id(zone)
        answer = self._asked(
            f"zone {zone!r}",
            lambda: self._client.list_resource_record_sets(
                HostedZoneId=identifier, StartRecordName=f"{name}.", StartRecordType="TXT", MaxItems="10"
            ),
        )
        found = [each for each in answer["ResourceRecordSets"] if each["Type"] == "TXT" and _name(each["Name"]) == name]
        if any("SetIdentifier" in each or "AliasTarget" in each for each in found):
            raise Route53Error(
                f"zone {zone!r}: {name!r} has records with a routing policy, which are not for challenges"
            )
        return dict(found[0]) if found else None

    def _asked(self, subject: str, call: Callable[[], Answer]) -> Answer:
        return asked(subject, call, self._scope)

    def _zone_id(self, zone: str) -> str:
        if zone not in self._zone_ids:
            answer = self._asked(
                f"zone {zone!r}", lambda: self._client.list_hosted_zones_by_name(DNSName=f"{zone}.", MaxItems="20")
            )
            found = [
                each["Id"]
                for each in answer["HostedZones"]
                if _name(each["Name"]) == zone and not each.get("Config", {}).get("PrivateZone")
            ]
            if not found:
                raise Route53Error(f"zone {zone!r}: the account has no such public hosted zone")
            if len(found) > 1:
                raise Route53Error(f"zone {zone!r}: there are several such hosted zones (set 'hosted_zone_ids')")
            self._zone_ids[zone] = str(found[0])
        return self._zone_ids[zone]


def _name(text: str) -> str:
    return text.rstrip(".").lower()
