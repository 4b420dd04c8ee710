"""Challenges as a server would send them."""

from __future__ import annotations

from acmez.acme import Challenge, Identifier
from acmez.acme.wire import JSON

#: The thumbprint of RFC 7638 §3.1.
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
URL = "https://ca.example/acme/chall/1"


def make(
    type: str,  # noqa: A002 - the member's name
    identifier: str | Identifier = "example.com",
    *,
    token: JSON = TOKEN,
    wildcard: bool = False,
    thumbprint: str = THUMBPRINT,
    account_url: str = "https://ca.example/acct/123",
    members: dict[str, JSON] | None = None,
) -> Challenge:
    """Return a challenge read from JSON; with *token* `None` it has none."""
    raw: dict[str, JSON] = {"type": type, "url": URL, "status": "pending", **(members or {})}
    if token is not None:
        raw["token"] = token
    return Challenge.from_json(
        raw,
        URL,
        identifier=Identifier.dns(identifier) if isinstance(identifier, str) else identifier,
        wildcard=wildcard,
        thumbprint=thumbprint,
        account_url=account_url,
    )
