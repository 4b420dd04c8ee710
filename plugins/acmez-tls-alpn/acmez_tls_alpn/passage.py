"""A connection that is not the CA's, passed through to the backend byte by byte, both ways."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

#: What one `recv` may take. One buffer serves every connection: what the other side does not take at once is kept.
CHUNK = 262_144


@dataclass(slots=True)
class _Direction:
    """What goes from one socket to the other.

    Attributes:
        kept: was read from the source and not taken by the target yet; until it is, nothing more is read.
        ended: the source will send no more.
    """

    source: socket.socket
    target: socket.socket
    kept: bytes = b""
    ended: bool = False
    told: bool = field(default=False, init=False)

    def read(self, buffer: bytearray) -> None:
        try:
            count = self.source.recv_into(buffer)
        except BlockingIOError:
            return
        if count == 0:
            self.ended = True
        self._send(memoryview(buffer)[:count])

    def write(self) -> None:
        self._send(memoryview(self.kept))

    def _send(self, data: memoryview) -> None:
        sent = 0
        if data:
            try:
                sent = self.target.send(data)
            except BlockingIOError:
                sent = 0
        self.kept = bytes(data[sent:])
        if self.ended and not self.kept and not self.told:
            self.target.shutdown(socket.SHUT_WR)
            self.told = True


class Passage:
    """Both directions between a client and the backend.

    Args:
        first: what the backend gets before anything is read from the client.
        watch: is called with a socket and the events to wait for, whenever they change.
    """

    def __init__(
        self, client: socket.socket, server: socket.socket, first: bytes, watch: Callable[[socket.socket, int], None]
    ) -> None:
        self._up = _Direction(client, server, first)
        self._down = _Direction(server, client)
        self._watch = watch
        self._watched = {client: 0, server: 0}
        for end in self._watched:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        """Send what the backend gets first; raises like `proceed`."""
        self._up.write()
        self._update()

    def proceed(self, end: socket.socket, events: int, buffer: bytearray) -> bool:
        """Move what can be moved, now that *end* is ready for *events*; return whether there is more to come.

        Raises:
            OSError: one of the connections broke.
        """
        outgoing, incoming = (self._up, self._down) if end is self._up.source else (self._down, self._up)
        if events & selectors.EVENT_WRITE:
            incoming.write()
        if events & selectors.EVENT_READ:
            outgoing.read(buffer)
        if self._up.told and self._down.told:
            return False
        self._update()
        return True

    def _update(self) -> None:
        for direction, other in ((self._up, self._down), (self._down, self._up)):
            wanted = 0
            if not direction.ended and not direction.kept:
                wanted |= selectors.EVENT_READ
            if other.kept:
                wanted |= selectors.EVENT_WRITE
            if self._watched[direction.source] != wanted:
                self._watched[direction.source] = wanted
                self._watch(direction.source, wanted)
