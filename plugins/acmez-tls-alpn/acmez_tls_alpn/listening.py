"""Where the responder listens."""

from __future__ import annotations

import socket

from acmez import listening

from .errors import TlsAlpnError


def listen(host: str, port: int) -> list[socket.socket]:
    """Return one listening socket for each address of *host*; see `acmez.listening.listen`.

    Raises:
        TlsAlpnError: *host* is not known or not here, or the port cannot be had.
    """
    return listening.listen(
        host,
        port,
        error=TlsAlpnError,
        in_use="let the server that listens there forward 'acme-tls/1' to another 'port',"
        " or move it to another port and name that one as 'backend'",
    )
