"""The server in front: reads each ClientHello, answers the CA, and passes everybody else on.

It is open to the whole Internet, so all that a visitor can make it hold is bounded until he has said what he wants:
the bytes of his ClientHello, the time for it, and the number of such visitors, where a new one drives out the
oldest. One thread serves them all and never waits for one of them.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Self, TypeAlias

from .answers import Find, asked_for, from_ca
from .backend import Backend
from .client_hello import MAX_BYTES, HelloReader, NotClientHello
from .handshake import DECODE_ERROR, NO_APPLICATION_PROTOCOL, UNRECOGNIZED_NAME, Handshake, alert
from .listening import listen
from .passage import CHUNK, Passage

log = logging.getLogger(__name__)

_ACCEPTS_AT_ONCE = 64
_REST = 0.05  # seconds without accepting when descriptors have run out

#: Is told which socket is ready for what; returns whether there is more to wait for.
_Step: TypeAlias = Callable[[socket.socket, int], bool]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a visitor can make the server hold.

    Attributes:
        seconds: from accepting a connection to the end of the CA's handshake, or to the backend's answer.
        connections: at once that are no further than that.
    """

    seconds: float = 10.0
    connections: int = 500


@dataclass(slots=True, eq=False)
class _Visitor:
    client: socket.socket
    deadline: float
    reader: HelloReader = field(default_factory=HelloReader)
    server: socket.socket | None = None
    gone: bool = False


class Front:
    """Listens in a thread of its own, from now until `stop`.

    Args:
        find: returns the answer for a server name; is called for nothing but a CA's ClientHello.
        port: 0: any free one, see `addresses`.
        host: a name or an address of this machine; "": all its addresses, IPv4 and IPv6.
        backend: gets every other connection; `None`: they are ended with an alert.
        limits: what visitors can make the server hold.

    Raises:
        TlsAlpnError: it cannot listen there.
    """

    def __init__(
        self,
        find: Find,
        *,
        port: int = 443,
        host: str = "",
        backend: Backend | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._find = find
        self._backend = backend
        self._limits = limits or Limits()
        self._waiting: dict[_Visitor, None] = {}  # the oldest first
        self._passing: set[_Visitor] = set()
        self._buffer = bytearray(CHUNK)
        self._accepts_from: float | None = None
        self._backend_failed = False
        self._listeners = listen(host, port)
        self._stopping = threading.Event()
        self._bell, self._knob = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ, lambda *_: None)
        self._listen()
        self._thread = threading.Thread(target=self._run, name="acmez-tls-alpn", daemon=True)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for key, events in self._selector.select(self._patience()):
                    if isinstance(key.fileobj, socket.socket):
                        key.data(key.fileobj, events)
                self._drop_overdue()
        finally:
            for visitor in [*self._waiting, *self._passing]:
                self._drop(visitor)
            self._selector.close()
            for own in (*self._listeners, self._bell):
                own.close()

    # Accepting

    def _listen(self) -> None:
        self._accepts_from = None
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def _accept(self, listener: socket.socket, _events: int) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                self._make_room()
                return
            accepted.setblocking(False)
            if len(self._waiting) >= self._limits.connections:
                self._drop_oldest()
            visitor = _Visitor(accepted, time.monotonic() + self._limits.seconds)
            self._waiting[visitor] = None
            self._watch(visitor, accepted, selectors.EVENT_READ, partial(self._hello, visitor))

    def _make_room(self) -> None:
        """Drop the oldest when descriptors have run out, and accept nobody for a moment, lest it spins."""
        self._drop_oldest()
        if self._accepts_from is None:
            self._accepts_from = time.monotonic() + _REST
            for listener in self._listeners:
                self._selector.unregister(listener)

    def _patience(self) -> float | None:
        """Return the seconds until something is due."""
        oldest = next(iter(self._waiting), None)
        due = [at for at in (self._accepts_from, None if oldest is None else oldest.deadline) if at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        if self._accepts_from is not None and self._accepts_from <= now:
            self._listen()
        while (oldest := next(iter(self._waiting), None)) is not None and oldest.deadline <= now:
            self._drop(oldest)

    # One visitor

    def _watch(self, visitor: _Visitor, watched: socket.socket, events: int, step: _Step) -> None:
        """Wait for *events*, 0 for none, and then take the next step."""
        if watched in self._selector.get_map():
            self._selector.unregister(watched)
        if events:
            self._selector.register(watched, events, partial(self._take, visitor, step))

    def _take(self, visitor: _Visitor, step: _Step, watched: socket.socket, events: int) -> None:
        if visitor.gone:  # since `select` returned
            return
        try:
            if step(watched, events):
                return
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("port %s: a connection broke: %s", self.addresses[0][1], error)
        except Exception:
            log.exception("port %s: a connection ended by a mistake of ours", self.addresses[0][1])
        self._drop(visitor)

    def _hello(self, visitor: _Visitor, connection: socket.socket, _events: int) -> bool:
        data = connection.recv(MAX_BYTES)
        if not data:
            return False
        try:
            hello = visitor.reader.feed(data)
        except NotClientHello:
            return self._pass_on(visitor, DECODE_ERROR)
        if hello is None:
            return True
        answer = asked_for(hello, self._find)
        if answer is None:
            return self._pass_on(visitor, UNRECOGNIZED_NAME if from_ca(hello) else NO_APPLICATION_PROTOCOL)
        handshake = Handshake(connection, answer, bytes(visitor.reader.received))
        self._watch(visitor, connection, selectors.EVENT_READ, lambda *_: handshake.read())
        return handshake.proceed()

    def _pass_on(self, visitor: _Visitor, description: int) -> bool:
        if self._backend is None:
            visitor.client.send(alert(description))
            return False
        self._selector.unregister(visitor.client)
        return self._try_next(visitor, self._backend, self._backend.connect())

    def _try_next(self, visitor: _Visitor, backend: Backend, attempts: Iterator[socket.socket]) -> bool:
        visitor.server = next(attempts, None)
        if visitor.server is None:
            if not self._backend_failed:  # once, and not for every visitor
                log.error("backend %r: cannot be reached", backend.text)
            self._backend_failed = True
            return False

        def connected(server: socket.socket, _events: int) -> bool:
            self._selector.unregister(server)
            if server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                server.close()
                return self._try_next(visitor, backend, attempts)
            self._backend_failed = False
            self._begin_passage(visitor, server, backend)
            return True

        self._watch(visitor, visitor.server, selectors.EVENT_WRITE, connected)
        return True

    def _begin_passage(self, visitor: _Visitor, server: socket.socket, backend: Backend) -> None:
        del self._waiting[visitor]
        self._passing.add(visitor)
        first = backend.preface(visitor.client) + bytes(visitor.reader.received)

        def proceed(end: socket.socket, events: int) -> bool:
            return passage.proceed(end, events, self._buffer)

        def watch(end: socket.socket, events: int) -> None:
            self._watch(visitor, end, events, proceed)

        passage = Passage(visitor.client, server, first, watch)
        passage.start()

    def _drop_oldest(self) -> None:
        for visitor in self._waiting:
            self._drop(visitor)
            return

    def _drop(self, visitor: _Visitor) -> None:
        visitor.gone = True
        self._waiting.pop(visitor, None)
        self._passing.discard(visitor)
        for end in (visitor.client, visitor.server):
            if end is not None and end.fileno() != -1:
                if end in self._selector.get_map():
                    self._selector.unregister(end)
                end.close()
