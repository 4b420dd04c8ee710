"""The HTTPS server: HTTP/1.1 with keep-alive, one thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import BinaryIO

from acmez_testkit.wire import Refusal, Request, Response

_LINE_LIMIT = 8192
_HEADER_LIMIT = 100

Handler = Callable[[Request], Response | None]
"""Answers one request; None: close the connection without an answer."""


class HttpsServer:
    """Serves `handle` over TLS on 127.0.0.1."""

    def __init__(
        self,
        handle: Handler,
        context: ssl.SSLContext,
        *,
        port: int = 0,
        body_limit: int = 50_000,
        idle: float = 60.0,
    ) -> None:
        self._handle = handle
        self._context = context
        self._body_limit = body_limit
        self._idle = idle
        self._stopping = False
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, ssl.SSLSocket] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="acmez-testkit-accept", daemon=True)

    def start(self) -> None:
        """Accept connections from now on."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads."""
        self._stopping = True
        # accept() does not notice that its socket is closed by another thread: knock on the door
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            # SSLSocket.shutdown would take the TLS object away from the thread that is reading
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in connections:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                continue
            if self._stopping:
                raw.close()
                return
            raw.settimeout(self._idle)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                connection = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            except OSError as error:  # the client is gone already
                _close_half_made(error)
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="acmez-testkit-connection", daemon=True
            )
            with self._lock:
                self._connections[thread] = connection
            thread.start()

    def _serve(self, connection: ssl.SSLSocket) -> None:
        # a client that goes away, at whatever point, is no error of the server
        with contextlib.suppress(OSError), connection:
            connection.do_handshake()
            with connection.makefile("rb") as stream:
                while not self._stopping and self._exchange(connection, stream):
                    pass
        with self._lock:
            self._connections.pop(threading.current_thread(), None)

    def _exchange(self, connection: ssl.SSLSocket, stream: BinaryIO) -> bool:
        """Serve one request; return whether the connection stays open."""
        request = self._read(connection, stream)
        response = self._handle(request) if request is not None else None
        if request is None or response is None:
            return False
        # what follows a request that could not be read cannot be understood either
        closing = request.refusal is not None or request.headers.get("connection", "").lower() == "close"
        body = b"" if request.method == "HEAD" else response.body[: response.cut]
        connection.sendall(_head(response, closing=closing) + body)
        return not closing and response.cut is None

    def _read(self, connection: ssl.SSLSocket, stream: BinaryIO) -> Request | None:
        """Return the next request, with a refusal if it cannot be read; None: the client is gone."""
        method = path = ""
        try:
            line = _line(stream)
            if not line:
                return None
            method, path, version = (*line.split(" "), "", "")[:3]
            if version != "HTTP/1.1":
                raise Refusal("malformed", f"not a request of HTTP/1.1: {line!r}")
            headers = _headers(stream)
            length = self._length(headers)
        except Refusal as refusal:
            return Request(method, path, {}, b"", refusal)
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = stream.read(length)
        return Request(method, path, headers, body) if len(body) == length else None

    def _length(self, headers: Mapping[str, str]) -> int:
        """Return how many bytes the body has."""
        if "transfer-encoding" in headers:
            raise Refusal("malformed", "send Content-Length, not Transfer-Encoding", 411)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refusal("malformed", f"bad Content-Length {length!r}")
        if len(length) > 9 or int(length) > self._body_limit:
            raise Refusal("malformed", f"request body over {self._body_limit} bytes", 413)
        return int(length)


def _line(stream: BinaryIO) -> str:
    line = stream.readline(_LINE_LIMIT + 1)
    if len(line) > _LINE_LIMIT:
        raise Refusal("malformed", "line of the request too long", 431)
    return line.decode("latin-1").rstrip("\r\n")


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_HEADER_LIMIT):
        line = _line(stream)
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon:
            raise Refusal("malformed", f"bad header line {line!r}")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise Refusal("malformed", "too many headers", 431)


def _head(response: Response, *, closing: bool) -> bytes:
    reason = HTTPStatus(response.status).phrase if response.status in set(HTTPStatus) else ""
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    if response.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(response.body)}")
    if closing:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _close_half_made(error: OSError) -> None:
    """Close what `wrap_socket` leaves behind: CPython 3.11 and 3.12 do not close it themselves."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        half_made = frame.f_locals.get("self")
        if isinstance(half_made, ssl.SSLSocket):
            half_made.close()
