"""The CA's connection: a TLS handshake whose first bytes were read already, without waiting for the rest."""

from __future__ import annotations

import socket
import ssl

from .answers import Answer

_CHUNK = 16_384
#: Fatal alerts (RFC 8446 §6.2), sent in a record of their own.
NO_APPLICATION_PROTOCOL, UNRECOGNIZED_NAME, DECODE_ERROR = 120, 112, 50


class Handshake:
    """Shows a challenge certificate on a non-blocking socket.

    Args:
        received: what the client sent so far.
    """

    def __init__(self, connection: socket.socket, answer: Answer, received: bytes) -> None:
        self._connection = connection
        self._answer = answer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = answer.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._incoming.write(received)

    def proceed(self) -> bool:
        """Go on with what has come; return whether there is more to wait for."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return self._flush()
        except (ssl.SSLError, ValueError):  # the alert that says why is in the queue
            self._flush()
            return False
        self._answer.seen.set()
        self._flush()
        return False

    def read(self) -> bool:
        """Take what has come and go on; return whether there is more to wait for."""
        data = self._connection.recv(_CHUNK)
        if not data:
            return False
        self._incoming.write(data)
        return self.proceed()

    def _flush(self) -> bool:
        # Certificate and all fit into the send buffer of a connection on which nothing was sent before.
        data = self._outgoing.read()
        return self._connection.send(data) == len(data) if data else True


def alert(description: int) -> bytes:
    """Return the record that ends a handshake for this reason."""
    return bytes((21, 3, 3, 0, 2, 2, description))
