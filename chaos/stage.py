"""One run's own door to the CA: what comes in, where it goes, and what happens to it on the way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from chaos.journey import Journey
from chaos.wire import Answer, Request, read_answer, read_request

LOOPBACK = "127.0.0.1"


class OnConnect(Protocol):
    """Something that happens to a connection before TLS; whoever takes the socket closes it."""

    async def __call__(self, sock: socket.socket) -> None: ...


class OnRequest(Protocol):
    """Something that happens to a request."""

    async def __call__(self, exchange: Exchange) -> None: ...


class Plan(Protocol):
    """What goes wrong in one run.

    Attributes:
        struck: how often it did; `None`: nothing has to.
    """

    @property
    def struck(self) -> int | None: ...

    def opened(self, stage: Stage, step: str) -> None:
        """Learn that the client's next request will most likely be *step*."""
        ...

    def on_connect(self) -> OnConnect | None:
        """Return what goes wrong with a new connection."""
        ...

    def on_request(self, step: str) -> OnRequest | None:
        """Return what goes wrong with a request."""
        ...


class Stage:
    """Listens on a port of its own, and does to what comes in as its plan says.

    Attributes:
        journey: what the client asked for and got.
        requests: how many came in, by step.
    """

    def __init__(
        self,
        plan: Plan,
        target: tuple[str, int],
        tls: tuple[ssl.SSLContext, ssl.SSLContext],
        directory: str,
        account: str | None,
    ) -> None:
        self.plan = plan
        self.journey = Journey(directory, account)
        self.requests: Counter[str] = Counter()
        self._target = target
        self._server_tls, self._client_tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._hung_up = 0
        self._holder = _bound(0)  # keeps the port while nobody listens
        self.port: int = self._holder.getsockname()[1]
        self._listener = self._listen()
        plan.opened(self, "directory")

    def url(self, path: str) -> str:
        """Return the URL of a path, as the client knows it."""
        return f"https://{LOOPBACK}:{self.port}{path}"

    def refuse(self, seconds: float | None) -> None:
        """Refuse connections from now on, for some seconds or for ever."""
        self._stop_listening()
        self.hang_up()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._reopen)

    def hang_up(self) -> None:
        """Close each connection, the busy ones after their answer."""
        self._hung_up += 1
        for connection in self._connections:
            connection.last = True
            if connection.idle:
                connection.close()

    async def end(self) -> None:
        """Close everything."""
        self._stop_listening()
        self._holder.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _listen(self) -> socket.socket:
        listener = _bound(self.port)
        listener.listen(128)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        return listener

    def _stop_listening(self) -> None:
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()

    def _reopen(self) -> None:
        if self._holder.fileno() >= 0:
            self._listener = self._listen()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock, _ = listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.get_running_loop().create_task(self._serve(sock, self._hung_up))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket, hung_up: int) -> None:
        happens = self.plan.on_connect()
        if happens is not None:
            with contextlib.suppress(OSError):
                await happens(sock)
            sock.close()
            return
        with contextlib.suppress(OSError, EOFError):  # a client that goes away is no error
            reader, writer = await _shake_hands(sock, self._server_tls)
            connection = Connection(self._target, self._client_tls, reader, writer)
            self._connections.add(connection)
            try:
                if hung_up == self._hung_up:  # else everything was closed while it shook hands
                    await self._talk(connection)
            finally:
                self._connections.discard(connection)
                connection.close()

    async def _talk(self, connection: Connection) -> None:
        while not connection.writer.is_closing():
            connection.idle = True
            request = await read_request(connection.reader)
            connection.idle = False
            if request is None:
                return
            step = self.journey.step(request)
            self.requests[step] += 1
            happens = self.plan.on_request(step) or pass_on
            await happens(Exchange(self, step, request, connection))


@dataclass(eq=False)
class Connection:
    """A client's connection, and the one to the CA that belongs to it.

    Attributes:
        idle: whether nothing is going on.
        last: whether the next answer is the last one.
    """

    target: tuple[str, int]
    tls: ssl.SSLContext
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle: bool = True
    last: bool = False
    _up: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    async def ask(self, request: Request) -> Answer:
        """Pass a request on, and return the CA's answer."""
        if self._up is None:
            host, port = self.target
            self._up = await asyncio.open_connection(host, port, ssl=self.tls)
        reader, writer = self._up
        writer.write(request.raw)
        return await read_answer(reader, request.method)

    def close(self) -> None:
        """Close both ends."""
        self.writer.close()
        if self._up is not None:
            self._up[1].close()


@dataclass
class Exchange:
    """One request on its way."""

    stage: Stage
    step: str
    request: Request
    connection: Connection

    async def forward(self) -> Answer:
        """Let the CA act, and return its answer."""
        answer = await self.connection.ask(self.request)
        leads_to = self.stage.journey.learn(self.step, answer)
        if leads_to is not None:
            self.stage.plan.opened(self.stage, leads_to)
        return answer.but(connection="close") if self.connection.last else answer

    async def send(self, answer: Answer) -> None:
        """Send an answer."""
        await self.write(answer.encode())
        if answer.field("connection") == "close":
            self.close()

    async def write(self, data: bytes) -> None:
        """Send some bytes."""
        self.connection.writer.write(data)
        await self.connection.writer.drain()

    def close(self) -> None:
        """End the connection properly."""
        self.connection.writer.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        linger(self.connection.writer.get_extra_info("socket"))
        self.connection.writer.transport.abort()

    async def until_gone(self) -> None:
        """Wait until the client has lost its patience."""
        while await self.connection.reader.read(1024):
            pass
        self.close()


async def pass_on(exchange: Exchange) -> None:
    """Do what a proxy does."""
    await exchange.send(await exchange.forward())


def linger(sock: socket.socket) -> None:
    """Have closing *sock* send a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LOOPBACK, port))
    sock.setblocking(False)
    return sock


async def _shake_hands(sock: socket.socket, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
