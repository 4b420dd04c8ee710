"""DNS queries over HTTPS (RFC 8484), for networks that block port 53."""

from __future__ import annotations

import asyncio
import io
import ssl
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import dns.message

from .errors import DnsError, NoAnswerError
from .exchange import read
from .hosts import addresses_of
from .servers import HttpsServer

if TYPE_CHECKING:
    import socket

_PATIENCE = 10.0
_LONGEST = 70_000  # octets: the longest DNS message, and the head in front of it
_MEDIA_TYPE = "application/dns-message"


async def ask(server: HttpsServer, message: dns.message.Message) -> dns.message.Message:
    """Send *message* and return the answer.

    Raises:
        NoAnswerError: there is no connection, or nothing came in time.
        DnsError: what came is no answer.
    """
    message.id = 0  # RFC 8484 §4.1: the same question is the same request
    try:
        async with asyncio.timeout(_PATIENCE):
            raw = await _post(server, message.to_wire())
    except TimeoutError:
        raise NoAnswerError("no answer") from None
    except OSError as error:
        raise NoAnswerError(f"no answer: {error.strerror or error}") from error
    return read(_body(raw), message)


async def _post(server: HttpsServer, body: bytes) -> bytes:
    parts = urlsplit(server.url)
    host, port = parts.hostname or "", parts.port or 443
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = parts.netloc.rpartition("@")[2]
    reader, writer = await _connect(host, port)
    try:
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: acmez\r\nAccept: {_MEDIA_TYPE}\r\n"
            f"Content-Type: {_MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii")
            + body
        )
        return await _read_all(reader)
    finally:
        writer.transport.abort()


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    failure = OSError("no address")
    for address in await addresses_of(host, port):
        try:
            return await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
        except OSError as error:
            failure = error
    raise failure


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    raw = b""
    while len(raw) < _LONGEST and (piece := await reader.read(_LONGEST - len(raw))):
        raw += piece
    return raw


class _Line:
    """As much of a socket as HTTPResponse wants."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _body(raw: bytes) -> bytes:
    try:
        with HTTPResponse(cast("socket.socket", _Line(raw)), method="POST") as response:
            response.begin()
            status, media_type, body = response.status, response.headers.get_content_type(), response.read()
    except HTTPException as error:
        raise DnsError("no HTTP answer") from error
    if status != 200:
        raise DnsError(f"HTTP status {status}")
    if media_type != _MEDIA_TYPE:
        raise DnsError(f"the answer is {media_type!r:.80}, not {_MEDIA_TYPE!r}")
    return body
