"""Short names for well-known CAs, and where they leave the common path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from .errors import InputError
from .pace import OrderLimit, Rates


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that has a short name.

    Attributes:
        name: the short name.
        title: what people call it.
        directory: its directory URL.
        external_account: whether an account needs an external account binding (RFC 8555 §7.3.4), whatever
            the directory says.
        eab_hint: URL of the page that says how a customer gets one; "" if none is needed.
        contact_required: whether orders fail without a contact in the account.
        requests_per_second: what the CA is known to bear, in all or by operation; `None` if that is not known.
        order_limit: how many orders it takes from one account, `None` if that is not known.
        account_post_as_get: whether the account can be fetched (RFC 8555 §7.3.3).
    """

    name: str
    title: str
    directory: str
    external_account: bool = False
    eab_hint: str = ""
    contact_required: bool = False
    requests_per_second: Rates | None = None
    order_limit: OrderLimit | None = None
    account_post_as_get: bool = True


@cache
def authorities() -> Mapping[str, Authority]:
    """Return the known CAs by their short names."""
    import tomllib
    from importlib.resources import files

    text = files(__package__).joinpath("authorities.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _authority(name, table) for name, table in tomllib.loads(text).items()})


def _authority(name: str, table: dict[str, Any]) -> Authority:
    limit = table.pop("order_limit", None)
    return Authority(name, order_limit=None if limit is None else OrderLimit(**limit), **table)


def find(name: str) -> Authority:
    """Return the CA of a short name.

    Raises:
        InputError: there is none.
    """
    known = authorities()
    if name in known:
        return known[name]
    if "/" in name or "." in name or ":" in name:
        raise InputError(f"directory: {name!r} is not an https:// URL (did you mean 'https://{name}'?)")
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(f"directory: unknown CA {name!r} ({hint}known: {', '.join(known)}; or give its URL)")


def recognise(name_or_url: str) -> Authority | None:
    """Return what is known about a CA, given its short name or its directory URL."""
    known = authorities()
    return known.get(name_or_url) or next((ca for ca in known.values() if ca.directory == name_or_url), None)


def directory_url(name_or_url: str) -> str:
    """Return the directory URL for a short name; a URL stands for itself.

    Raises:
        InputError: it is neither.
    """
    if not re.match(r"https?://", name_or_url):
        return find(name_or_url).directory
    try:
        host = urlsplit(name_or_url).hostname
    except ValueError as exc:
        raise InputError(f"directory: {name_or_url!r} is not a URL: {exc}") from None
    if not host:
        raise InputError(f"directory: {name_or_url!r} has no host")
    return name_or_url
