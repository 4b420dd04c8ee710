"""An HTTP server that knows challenge answers and nothing else (RFC 8555 §8.3).

It is open to the whole Internet, so all that a visitor can make it hold is bounded: the size of a request, the
life of a connection, and their number, where a new connection drives out the oldest. One thread serves them all;
request and answer are so small that it never waits for one of them.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_ACCEPTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What a visitor can make the server hold.

    Attributes:
        request: bytes up to the end of the request's fields.
        seconds: from accepting a connection to closing it.
        connections: at once.
    """

    request: int = 8192
    seconds: float = 10.0
    connections: int = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What is served at one path.

    Attributes:
        body: the key authorization.
        fetched: set when somebody got it.
    """

    body: bytes
    fetched: threading.Event

    def response(self, method: bytes) -> bytes:
        fields = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(self.body)
        )
        return fields if method == b"HEAD" else fields + self.body


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    deadline: float
    received: bytes = b""


class ChallengeServer:
    """Serves *answers* in a thread of its own, from now until `stop`.

    Args:
        listeners: non-blocking; they are closed with the server.
        answers: request target -> answer; may change while the server runs.
        limits: what visitors can make the server hold.
    """

    def __init__(
        self, listeners: Sequence[socket.socket], answers: Mapping[bytes, Answer], limits: Limits | None = None
    ) -> None:
        self._listeners = listeners
        self._answers = answers
        self._limits = limits or Limits()
        self._connections: dict[_Connection, None] = {}  # the oldest first
        self._stopping = threading.Event()
        self._bell, self._knob = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        for listener in listeners:
            self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="acmez-http-standalone", daemon=True)
        self._thread.start()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The host and port of each listener."""
        return [listener.getsockname()[:2] for listener in self._listeners]

    def stop(self) -> None:
        """Close everything and return when the ports are free and the thread has ended."""
        self._stopping.set()
        self._knob.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for key, _ in self._selector.select(self._patience()):
                    if isinstance(key.data, _Connection):
                        self._read(key.data)
                    elif isinstance(key.fileobj, socket.socket) and key.fileobj is not self._bell:
                        self._accept(key.fileobj)
                self._drop_overdue()
        finally:
            for connection in [*self._connections]:
                self._drop(connection)
            self._selector.close()
            for own in (*self._listeners, self._bell):
                own.close()

    def _patience(self) -> float | None:
        """Return the seconds until the oldest connection is overdue."""
        oldest = next(iter(self._connections), None)
        return None if oldest is None else max(0.0, oldest.deadline - time.monotonic())

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:  # out of descriptors or memory: make room, and do not spin
                self._drop_oldest()
                self._stopping.wait(0.01)
                return
            accepted.setblocking(False)
            connection = _Connection(accepted, time.monotonic() + self._limits.seconds)
            if len(self._connections) >= self._limits.connections:
                self._drop_oldest()
            self._connections[connection] = None
            self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _read(self, connection: _Connection) -> None:
        if connection not in self._connections:  # driven out since `select` returned
            return
        try:
            received = connection.socket.recv(self._limits.request)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        connection.received += received
        if b"\r\n\r\n" in connection.received:
            self._answer(connection)
        elif not received or len(connection.received) >= self._limits.request:
            self._drop(connection)

    def _answer(self, connection: _Connection) -> None:
        method, target = _request_line(connection.received)
        answer = self._answers.get(target) if method in {b"GET", b"HEAD"} else None
        try:
            # It fits into the send buffer of a connection on which nothing was sent before.
            connection.socket.send(_NOT_FOUND if answer is None else answer.response(method))
        except OSError:
            answer = None
        self._drop(connection)
        if answer is not None and method == b"GET":
            answer.fetched.set()

    def _drop_overdue(self) -> None:
        while self._connections and self._patience() == 0.0:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        for connection in self._connections:
            self._drop(connection)
            return

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection]
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _request_line(received: bytes) -> tuple[bytes, bytes]:
    """Return method and target; empty ones for what is not a request of HTTP/1."""
    match received.partition(b"\r\n")[0].split(b" "):
        case [method, target, version] if version.startswith(b"HTTP/1."):
            return method, target
    return b"", b""
