"""TXT records as Cloudflare's API has them (https://developers.cloudflare.com/api/resources/dns/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

from acmez.acme.wire import JSON, printable
from acmez.dns import ZoneRecord, by_zone
from acmez.dns.api import ApiError, Calls
from acmez.dns.texts import unquoted

_MOST_AT_ONCE = 200  # changes in one batch of a free plan
_MOST_LISTED = 100  # records on one page
_EXISTS = {81057, 81058}
_GONE = {81044}
_TOKEN = {1000, 6003, 6111, 9103, 9106, 9107, 9109, 10000, 10001}


class Records:
    """Adds and removes TXT values.

    Args:
        zone_ids: zone -> identifier, which grows.
    """

    def __init__(self, call: Calls, zone_ids: dict[str, str]) -> None:
        self._call = call
        self._zone_ids = zone_ids

    def add(self, records: Sequence[ZoneRecord], ttl: int) -> Mapping[ZoneRecord, str]:
        """Add what is not there yet, and return the identifiers of what is new.

        Raises:
            ApiError: Cloudflare refuses it, or does not answer.
        """
        identifiers: dict[ZoneRecord, str] = {}
        for zone, part in by_zone(records, _MOST_AT_ONCE):
            posts: list[JSON] = [
                {"type": "TXT", "name": record.name, "content": record.quoted, "ttl": ttl} for record in part
            ]
            for made in self._change(zone, "posts", posts, skipped=_EXISTS):
                identifiers |= {record: str(made["id"]) for record in part if "id" in made and _same(made, record)}
        return identifiers

    def remove(self, records: Mapping[ZoneRecord, str | None]) -> None:
        """Remove values that are there, and nothing else; raises like `add`.

        Args:
            records: with the identifiers that `add` returned, as far as they are known.
        """
        for zone, part in by_zone(records, _MOST_AT_ONCE):
            deletes: list[JSON] = []
            for record in part:
                known = records[record]
                deletes += [{"id": each} for each in ([known] if known else self._known(record))]
            self._change(zone, "deletes", deletes, skipped=_GONE)

    def _change(self, zone: str, kind: str, changes: Sequence[JSON], *, skipped: set[int]) -> list[Mapping[str, JSON]]:
        """Make changes at once, or if one of them was made already, one by one; return what became of them."""
        if not changes:
            return []
        try:
            answer = self._asked("POST", zone, f"{self._path(zone)}/batch", {kind: list(changes)})
        except ApiError as error:
            if not _codes(error) & skipped:
                raise
            each_alone = [[change] for change in changes] if len(changes) > 1 else []
            return [made for one in each_alone for made in self._change(zone, kind, one, skipped=skipped)]
        result = answer.get("result")
        return _list(result, kind) if isinstance(result, Mapping) else []

    def _known(self, record: ZoneRecord) -> Iterator[str]:
        """Yield the identifiers of records with the value of *record* at its name."""
        wanted = {"type": "TXT", "name": record.name, "per_page": _MOST_LISTED}
        page, pages = 1, 1
        while page <= pages:
            query = urlencode(wanted | {"page": page})
            answer = self._asked("GET", record.zone, f"{self._path(record.zone)}?{query}")
            for each in _list(answer):
                if _same(each, record) and isinstance(each.get("id"), str):
                    yield str(each["id"])
            pages = _pages(answer)
            page += 1

    def _path(self, zone: str) -> str:
        return f"/zones/{self._zone_id(zone)}/dns_records"

    def _zone_id(self, zone: str) -> str:
        if zone not in self._zone_ids:
            found = _list(self._asked("GET", zone, f"/zones?{urlencode({'name': zone})}"))
            identifiers = [each["id"] for each in found if each.get("name") == zone and isinstance(each.get("id"), str)]
            if not identifiers:
                raise ApiError(
                    f"zone {zone!r}: the token sees no such zone (is it of another account, or without Zone:Read?)"
                )
            self._zone_ids[zone] = str(identifiers[0])
        return self._zone_ids[zone]

    def _asked(self, method: str, zone: str, path: str, body: JSON = None) -> Mapping[str, JSON]:
        try:
            # A change that was made already is told apart (81044, 81058), so any may be made again.
            status, answer = self._call(method, path, body, repeatable=True)
        except ApiError as error:
            raise _refusal(zone, error.status, error.answer, str(error)) from error
        if not isinstance(answer, Mapping) or answer.get("success") is not True:
            raise _refusal(zone, status, answer, "the answer is none of Cloudflare")
        return answer


def _refusal(zone: str, status: int, answer: JSON, otherwise: str) -> ApiError:
    """Return the error in Cloudflare's words, if it gave any."""
    told = [
        f"{each.get('message')} ({each.get('code')})"
        for each in (_list(answer, "errors") if isinstance(answer, Mapping) else ())
    ]
    error = ApiError(
        f"zone {zone!r}: Cloudflare says: {printable('; '.join(told), 500)}" if told else f"zone {zone!r}: {otherwise}",
        status=status,
        answer=answer,
    )
    if status in {401, 403} or _codes(error) & _TOKEN:
        return ApiError(
            f"{error} (is 'api_token' right, and may it edit the DNS of this zone?)", status=status, answer=answer
        )
    return error


def _codes(error: ApiError) -> set[int]:
    """The codes of Cloudflare's errors."""
    found = _list(error.answer, "errors") if isinstance(error.answer, Mapping) else []
    return {code for each in found if isinstance(code := each.get("code"), int)}


def _list(answer: Mapping[str, JSON], member: str = "result") -> list[Mapping[str, JSON]]:
    found = answer.get(member)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _pages(answer: Mapping[str, JSON]) -> int:
    info = answer.get("result_info")
    pages = info.get("total_pages") if isinstance(info, Mapping) else None
    return pages if isinstance(pages, int) and pages < 1000 else 1


def _same(each: Mapping[str, JSON], record: ZoneRecord) -> bool:
    name, content = str(each.get("name")).lower().rstrip("."), str(each.get("content"))
    # Records that were made without quotes are shown without.
    return each.get("type") == "TXT" and name == record.name and record.value in {content, unquoted(content)}
