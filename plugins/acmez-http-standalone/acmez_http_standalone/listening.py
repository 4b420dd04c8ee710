"""Where the server listens."""

from __future__ import annotations

import socket

from acmez import listening

from .errors import StandaloneError


def listen(host: str, port: int) -> list[socket.socket]:
    """Return one listening socket for each address of *host*; see `acmez.listening.listen`.

    Raises:
        StandaloneError: *host* is not known or not here, or the port cannot be had.
    """
    return listening.listen(
        host,
        port,
        error=StandaloneError,
        in_use="stop the server that listens there, answer from its files with acmez-http-webroot,"
        " or set 'port' to a free one and let that server forward to it",
    )
