"""A TCP proxy that stands for distance: it delays, keeps order, and limits nothing.

Run as a process of its own: it prints its port, and for each line on its input how many connections came
since the line before.
"""

from __future__ import annotations

import argparse
import asyncio
import selectors
import sys
from collections import deque
from typing import cast

LOOPBACK = "127.0.0.1"


class Direction:
    """One way of one connection: each chunk arrives half a round trip after it was sent."""

    def __init__(self, delay: float, opened: float) -> None:
        self.to: asyncio.Transport | None = None
        self._delay = delay
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, bytes]] = deque()

    def send(self, data: bytes) -> None:
        """Put a chunk on its way; an empty one is the end."""
        due = max(self._loop.time(), self._opened) + self._delay
        self._under_way.append((due, data))
        if len(self._under_way) == 1:
            self._loop.call_at(due, self.deliver)

    def deliver(self) -> None:
        """Hand over what has arrived, in order."""
        while self.to and self._under_way and self._under_way[0][0] <= self._loop.time():
            _, data = self._under_way.popleft()
            if data:
                self.to.write(data)
            else:
                self.to.close()
        if self.to and self._under_way:
            self._loop.call_at(self._under_way[0][0], self.deliver)


class End(asyncio.Protocol):
    """One end of a connection; what comes in here goes out at the other end."""

    def __init__(self, out: Direction, into: Direction) -> None:
        self._out = out
        self._into = into

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._into.to = cast("asyncio.Transport", transport)
        self._into.deliver()

    def data_received(self, data: bytes) -> None:
        self._out.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.send(b"")


class Proxy:
    """Listens, and counts the connections."""

    def __init__(self, target: int, rtt: float) -> None:
        self.connections = 0
        self._target = target
        self._rtt = rtt
        self._opening: set[asyncio.Task[object]] = set()

    def accept(self) -> asyncio.Protocol:
        """Make both ends of a new connection.

        The kernel shakes hands without delay, so the round trip of TCP's handshake is made up for here:
        nothing that the client sends leaves before it.
        """
        self.connections += 1
        loop = asyncio.get_running_loop()
        up, down = (Direction(self._rtt / 2, loop.time() + self._rtt) for _ in range(2))
        opening = loop.create_task(loop.create_connection(lambda: End(down, up), LOOPBACK, self._target))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        return End(up, down)


async def serve(target: int, rtt: float) -> None:
    """Run until the input ends."""
    loop = asyncio.get_running_loop()
    proxy = Proxy(target, rtt)
    server = await loop.create_server(proxy.accept, LOOPBACK, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def count() -> None:
        if sys.stdin.readline():
            print(proxy.connections, flush=True)
            proxy.connections = 0
        else:
            ended.set()

    loop.add_reader(sys.stdin, count)
    await ended.wait()
    server.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--target", type=int, required=True, help="port to forward to")
    options.add_argument("--rtt", type=float, required=True, help="round trip in seconds")
    given = options.parse_args()
    # select() takes microseconds; epoll() would round every delay up to the next millisecond.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(given.target, given.rtt))


if __name__ == "__main__":
    main()
