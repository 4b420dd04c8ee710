"""Addresses of hosts, as this machine knows them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress

from .errors import NoAnswerError


async def addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the system's order of preference.

    Raises:
        NoAnswerError: there is none.
    """
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str]) -> None:
        if not found.done():
            found.set_result(addresses)

    def look_up() -> None:
        addresses: list[str] = []
        with suppress(OSError, UnicodeError):
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
        with suppress(RuntimeError):  # nobody waits any more, the loop is closed
            loop.call_soon_threadsafe(tell, addresses)

    # `getaddrinfo` cannot be interrupted, and the loop's own executor would be waited for.
    threading.Thread(target=look_up, name="acmez-lookup", daemon=True).start()
    addresses = await found
    if not addresses:
        raise NoAnswerError(f"{host}: the name does not resolve")
    return addresses
