"""How values are written on the wire: base64url, JSON, RFC 3339 times, HTTP fields.

Reading is lenient where servers are sloppy and strict where a client would be hurt: unknown members
stay in `raw`, an optional member of the wrong type counts as absent, a required one raises
`MalformedAnswer` that says where it was.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias, TypeGuard, cast
from urllib.parse import urljoin

from .errors import UNPRINTABLE, InputError, MalformedAnswer

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"
JSONObject: TypeAlias = Mapping[str, JSON]

_LONGEST_WORD = 300  # a DNS name has 253 characters
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")


def b64encode(data: bytes) -> str:
    """Return base64url without padding (RFC 8555 §6.1)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64decode(text: str) -> bytes:
    """Return the bytes of base64url text, padded or not.

    Raises:
        InputError: *text* is not base64url; the text itself is not repeated, it may be a secret.
    """
    stripped = text.rstrip("=")
    if not _BASE64URL.match(stripped):
        raise InputError("not base64url: characters outside A-Z a-z 0-9 - _")
    try:
        return base64.urlsafe_b64decode(stripped + "=" * (-len(stripped) % 4))
    except binascii.Error:
        raise InputError("not base64url: impossible length") from None


def is_base64url(text: str) -> bool:
    """Whether *text* is non-empty base64url without padding, as tokens and nonces must be."""
    return bool(text) and _BASE64URL.match(text) is not None


def printable(text: str, limit: int = 2000) -> str:
    """Return *text* on one line, without what plays tricks on terminals and logs, cut to *limit*."""
    clean = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[: limit + 1].replace("\n", " "))
    return clean if len(clean) <= limit else clean[:limit] + "..."


def dumps(value: JSONObject) -> bytes:
    """Return compact JSON.

    Raises:
        InputError: *value*, which may come from a plugin, is not JSON.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise InputError(f"payload: cannot be written as JSON: {exc}") from exc


def parse_json(body: bytes, url: str) -> JSON:
    """Parse an answer's JSON.

    Raises:
        MalformedAnswer: it is not JSON, repeats a member name, or is nested too deeply.
    """
    try:
        return cast("JSON", json.loads(body, object_pairs_hook=_no_duplicates, parse_constant=_no_constant))
    except RecursionError:
        raise MalformedAnswer("the JSON is nested too deeply", url=url) from None
    except ValueError as exc:
        raise MalformedAnswer(f"not JSON: {str(exc)[:200]}", url=url) from None


def parse_object(body: bytes, url: str) -> JSONObject:
    """Parse an answer that must be a JSON object; raises `MalformedAnswer` like `parse_json`."""
    value = parse_json(body, url)
    if not isinstance(value, Mapping):
        raise MalformedAnswer(f"expected a JSON object, got {_kind(value)}", url=url)
    return value


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC.

    Raises:
        InputError: *moment* has no time zone.
    """
    if moment.tzinfo is None:
        raise InputError(f"{moment.isoformat()!r} has no time zone (did you mean datetime.now(UTC)?)")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime | None:
    """Return the moment of RFC 3339 *text*, in UTC; `None` if it is not one."""
    # Boulder writes nanoseconds; `fromisoformat` stops at microseconds. "t" and "z" are legal (RFC 3339 §5.6).
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.strip().upper())
    try:
        moment = datetime.fromisoformat(trimmed)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_http_date(text: str) -> datetime | None:
    """Return the moment of an HTTP-date (RFC 9110 §5.6.7), in UTC; `None` if it is not one."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After field asks for (RFC 9110 §10.2.3), never negative.

    Both forms are read: seconds and HTTP-date. `None`: there is no field, or nothing sensible in it.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = parse_http_date(value)
        return None if moment is None else max(0.0, (moment - now).total_seconds())
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _no_duplicates(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def _kind(value: JSON) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
        case _:
            return "an array"


class Members:
    """The members of one JSON object that a server sent.

    Args:
        raw: the object.
        url: where it came from; relative URLs are resolved against it.
        where: what the object is, for error messages ("order", "authorization").
    """

    def __init__(self, raw: JSONObject, url: str, where: str) -> None:
        self.raw = raw
        self.url = url
        self.where = where

    def text(self, name: str) -> str | None:
        value = self.raw.get(name)
        return value if isinstance(value, str) and value else None

    def word(self, name: str) -> str | None:
        """A text that is shown to people and compared with known words, such as a status."""
        value = self.text(name)
        return None if value is None else printable(value, _LONGEST_WORD)

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.malformed(name, "a string")
        return value

    def required_word(self, name: str) -> str:
        return printable(self.required_text(name), _LONGEST_WORD)

    def flag(self, name: str) -> bool:
        return self.raw.get(name) is True

    def number(self, name: str) -> float | None:
        value = self.raw.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def link(self, name: str) -> str | None:
        value = self.text(name)
        return None if value is None else resolved(self.url, value)

    def time(self, name: str) -> datetime | None:
        value = self.text(name)
        return None if value is None else parse_timestamp(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.raw.get(name)
        return tuple(v for v in value if isinstance(v, str)) if _is_array(value) else ()

    def links(self, name: str) -> tuple[str, ...]:
        """The URLs of an array that must be all URLs if it is there."""
        value = self.raw.get(name)
        if value is None:
            return ()
        if not _is_array(value) or not all(isinstance(item, str) for item in value):
            raise self.malformed(name, "an array of URLs")
        return tuple(resolve(self.url, str(item)) for item in value)

    def object(self, name: str) -> JSONObject | None:
        value = self.raw.get(name)
        return value if isinstance(value, Mapping) else None

    def objects(self, name: str) -> tuple[JSONObject, ...]:
        """The objects of an array that must be all objects if it is there."""
        value = self.raw.get(name)
        if value is None:
            return ()
        if not _is_array(value) or not all(isinstance(item, Mapping) for item in value):
            raise self.malformed(name, "an array of objects")
        return tuple(item for item in value if isinstance(item, Mapping))

    def malformed(self, name: str, expected: str) -> MalformedAnswer:
        got = _kind(self.raw[name]) if name in self.raw else "nothing"
        return MalformedAnswer(f"{self.where}.{name}: expected {expected}, got {got}", url=self.url)


def resolve(base: str, reference: str) -> str:
    """Return *reference* as an absolute URL; relative ones are legal in Location and Link.

    Raises:
        MalformedAnswer: *reference* is not a URL at all.
    """
    url = resolved(base, reference)
    if url is None:
        raise MalformedAnswer(f"not a URL: {reference[:200]!r}", url=base)
    return url


def resolved(base: str, reference: str) -> str | None:
    """Return *reference* as an absolute URL, `None` if it is not a URL at all: control characters are in none."""
    if UNPRINTABLE.search(reference):
        return None
    if reference.startswith("https://"):
        return reference
    try:
        return urljoin(base, reference)
    except ValueError:
        return None


def _is_array(value: JSON) -> TypeGuard[list[JSON]]:
    return isinstance(value, list)
