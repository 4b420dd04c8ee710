"""Listening sockets on every address of a host, or the reason why not; for solvers with a server of their own."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from .errors import AcmezError

# A CA looks from several places at once, for each name of an order.
_BACKLOG = 1024

# A port that was free for one address may be taken for the next.
_TRIES = 20

_ELSEWHERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def listen(host: str, port: int, *, error: type[AcmezError], in_use: str) -> list[socket.socket]:
    """Return one listening, non-blocking socket for each address of *host*, all on one port.

    Args:
        host: a name or an address; "": all of this machine, IPv4 and IPv6.
        port: 0: any free one.
        error: what to raise if *host* is not known or not here, or the port cannot be had.
        in_use: what to do about a port that another server has, in words.
    """
    addresses = [*_addresses(host, port, error)]
    left = 1 if port else _TRIES
    while True:
        left -= 1
        try:
            return _on_one_port(addresses, port)
        except OSError as exc:
            if exc.errno in _ELSEWHERE:
                raise error(f"{host!r}: is not an address of this machine") from exc
            if exc.errno != errno.EADDRINUSE or not left:
                raise error(f"port {port}: {_reason(exc, port, in_use)}") from exc


def _on_one_port(addresses: Sequence[tuple[int, str]], port: int) -> list[socket.socket]:
    unavailable: OSError | None = None
    listeners: list[socket.socket] = []
    with ExitStack() as stack:
        for family, address in addresses:
            try:
                listener = stack.enter_context(_listener(family, address, port))
            except OSError as exc:
                if exc.errno not in _ELSEWHERE:
                    raise
                unavailable = exc  # a machine without IPv6, or without IPv4
                continue
            port = listener.getsockname()[1]
            listeners.append(listener)
        if unavailable is not None and not listeners:
            raise unavailable
        stack.pop_all()
    return listeners


def _addresses(host: str, port: int, error: type[AcmezError]) -> Iterator[tuple[int, str]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise error(f"{host!r}: no such host: {exc}") from exc
    yield from dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found)


def _listener(family: int, address: str, port: int) -> socket.socket:
    # Each family has its own socket, `create_server` sees to IPV6_V6ONLY: whether one for IPv6 takes
    # IPv4 too depends on the system's settings.
    listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


def _reason(exc: OSError, port: int, in_use: str) -> str:
    match exc.errno:
        case errno.EADDRINUSE:
            return f"is in use: {in_use}"
        case errno.EACCES | errno.EPERM:
            return (
                "permission denied: run as root, give Python the capability (setcap cap_net_bind_service=+ep),"
                f" or set 'port' to one above 1023 and redirect port {port} to it"
            )
        case _:
            return (exc.strerror or type(exc).__name__).lower()
