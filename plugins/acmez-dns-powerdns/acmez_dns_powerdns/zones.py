"""Zones as the API has them: sets of records, which older servers can only replace as a whole."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlencode

from acmez.acme.scope import CancelScope
from acmez.acme.wire import JSON, JSONObject
from acmez.dns import ZoneRecord, by_zone
from acmez.dns.api import ApiError, Calls
from acmez.dns.locks import ZoneLocks
from acmez.dns.texts import unquoted

_PRIMARY = {"master", "primary", "producer"}
_HINTS = {
    401: "the server refuses 'api_key'",
    404: "there is no such zone (or no such 'server_id')",
    405: "this is no API of PowerDNS",
}

_LOOKS = 40
_LEAST_PAUSE = 0.2  # seconds in which a process that read before we wrote has surely written
_LONGEST_PAUSE = 5.0


@dataclass
class Abilities:
    """What is known of a server.

    Attributes:
        single_values: whether it adds and removes single values (EXTEND, PRUNE: since 4.9.12 and 5.0.2), as long as it
            has not said otherwise.
    """

    single_values: bool = True


@dataclass(frozen=True)
class _Values:
    """The TXT records at a name, as the API writes them.

    Attributes:
        ttl: `None` if there are none.
    """

    ttl: int | None = None
    records: tuple[JSONObject, ...] = ()

    @property
    def texts(self) -> frozenset[str]:
        return frozenset(map(_text, self.records))

    def with_these(self, values: Sequence[ZoneRecord], ttl: int) -> _Values:
        known = self.texts
        new: list[JSONObject] = [
            {"content": each.quoted, "disabled": False} for each in values if each.value not in known
        ]
        return _Values(ttl if self.ttl is None else self.ttl, (*self.records, *new))

    def without(self, values: Sequence[ZoneRecord]) -> _Values:
        ours = {each.value for each in values}
        return _Values(self.ttl, tuple(each for each in self.records if _text(each) not in ours))


#: What is at a name, and the records that are to be there or not -> what shall be at the name.
_Edit = Callable[[_Values, Sequence[ZoneRecord]], _Values]
_Names = Mapping[str, _Values]


class Zones:
    """Adds and removes TXT values, and sees to it that it lasts.

    Args:
        notify: tell secondary servers of primary zones.
    """

    def __init__(
        self, call: Calls, locks: ZoneLocks, abilities: Abilities, scope: CancelScope, *, notify: bool
    ) -> None:
        self._call = call
        self._locks = locks
        self._abilities = abilities
        self._scope = scope
        self._notify = notify

    def add(self, records: Sequence[ZoneRecord], ttl: int) -> None:
        """Add what is not there yet.

        Raises:
            ApiError: the server refuses it, or does not answer.
        """
        self._change_all(records, lambda shown, wanted: shown.with_these(wanted, ttl))

    def remove(self, records: Sequence[ZoneRecord]) -> None:
        """Remove values that are there, and nothing else; raises like `add`."""
        self._change_all(records, _Values.without)

    def _change_all(self, records: Sequence[ZoneRecord], edit: _Edit) -> None:
        for zone, part in by_zone(records):
            names: dict[str, list[ZoneRecord]] = {}
            for record in part:
                names.setdefault(record.name, []).append(record)
            self._change_lastingly(zone, names, edit)

    def _change_lastingly(self, zone: str, names: Mapping[str, Sequence[ZoneRecord]], edit: _Edit) -> None:
        """Read and write until all is as it shall be and, with an older server, nothing else changes any more.

        Such a server replaces all values at a name: another process that read them before we wrote undoes that. So we
        look again when it must have written, and until two looks show the same.
        """
        expected: _Names | None = None
        failure: ApiError | None = None
        for _ in range(_LOOKS):
            began = time.monotonic()
            with self._locks.hold(zone, self._scope):
                before, primary = self._read(zone, list(names))
                after = {name: edit(before[name], part) for name, part in names.items()}
                wrong = any(before[name].texts != after[name].texts for name in names)
                if wrong:
                    failure = self._write(zone, before, after, primary=primary)
            if not wrong and (expected is None or self._abilities.single_values or _same(before, expected)):
                return
            expected = after
            self._pause(time.monotonic() - began)
        raise failure or ApiError(f"zone {zone!r}: somebody undoes each change of {', '.join(map(repr, names))}")

    def _pause(self, took: float) -> None:
        """Wait until whoever is not much slower than we were must have written."""
        if not self._abilities.single_values:
            seconds = min(max(2 * took, _LEAST_PAUSE), _LONGEST_PAUSE)
            self._scope.sleep(seconds * random.uniform(1, 1.5))  # noqa: S311 - not all at the same time

    def _read(self, zone: str, names: Sequence[str]) -> tuple[Mapping[str, _Values], bool]:
        """Return what is at *names*, and whether the zone is one whose secondaries can be told."""
        # Older servers know no such filter and send the whole zone, as they do for several names.
        wanted = {"rrset_name": f"{names[0]}.", "rrset_type": "TXT"} if len(names) == 1 else {"rrsets": "true"}
        found = self._asked("GET", zone, f"{_path(zone)}?{urlencode(wanted)}")
        if not isinstance(found, Mapping) or not isinstance(found.get("rrsets"), list):
            raise ApiError(f"zone {zone!r}: the answer is none of PowerDNS")
        values = dict.fromkeys(names, _Values())
        for each in found["rrsets"]:  # type: ignore[union-attr]  # a list, as was checked
            match each:
                case {"type": "TXT", "name": str(name), "ttl": int(ttl), "records": list(records)}:
                    known = tuple(cast("JSONObject", one) for one in records if isinstance(one, Mapping))
                    values[name.rstrip(".").lower()] = _Values(ttl, known)
        return values, str(found.get("kind")).lower() in _PRIMARY

    def _write(self, zone: str, before: _Names, after: _Names, *, primary: bool) -> ApiError | None:
        """Make what is *before* what shall be *after*; return why not, if that may pass."""
        single = self._abilities.single_values
        changes = _single_changes if single else _replacements
        sets: list[JSON] = [each for name in after for each in changes(name, before[name], after[name])]
        try:
            self._asked("PATCH", zone, _path(zone), {"rrsets": sets}, patient=single)
        except ApiError as error:
            if single and error.status == 422 and "hangetype" in str(error):
                self._abilities.single_values = False
            elif single or error.kind is None:
                raise
            return error
        if self._notify and primary:
            with suppress(ApiError):  # the zone is right; its secondaries look for themselves later
                self._call("PUT", f"{_path(zone)}/notify", patient=False)
        return None

    def _asked(self, method: str, zone: str, path: str, body: JSON = None, *, patient: bool = True) -> JSON:
        try:
            return self._call(method, path, body, patient=patient)[1]
        except ApiError as error:
            hint = f" ({_HINTS[error.status]})" if error.status in _HINTS else ""
            raise ApiError(
                f"zone {zone!r}: {error}{hint}", status=error.status, answer=error.answer, kind=error.kind
            ) from error


def _path(zone: str) -> str:
    return f"/zones/{quote(zone + '.', safe='')}"


def _text(record: JSONObject) -> str:
    return unquoted(str(record.get("content")))


def _same(some: _Names, other: _Names) -> bool:
    return all(some[name].texts == values.texts for name, values in other.items())


def _single_changes(name: str, before: _Values, after: _Values) -> Iterator[JSONObject]:
    """Yield changes of one value each, which is what the server wants."""
    for kind, records, other in (("EXTEND", after, before), ("PRUNE", before, after)):
        known = other.texts
        for record in records.records:
            if _text(record) not in known:
                yield {
                    "name": f"{name}.",
                    "type": "TXT",
                    "changetype": kind,
                    "ttl": after.ttl,
                    "records": [record],
                }


def _replacements(name: str, before: _Values, after: _Values) -> Iterator[JSONObject]:
    if before == after:
        return
    change: dict[str, JSON] = {"name": f"{name}.", "type": "TXT"}
    if after.records:
        yield {**change, "changetype": "REPLACE", "ttl": after.ttl, "records": list(after.records)}
    else:
        yield {**change, "changetype": "DELETE"}
