"""Listening sockets on every address of a host, or the reason why not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

from .errors import TlsAlpnError

# A CA looks from several places at once, for each name of an order.
_BACKLOG = 1024


def listen(host: str, port: int) -> list[socket.socket]:
    """Return one listening, non-blocking socket for each address of *host*, all on one port.

    Args:
        host: a name or an address; "": all of this machine, IPv4 and IPv6.
        port: 0: any free one.

    Raises:
        TlsAlpnError: *host* is not known or not here, or the port cannot be had.
    """
    unavailable: OSError | None = None
    listeners: list[socket.socket] = []
    with ExitStack() as stack:
        for family, address in _addresses(host, port):
            try:
                listener = stack.enter_context(_listener(family, address, port))
            except OSError as error:
                if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise TlsAlpnError(f"port {port}: {_reason(error, port)}") from error
                unavailable = error  # a machine without IPv6, or without IPv4
                continue
            port = listener.getsockname()[1]
            listeners.append(listener)
        if not listeners:
            raise TlsAlpnError(f"{host!r}: is not an address of this machine") from unavailable
        stack.pop_all()
    return listeners


def _addresses(host: str, port: int) -> Iterator[tuple[int, str]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise TlsAlpnError(f"{host!r}: no such host: {error}") from error
    yield from dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found)


def _listener(family: int, address: str, port: int) -> socket.socket:
    # Each family has its own socket, `create_server` sees to IPV6_V6ONLY: whether one for IPv6 takes
    # IPv4 too depends on the system's settings.
    listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


def _reason(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "is in use: let the server that listens there forward 'acme-tls/1' to another 'port',"
                " or move it to another port and name that one as 'backend'"
            )
        case errno.EACCES | errno.EPERM:
            return (
                "permission denied: run as root, give Python the capability (setcap cap_net_bind_service=+ep),"
                f" or set 'port' to one above 1023 and redirect port {port} to it"
            )
        case _:
            return (error.strerror or type(error).__name__).lower()
