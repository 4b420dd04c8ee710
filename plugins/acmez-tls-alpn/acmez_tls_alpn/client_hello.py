"""Reads what a TLS client asks for, before anybody answers: server name and protocols (RFC 8446 §4.1.2).

The bytes come from strangers. Whatever they are, the work is linear in their number, which is bounded, and the
outcome is a `ClientHello`, the wish for more, or `NotClientHello`.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes after which no ClientHello is expected to end: one with post-quantum keys has 2 KiB.
MAX_BYTES = 16_384

_HANDSHAKE = 22  # the record type, RFC 8446 §5.1
_CLIENT_HELLO = 1  # the handshake type, RFC 8446 §4
_MAX_RECORD = 1 << 14
_RANDOM_BYTES = 32
_SERVER_NAME, _ALPN = 0, 16  # extensions, RFC 6066 §3, RFC 7301 §3.1
_HOST_NAME = 0


class NotClientHello(ValueError):
    """The bytes do not begin a TLS connection, or are more than `MAX_BYTES`."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client asks for.

    Attributes:
        server_name: in lower case; `None`: it named none, or none in ASCII.
        protocols: which it offers by ALPN, best first.
    """

    server_name: str | None
    protocols: tuple[bytes, ...]


class HelloReader:
    """Takes the beginning of a connection in whatever pieces it comes.

    Attributes:
        received: every byte so far, for whoever takes the connection over.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self._message = bytearray()  # the handshake message, which may come in several records
        self._next_record = 0

    def feed(self, data: bytes) -> ClientHello | None:
        """Take more bytes; return the ClientHello once it is complete.

        Raises:
            NotClientHello: it never will be.
        """
        self.received += data
        while len(header := self.received[self._next_record : self._next_record + 5]) == 5:
            end = self._next_record + 5 + _record_length(header)
            if len(self.received) < end:
                break
            self._message += self.received[self._next_record + 5 : end]
            self._next_record = end
            if self._complete():
                return _parse(bytes(self._message[4:]))
        if header and header[0] != _HANDSHAKE:
            raise NotClientHello("no TLS handshake")
        if len(self.received) >= MAX_BYTES:
            raise NotClientHello(f"no end within {MAX_BYTES} bytes")
        return None

    def _complete(self) -> bool:
        if self._message[0] != _CLIENT_HELLO:
            raise NotClientHello("another handshake message")
        if len(self._message) < 4:
            return False
        missing = int.from_bytes(self._message[1:4], "big") + 4 - len(self._message)
        if missing < 0:
            raise NotClientHello("more than one handshake message")
        return missing == 0


def _record_length(header: bytes | bytearray) -> int:
    length = int.from_bytes(header[3:5], "big")
    if header[0] != _HANDSHAKE or header[1] != 3 or not 0 < length <= _MAX_RECORD:
        raise NotClientHello("no TLS handshake record")
    return length


class _Cursor:
    """Takes apart the presentation language of RFC 8446 §3."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise NotClientHello("a length that leads beyond the end")
        self._position += count
        return self._data[self._position - count : self._position]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Return a vector whose length stands in *size* bytes before it."""
        return self.take(self.number(size))


def _parse(body: bytes) -> ClientHello:
    cursor = _Cursor(body)
    cursor.take(2 + _RANDOM_BYTES)
    cursor.vector(1)  # session id
    cursor.vector(2)  # cipher suites
    cursor.vector(1)  # compression methods
    extensions = _extensions(cursor.vector(2)) if cursor.left else {}
    if cursor.left:
        raise NotClientHello("something after the extensions")
    return ClientHello(_server_name(extensions.get(_SERVER_NAME)), _protocols(extensions.get(_ALPN)))


def _extensions(data: bytes) -> dict[int, bytes]:
    cursor, found = _Cursor(data), dict[int, bytes]()
    while cursor.left:
        number = cursor.number(2)
        if number in found:
            raise NotClientHello("the same extension twice")
        found[number] = cursor.vector(2)
    return found


def _server_name(data: bytes | None) -> str | None:
    if data is None:
        return None
    names = _Cursor(_only_vector(data))
    kind, name = names.number(1), names.vector(2)
    if names.left or kind != _HOST_NAME:
        raise NotClientHello("not exactly one host name")
    return name.decode("ascii").lower() if name.isascii() else None


def _protocols(data: bytes | None) -> tuple[bytes, ...]:
    if data is None:
        return ()
    cursor, found = _Cursor(_only_vector(data)), list[bytes]()
    while cursor.left:
        found.append(cursor.vector(1))
    return tuple(found)


def _only_vector(data: bytes) -> bytes:
    cursor = _Cursor(data)
    inner = cursor.vector(2)
    if cursor.left:
        raise NotClientHello("something after the list of an extension")
    return inner
