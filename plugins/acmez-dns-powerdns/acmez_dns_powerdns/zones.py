"""Zones as the API has them: sets of records, which can only be replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlencode

from acmez.acme.wire import JSON, JSONObject
from acmez.dns import ZoneRecord
from acmez.dns.api import ApiError, Calls
from acmez.dns.texts import unquoted

_PRIMARY = {"master", "primary", "producer"}
_HINTS = {
    401: "the server refuses 'api_key'",
    404: "there is no such zone (or no such 'server_id')",
    405: "this is no API of PowerDNS",
}


@dataclass
class _Values:
    """The TXT records at a name, as the API writes them.

    Attributes:
        ttl: `None` if there are none.
    """

    ttl: int | None = None
    records: list[JSONObject] = field(default_factory=list)

    def has(self, value: str) -> bool:
        return any(unquoted(str(each.get("content"))) == value for each in self.records)

    def without(self, values: Sequence[str]) -> list[JSONObject]:
        return [each for each in self.records if unquoted(str(each.get("content"))) not in values]


class Zones:
    """Adds and removes TXT values.

    Args:
        notify: tell secondary servers of primary zones.
    """

    def __init__(self, call: Calls, *, notify: bool) -> None:
        self._call = call
        self._notify = notify

    def add(self, records: Sequence[ZoneRecord], ttl: int) -> None:
        """Add what is not there yet.

        Raises:
            ApiError: the server refuses it, or does not answer.
        """
        for zone, values in _by_zone(records).items():
            before, primary = self._read(zone, list(values))
            sets: list[JSON] = []
            for name, wanted in values.items():
                shown = before.get(name, _Values())
                new = [each for each in wanted if not shown.has(each.value)]
                added: list[JSONObject] = [{"content": each.quoted, "disabled": False} for each in new]
                if added:
                    sets.append(_replaced(name, ttl if shown.ttl is None else shown.ttl, [*shown.records, *added]))
            self._change(zone, sets, primary=primary)

    def remove(self, records: Sequence[ZoneRecord]) -> None:
        """Remove values that are there, and nothing else; raises like `add`."""
        for zone, values in _by_zone(records).items():
            before, primary = self._read(zone, list(values))
            sets: list[JSON] = []
            for name, unwanted in values.items():
                shown = before.get(name, _Values())
                kept = shown.without([each.value for each in unwanted])
                if len(kept) < len(shown.records):
                    sets.append(_replaced(name, shown.ttl or 0, kept))
            self._change(zone, sets, primary=primary)

    def _read(self, zone: str, names: Sequence[str]) -> tuple[Mapping[str, _Values], bool]:
        """Return what is at *names*, and whether the zone is one whose secondaries can be told."""
        # Older servers know no such filter and send the whole zone, as they do for several names.
        wanted = {"rrset_name": f"{names[0]}.", "rrset_type": "TXT"} if len(names) == 1 else {"rrsets": "true"}
        found = self._asked("GET", zone, f"{_path(zone)}?{urlencode(wanted)}")
        if not isinstance(found, Mapping) or not isinstance(found.get("rrsets"), list):
            raise ApiError(f"zone {zone!r}: the answer is none of PowerDNS")
        values: dict[str, _Values] = {}
        for each in found["rrsets"]:  # type: ignore[union-attr]  # a list, as was checked
            match each:
                case {"type": "TXT", "name": str(name), "ttl": int(ttl), "records": list(records)}:
                    known = [cast("JSONObject", one) for one in records if isinstance(one, Mapping)]
                    values[name.rstrip(".").lower()] = _Values(ttl, known)
        return values, str(found.get("kind")).lower() in _PRIMARY

    def _change(self, zone: str, sets: list[JSON], *, primary: bool) -> None:
        if not sets:
            return
        self._asked("PATCH", zone, _path(zone), {"rrsets": sets})
        if self._notify and primary:
            with suppress(ApiError):  # the zone is right; its secondaries look for themselves later
                self._call("PUT", f"{_path(zone)}/notify")

    def _asked(self, method: str, zone: str, path: str, body: JSON = None) -> JSON:
        try:
            return self._call(method, path, body)[1]
        except ApiError as error:
            hint = f" ({_HINTS[error.status]})" if error.status in _HINTS else ""
            raise ApiError(f"zone {zone!r}: {error}{hint}", status=error.status, answer=error.answer) from error


def _by_zone(records: Sequence[ZoneRecord]) -> dict[str, dict[str, list[ZoneRecord]]]:
    """Return zone -> name -> records."""
    zones: dict[str, dict[str, list[ZoneRecord]]] = {}
    for record in dict.fromkeys(records):
        zones.setdefault(record.zone, {}).setdefault(record.name, []).append(record)
    return zones


def _path(zone: str) -> str:
    return f"/zones/{quote(zone + '.', safe='')}"


def _replaced(name: str, ttl: int, records: Sequence[JSONObject]) -> JSONObject:
    """Return the change after which *records* are at a name."""
    change: dict[str, JSON] = {"name": f"{name}.", "type": "TXT", "changetype": "REPLACE" if records else "DELETE"}
    return {**change, "ttl": ttl, "records": list(records)} if records else change
