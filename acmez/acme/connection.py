"""Connections that another thread can shut, whatever they are blocked in."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .errors import Stage


class Call:
    """One request in flight; `abort` ends it from any thread.

    It ends connecting, the TLS handshake, sending and receiving at once. Only name resolution goes on
    to its end: nothing interrupts `getaddrinfo`.

    Attributes:
        deadline: when it is overdue, on the monotonic clock.
        stage: how far it got.
        opened: whether a connection was opened for it.
        timed_out: whether connecting took too long.
        aborted: whether it was aborted.
        location: the Location of the answer, once its head is here.
    """

    def __init__(self, deadline: float, idle: float) -> None:
        self.deadline = deadline
        self.idle = idle
        self.stage = Stage.CONNECT
        self.opened = False
        self.timed_out = False
        self.aborted = False
        self.location: str | None = None
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None

    def hold(self, sock: socket.socket) -> None:
        """Have *sock* shut when the call is aborted.

        Raises:
            ConnectionAbortedError: it was aborted before.
        """
        # A handle of its own: TLS takes the socket object over while it shakes hands, and http.client
        # lets go of it early where the server wants the connection closed.
        handle = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self._lock:
            self._drop()
            self._handle = handle
            if self.aborted:
                self._drop()
                raise ConnectionAbortedError("aborted before anything was sent")

    def let_go(self) -> None:
        """Shut nothing any more: the connection is about to carry another call."""
        with self._lock:
            self._drop()

    def abort(self) -> None:
        """Shut the socket; every blocked read or write on it ends at once."""
        with self._lock:
            self.aborted = True
            if self._handle is not None:
                with contextlib.suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class _Current(threading.local):
    call: Call


# urllib3 hands nothing through to its connections, so the thread does.
_current = _Current()


@contextlib.contextmanager
def carrying(call: Call) -> Iterator[None]:
    """Let the connections that this thread uses within the `with` statement carry *call*."""
    _current.call = call
    try:
        yield
    finally:
        del _current.call
        call.let_go()


class _Connection(HTTPConnection):
    _stale_at = 0.0
    _pieces: list[bytes] | None = None

    @property
    def is_connected(self) -> bool:
        # Firewalls forget idle connections without a word; a request into one of those is a lost answer.
        return time.monotonic() < self._stale_at and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        call = _current.call
        if self.sock is None:
            self.connect()
        call.hold(self.sock)
        call.stage = Stage.SEND
        self._stale_at = time.monotonic() + call.idle
        self._pieces = []
        super().request(*args, **kwargs)
        pieces, self._pieces = self._pieces, None
        self.send(b"".join(pieces))
        call.stage = Stage.ANSWER

    def send(self, data: Any) -> None:
        """Send head and body in one piece: two would be two TLS records in two packets."""
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time that is left."""
        deadline = time.monotonic() + float(self.timeout or 0.0)
        addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        failures: dict[str, OSError] = {}
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            share = (deadline - time.monotonic()) / (len(addresses) - tried)
            try:
                return self._connected(socket.socket(family, kind, protocol), address, max(share, 0.001))
            except ConnectionAbortedError:
                raise
            except OSError as exc:
                failures[str(address[0])] = exc
        _current.call.timed_out = any(isinstance(failure, TimeoutError) for failure in failures.values())
        raise ConnectionError(_told(self._dns_host, self.port, failures))

    def _connected(self, sock: socket.socket, address: Any, timeout: float) -> socket.socket:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            _current.call.hold(sock)
            sock.connect(address)
            _current.call.opened = True
        except BaseException:
            sock.close()
            raise
        return sock


def _told(host: str, port: int | None, failures: dict[str, OSError]) -> str:
    reasons = {address: exc.strerror or str(exc) or type(exc).__name__ for address, exc in failures.items()}
    if len(set(reasons.values())) == 1:
        return f"cannot connect to {host} port {port}: {next(iter(reasons.values()))}"
    told = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
    return f"cannot connect to {host} port {port}: {told or 'no address'}"


class PlainConnection(_Connection):
    """For http:// and for the way to a proxy."""


class TLSConnection(_Connection, HTTPSConnection):
    """For https://."""

    def connect(self) -> None:
        try:
            super().connect()
        except OSError as exc:
            _close_half_made(exc)
            raise


def _close_half_made(error: OSError) -> None:
    """Close what `wrap_socket` leaves behind when the server is gone already: CPython 3.11 and 3.12 do not."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        half_made = frame.f_locals.get("self")
        if isinstance(half_made, ssl.SSLSocket):
            half_made.close()


class _Pool(HTTPConnectionPool):
    def _put_conn(self, conn: Any) -> None:
        # From here on another thread may use the connection: a late abort must not hit it.
        _current.call.let_go()
        super()._put_conn(conn)


class PlainPool(_Pool):
    """Plain connections to one host."""

    ConnectionCls = PlainConnection


class TLSPool(_Pool, HTTPSConnectionPool):
    """TLS connections to one host."""

    ConnectionCls = TLSConnection
