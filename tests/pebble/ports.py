"""Free loopback ports that stay ours until the server they are meant for listens on them."""

from __future__ import annotations

import contextlib
import socket
import sys
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


class ReservedPorts:
    """Distinct ports that are free on loopback for TCP and UDP.

    On Linux two sockets with SO_REUSEADDR may be bound to one port as long as only one of them listens. So
    the sockets are kept, bound and deaf: a server with SO_REUSEADDR (Go's and nearly every other) takes the
    port, while the kernel gives it neither to another test process nor to an outgoing connection.
    """

    def __init__(self, count: int) -> None:
        """Reserve `count` ports."""
        self._sockets: list[socket.socket] = []
        self.numbers: list[int] = []
        while len(self.numbers) < count:
            holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((LOOPBACK, 0))
            self._sockets.append(holder)
            port: int = holder.getsockname()[1]
            if _is_free_for_udp(port):
                self.numbers.append(port)
        if sys.platform != "linux":
            self.release()

    def release(self) -> None:
        """Give the ports back; those that a server listens on stay its own."""
        while self._sockets:
            self._sockets.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _is_free_for_udp(port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
