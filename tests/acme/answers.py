"""Answers as the transport hands them on, and hypothesis strategies for what a server may put into them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TypeAlias

from hypothesis import strategies as st

from acmez.acme import Response

Raw: TypeAlias = dict[str, Any]

URL = "https://ca.example/acme/thing"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def response(
    body: bytes | str | object = b"", status: int = 200, *, url: str = URL, method: str = "POST", **fields: str
) -> Response:
    """Return an answer; keyword `retry_after` is the field `Retry-After`."""
    if not isinstance(body, bytes | str):
        body = json.dumps(body)
    headers = {name.replace("_", "-"): (value,) for name, value in fields.items()}
    return Response(method, url, status, headers, body.encode() if isinstance(body, str) else body, NOW)


#: Any JSON, lone surrogates and enormous numbers included.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)

#: What might stand where a URL, a date or a word is expected.
NEARLY: st.SearchStrategy[object] = st.sampled_from(
    [
        "",
        "https://ca.example/x",
        "/x",
        "//[",
        "http://[",
        "https://ca.example:port/",
        "javascript:alert(1)",
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:00:00.123456789+01:00",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "pending",
        "valid",
        "dns",
        "*.example.com",
        "\x1b[31m",
        "\ud800",
        -1,
        0,
        10**40,
        1e308,
        True,
        None,
        [],
        {},
        [{}],
        [None],
        ["https://ca.example/1", 2],
        {"type": "dns", "value": "a.example"},
        [{"type": "http-01", "url": "//[", "status": 7, "error": {"type": 3, "status": -1e308}}],
    ]
)


def members(*names: str) -> st.SearchStrategy[Raw]:
    """Return objects that have some of *names*, with whatever values."""
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=5), NEARLY | JSON, max_size=12)


def bodies(*names: str) -> st.SearchStrategy[bytes]:
    """Return bodies that are nearly, or quite, what a parser expects."""
    documents = (members(*names) | JSON).map(lambda value: json.dumps(value).encode())
    torn = documents.flatmap(lambda body: st.integers(0, len(body)).map(lambda end: body[:end]))
    return documents | torn | st.binary(max_size=50)
