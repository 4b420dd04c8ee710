"""One GET over one connection to one address, each wait bounded by a deadline and ended by a cancellation."""

from __future__ import annotations

import errno
import io
import os
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from acmez.acme.scope import CancelScope
from acmez.errors import AcmezError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes of a body that are read; a key authorization is much shorter.
MAX_BODY = 4096

_SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


class FetchError(AcmezError):
    """No usable answer came."""


class NoConnectionError(FetchError):
    """There is no connection, so nobody saw the request."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a host, with the port."""

    family: int
    socket_address: _SocketAddress

    def __str__(self) -> str:
        host, port = self.socket_address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask for.

    Attributes:
        tls: whether to speak TLS; the certificate is not looked at, as CAs do not (it may be the expired one).
        host: a name or an address without brackets.
        port: to connect to.
        authority: for the Host field.
        path: with the query.
    """

    tls: bool
    host: str
    port: int
    authority: str
    path: str


@dataclass(frozen=True, slots=True)
class Page:
    """What came: the status, the Location field, and the first `MAX_BODY` bytes of the body."""

    status: int
    location: str | None
    body: bytes


def resolve(target: Target, deadline: float, scope: CancelScope) -> Sequence[Address]:
    """Return the addresses of the host, in the system's order of preference.

    Raises:
        NoConnectionError: there is none.
        Cancelled: *scope* ended.
    """
    found: list[Address] = []
    failures: list[str] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            found.extend(Address(family, cast("_SocketAddress", row)) for family, _, _, _, row in rows)
        except (OSError, UnicodeError) as error:
            failures.append(_reason(error))
        finally:
            done.set()

    # `getaddrinfo` cannot be interrupted; a thread that nobody waits for can.
    threading.Thread(target=look_up, name="acmez-lookup", daemon=True).start()
    scope.wait(done, max(0.0, deadline - time.monotonic()))
    if not found:
        raise NoConnectionError(f"the name does not resolve: {' '.join(failures) or 'no answer in time'}")
    return list(dict.fromkeys(found))


def get(target: Target, address: Address, deadline: float, scope: CancelScope) -> Page:
    """Send a GET to *address* and read what comes; redirects are not followed.

    Args:
        deadline: on the monotonic clock.

    Raises:
        NoConnectionError: there is no connection to *address*.
        FetchError: there is one, and no HTTP answer came over it.
        Cancelled: *scope* ended.
    """
    from http.client import HTTPException, HTTPResponse

    with _connect(address, deadline, scope) as line:
        try:
            with scope.on_cancel(line.shut):
                line.send(target)
                # HTTPResponse wants nothing of a socket but `makefile`.
                with HTTPResponse(cast("socket.socket", line), method="GET") as response:
                    response.begin()
                    return Page(response.status, response.getheader("Location"), response.read(MAX_BODY))
        except (OSError, HTTPException) as error:
            scope.check()
            raise FetchError(_reason(error)) from error


def _connect(address: Address, deadline: float, scope: CancelScope) -> _Line:
    scope.check()
    try:
        line = _Line(address.family, deadline, scope)
        try:
            line.dial(address.socket_address)
        except BaseException:
            line.close()
            raise
    except OSError as error:
        scope.check()
        raise NoConnectionError(_reason(error)) from error
    return line


class _Line(io.RawIOBase):
    """A connection, read as a stream, whose every operation ends at the deadline."""

    def __init__(self, family: int, deadline: float, scope: CancelScope) -> None:
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._deadline = deadline
        self._scope = scope

    def dial(self, address: _SocketAddress) -> None:
        self._socket.setblocking(False)
        error = self._socket.connect_ex(address)
        if error in {errno.EINPROGRESS, errno.EWOULDBLOCK}:
            # A plain `connect` could miss a cancellation: only what is connecting already can be shut.
            with self._scope.on_cancel(self.shut), selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_WRITE)
                if not selector.select(self._remaining()):
                    raise TimeoutError
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def send(self, target: Target) -> None:
        self._socket.settimeout(self._remaining())
        if target.tls:
            self._secure(target.host)
        self._socket.sendall(
            f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: acmez http-self-check\r\n"
            "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n".encode("ascii")
        )

    def _secure(self, host: str) -> None:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        secured = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._socket = secured
        self._scope.check()  # a cancellation up to here shut the old socket, which is none any more
        secured.do_handshake()

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._socket.settimeout(self._remaining())
        return self._socket.recv_into(buffer)

    def shut(self) -> None:
        """End whatever goes on; called from another thread."""
        with suppress(OSError):
            # On the TCP level: `SSLSocket.shutdown` would take the TLS state from the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()
        super().close()

    def _remaining(self) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case OSError(strerror=str(text)):
            return text.lower()
        case ConnectionError():
            return "the connection was closed without an answer"
        case _:
            return f"not an answer in HTTP ({type(error).__name__})"
