"""Requests, responses and problem documents, as the rest of the CA sees them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

PROBLEM_PREFIX = "urn:ietf:params:acme:error:"


@dataclass(slots=True)
class Response:
    """One HTTP response."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    cut: int | None = None
    """How many bytes of the body are sent before the connection breaks; None: all, and it stays."""

    @classmethod
    def of_json(cls, document: object, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Return a JSON answer."""
        body = json.dumps(document, separators=(",", ":")).encode()
        return cls(status, body, [("Content-Type", "application/json"), *headers])


class Refusal(Exception):
    """A problem document (RFC 7807, RFC 8555 §6.7): why something is refused, or why a challenge failed."""

    def __init__(
        self,
        kind: str,
        detail: str,
        status: int = 400,
        *,
        headers: Iterable[tuple[str, str]] = (),
        subproblems: Iterable[Mapping[str, object]] = (),
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind if ":" in kind else PROBLEM_PREFIX + kind
        self.detail = detail
        self.status = status
        self.headers = list(headers)
        self.subproblems = list(subproblems)
        self.members = dict(members or {})

    def document(self) -> dict[str, object]:
        """Return the JSON object."""
        document: dict[str, object] = {"type": self.kind, "detail": self.detail, "status": self.status}
        if self.subproblems:
            document["subproblems"] = self.subproblems
        return document | self.members

    def response(self) -> Response:
        """Return the answer that carries the document."""
        body = json.dumps(self.document()).encode()
        return Response(self.status, body, [("Content-Type", "application/problem+json"), *self.headers])


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    refusal: Refusal | None = None
    """Why it could not be read; the rest is then empty as far as it is not known."""


def timestamp(moment: datetime) -> str:
    """Return `moment` in the form of RFC 3339, in whole seconds of UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def retry_after(value: int | str | None, *, as_date: bool = False) -> list[tuple[str, str]]:
    """Return the header with `value` seconds, or with the moment they end, or with that very text."""
    if value is None:
        return []
    if as_date and isinstance(value, int):
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=value), usegmt=True)
    return [("Retry-After", str(value))]
