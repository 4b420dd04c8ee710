"""HTTP/1.1 messages as the proxy passes them on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as its client sent it."""

    method: str
    target: str
    raw: bytes
    body: bytes

    @property
    def reads(self) -> bool:
        """Whether it changes nothing: a GET, a HEAD, or a POST-as-GET (RFC 8555 §6.3)."""
        return self.method != "POST" or not json.loads(self.body).get("payload")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; its body is sent with a Content-Length unless a field says otherwise."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    head_only: bool = False

    def field(self, name: str) -> str | None:
        """Return the first value of a field."""
        return next((value for given, value in self.fields if given.lower() == name), None)

    def but(self, **fields: str) -> Self:
        """Return it with other fields; an underscore stands for a hyphen."""
        new = {name.replace("_", "-").lower(): value for name, value in fields.items()}
        return replace(self, fields=(*self.lacking(*new).fields, *new.items()))

    def lacking(self, *names: str) -> Self:
        """Return it without some fields."""
        return replace(self, fields=tuple(item for item in self.fields if item[0].lower() not in names))

    def with_body(self, body: bytes) -> Self:
        """Return it with another body."""
        return replace(self, body=body)

    def document(self) -> Mapping[str, object]:
        """Return the JSON object in the body, an empty one if there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def encode(self) -> bytes:
        """Return what goes over the wire."""
        return self.encode_head() + (b"" if self.head_only else self.body)

    def encode_head(self) -> bytes:
        """Return the head alone."""
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in self.fields)]
        if self.field("transfer-encoding") is None and self.status != 204:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("latin-1") + _HEAD_END


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request; `None`: the client is gone."""
    try:
        head = await reader.readuntil(_HEAD_END)
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        body = await reader.readexactly(int(_fields(head).get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(method, target, head + body, body)


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """Read an answer of a CA, whole, as one that is not chunked."""
    head = await reader.readuntil(_HEAD_END)
    status = int(head.split(b" ", 2)[1])
    fields = _fields(head)
    kept = tuple(item for item in _pairs(head) if item[0].lower() not in {"content-length", "transfer-encoding"})
    if method == "HEAD" or status == 204:
        return Answer(status, kept, head_only=method == "HEAD")
    if fields.get("transfer-encoding") == "chunked":
        return Answer(status, kept, await _chunks(reader))
    return Answer(status, kept, await reader.readexactly(int(fields.get("content-length", "0"))))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _pairs(head: bytes) -> list[tuple[str, str]]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def _fields(head: bytes) -> dict[str, str]:
    return {name.lower(): value for name, value in _pairs(head)}
