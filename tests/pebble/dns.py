"""The DNS that Pebble sees: pebble-challtestsrv and its management API."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.pebble.fetching import fetch


class ChallengeDNS:
    """A DNS server whose records a test sets; a name without any has the address 127.0.0.1.

    A name may be given with or without its final dot. CNAMEs are followed. Records stay until cleared, so
    tests that share a server use names of their own.
    """

    def __init__(self, address: tuple[str, int], management: tuple[str, int]) -> None:
        """Control the server that answers DNS at `address` and its API at `management`."""
        self.address = address
        self._management = management

    def set_txt(self, name: str, value: str) -> None:
        """Add one TXT value at `name`; values add up."""
        self._post("set-txt", host=_absolute(name), value=value)

    def clear_txt(self, name: str) -> None:
        """Remove every TXT value at `name`."""
        self._post("clear-txt", host=_absolute(name))

    def add_a(self, name: str, addresses: Sequence[str]) -> None:
        """Let `name` have these IPv4 addresses."""
        self._post("add-a", host=_absolute(name), addresses=list(addresses))

    def clear_a(self, name: str) -> None:
        """Let `name` have the default address 127.0.0.1 again."""
        self._post("clear-a", host=_absolute(name))

    def add_aaaa(self, name: str, addresses: Sequence[str]) -> None:
        """Let `name` have these IPv6 addresses."""
        self._post("add-aaaa", host=_absolute(name), addresses=list(addresses))

    def clear_aaaa(self, name: str) -> None:
        """Let `name` have no IPv6 address again."""
        self._post("clear-aaaa", host=_absolute(name))

    def add_caa(self, name: str, policies: Sequence[tuple[str, str]]) -> None:
        """Add CAA records of (tag, value). Pebble itself never reads them."""
        listed = [{"tag": tag, "value": value} for tag, value in policies]
        self._post("add-caa", host=_absolute(name), policies=listed)

    def clear_caa(self, name: str) -> None:
        """Remove the CAA records at `name`."""
        self._post("clear-caa", host=_absolute(name))

    def set_cname(self, name: str, target: str) -> None:
        """Let `name` be an alias of `target`."""
        self._post("set-cname", host=_absolute(name), target=_absolute(target))

    def clear_cname(self, name: str) -> None:
        """Let `name` be no alias any more."""
        self._post("clear-cname", host=_absolute(name))

    def set_servfail(self, name: str) -> None:
        """Answer every query for `name` with SERVFAIL."""
        self._post("set-servfail", host=_absolute(name))

    def clear_servfail(self, name: str) -> None:
        """Answer queries for `name` again."""
        self._post("clear-servfail", host=_absolute(name))

    def request_history(self, name: str) -> list[dict[str, object]]:
        """Return the DNS queries for `name` so far, oldest first."""
        return json.loads(self._post("dns-request-history", host=name.rstrip(".")))  # type: ignore[no-any-return]

    def clear_request_history(self, name: str) -> None:
        """Forget the DNS queries for `name`."""
        self._post("clear-request-history", host=name.rstrip("."), type="dns")

    def is_up(self) -> None:
        """Raise `OSError` if the management API cannot be reached."""
        self.request_history("up.test")

    def _post(self, action: str, **parameters: object) -> bytes:
        return fetch(self._management, f"/{action}", body=json.dumps(parameters).encode())


def _absolute(name: str) -> str:
    return name.rstrip(".") + "."
