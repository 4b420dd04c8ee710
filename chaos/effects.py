"""What can go wrong with a connection or a request."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from chaos.stage import Exchange, linger
from chaos.wire import Answer

PROBLEM = "urn:ietf:params:acme:error:"
_HTML = b"<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>\n"
_FATAL_HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
_OPTIONAL = ("link", "cache-control", "retry-after", "date", "server")

# Before TLS


async def reset_on_connect(sock: socket.socket) -> None:
    """Reset the connection at once."""
    linger(sock)


async def tls_alert(sock: socket.socket) -> None:
    """Refuse to agree on TLS."""
    await asyncio.get_running_loop().sock_recv(sock, 65536)
    sock.send(_FATAL_HANDSHAKE_FAILURE)


async def tls_closed(sock: socket.socket) -> None:
    """Close the connection in the middle of the handshake."""
    await asyncio.get_running_loop().sock_recv(sock, 65536)


async def tls_stalled(sock: socket.socket) -> None:
    """Never answer the client's hello."""
    while await asyncio.get_running_loop().sock_recv(sock, 65536):
        pass


# Before the CA has acted


async def reset_before(exchange: Exchange) -> None:
    """Reset the connection; the CA sees nothing."""
    exchange.reset()


async def closed_before(exchange: Exchange) -> None:
    """Close the connection; the CA sees nothing."""
    exchange.close()


async def stalled_before(exchange: Exchange) -> None:
    """Never answer; the CA sees nothing."""
    await exchange.until_gone()


@dataclass(frozen=True, slots=True)
class Instead:
    """Answer as a load balancer does; the CA sees nothing, unless *acted* is set."""

    answer: Callable[[], Answer]
    acted: bool = False

    async def __call__(self, exchange: Exchange) -> None:
        if self.acted:
            await exchange.forward()
        answer = self.answer()
        head_only = exchange.request.method == "HEAD"
        await exchange.send(Answer(answer.status, answer.fields, answer.body, head_only=head_only))


def page(status: int, **fields: str) -> Callable[[], Answer]:
    """Return what makes an answer with an HTML body."""
    return lambda: Answer(status, (("Content-Type", "text/html"),), _HTML).but(**fields)


def problem(status: int, kind: str, **fields: str) -> Callable[[], Answer]:
    """Return what makes a problem document."""
    body = json.dumps({"type": PROBLEM + kind, "detail": "chaos", "status": status}).encode()
    return lambda: Answer(status, (("Content-Type", "application/problem+json"),), body).but(**fields)


def busy_until(seconds: int) -> Callable[[], Answer]:
    """Return what makes a 503 with a Retry-After in the form of a date."""

    def answer() -> Answer:
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        return page(503, retry_after=format_datetime(moment, usegmt=True))()

    return answer


# After the CA has acted


async def reset_after(exchange: Exchange) -> None:
    """Reset the connection instead of answering."""
    await exchange.forward()
    exchange.reset()


async def lost(exchange: Exchange) -> None:
    """Close the connection instead of answering."""
    await exchange.forward()
    exchange.close()


async def stalled_after(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.forward()
    await exchange.until_gone()


async def truncated_head(exchange: Exchange) -> None:
    """Close the connection within the answer's fields."""
    head = (await exchange.forward()).encode_head()
    await exchange.write(head[: len(head) // 2])
    exchange.close()


async def truncated_body(exchange: Exchange) -> None:
    """Close the connection within the answer's body, or within its head where there is no body."""
    answer = await exchange.forward()
    whole = answer.encode()
    body = 0 if answer.head_only else len(answer.body)
    await exchange.write(whole[: len(whole) - max(1, body // 2)])
    exchange.close()


@dataclass(frozen=True, slots=True)
class Drip:
    """Send the answer in small pieces."""

    pieces: int
    pause: float

    async def __call__(self, exchange: Exchange) -> None:
        answer = await exchange.forward()
        data = answer.encode()
        size = max(1, len(data) // self.pieces)
        for start in range(0, len(data), size):
            await exchange.write(data[start : start + size])
            await asyncio.sleep(self.pause)


@dataclass(frozen=True, slots=True)
class Edited:
    """Change the answer."""

    edit: Callable[[Answer], Answer]

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.send(self.edit(await exchange.forward()))


def odd_content_type(answer: Answer) -> Answer:
    """Say that it is something else."""
    return answer.but(content_type="text/plain; charset=iso-8859-1")


def gzipped(answer: Answer) -> Answer:
    """Compress the body, though nobody asked for it."""
    return answer.with_body(gzip.compress(answer.body)).but(content_encoding="gzip")


def chunked(answer: Answer) -> Answer:
    """Send the body in chunks of some bytes, with extensions and a trailer."""
    if answer.head_only or answer.status == 204:
        return answer
    pieces = [answer.body[start : start + 100] for start in range(0, len(answer.body), 100)]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return answer.with_body(chunks + b"0\r\nX-Trailer: yes\r\n\r\n").but(transfer_encoding="chunked")


def padded(size: int) -> Callable[[Answer], Answer]:
    """Return what adds so many bytes of white space."""
    return lambda answer: answer.with_body(answer.body + b"\n" * size)


def many_fields(answer: Answer) -> Answer:
    """Add 60 fields of 1 kB."""
    return answer.but(**{f"x_chaos_{number}": "x" * 1000 for number in range(60)})


def huge_field(answer: Answer) -> Answer:
    """Add a field of 100 kB."""
    return answer.but(x_chaos="x" * 100_000)


def no_nonce(answer: Answer) -> Answer:
    """Take the Replay-Nonce away."""
    return answer.lacking("replay-nonce")


def bare(answer: Answer) -> Answer:
    """Take every optional field away."""
    return answer.lacking(*_OPTIONAL, "content-type")


def emptied(answer: Answer) -> Answer:
    """Take the body away."""
    return answer.with_body(b"")


def garbled(answer: Answer) -> Answer:
    """Cut the body in the middle, and say that this is all."""
    return answer.with_body(answer.body[: len(answer.body) // 2])


def invalid(answer: Answer) -> Answer:
    """Say of an authorization that it is invalid."""
    document = dict(answer.document())
    if "challenges" not in document:
        return answer
    return answer.with_body(json.dumps(document | {"status": "invalid"}).encode())
