"""One question to one name server: UDP, TCP when the answer does not fit (RFC 7766), or HTTPS.

Whatever arrives is untrusted. What is not the answer to the question is ignored, so that a forged datagram
cannot keep the real one from being heard.
"""

from __future__ import annotations

import asyncio
import errno
import struct
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig

from .errors import DnsError, NoAnswerError, SignatureError, UnreachableError
from .servers import Asked, HttpsServer, Server

_PAYLOAD = 1232  # octets that get through without fragments, as all implementations agreed on in 2020
_UDP_PATIENCE = 2.5
_TCP_PATIENCE = 5.0
_FIRST_DATAGRAM = 0.3  # of the patience, before it is sent once more
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENETDOWN}
_REFUSALS: dict[type[Exception], str] = {
    dns.tsig.PeerBadKey: "BADKEY",
    dns.tsig.PeerBadSignature: "BADSIG",
    dns.tsig.PeerBadTime: "BADTIME",
    dns.tsig.PeerBadTruncation: "BADTRUNC",
}
_WRONG = (dns.tsig.BadSignature, dns.tsig.BadTime, dns.tsig.BadKey, dns.tsig.BadAlgorithm, dns.message.UnknownTSIGKey)


def question(
    name: dns.name.Name, kind: dns.rdatatype.RdataType, *, recursive: bool, validated: bool = True
) -> dns.message.QueryMessage:
    """Return a query with a random id, for a resolver (which may validate its answer) or an authoritative server."""
    message = dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD)
    if not recursive:
        message.flags &= ~dns.flags.RD
    if not validated:
        message.flags |= dns.flags.CD
    return message


async def ask(
    server: Asked, message: dns.message.Message, *, tcp: bool = False, patience: float | None = None
) -> dns.message.Message:
    """Send *message* and return the answer, whatever it says.

    Args:
        tcp: do not try UDP.
        patience: seconds for an answer, over UDP and over TCP each.

    Raises:
        NoAnswerError: nothing came in time.
        SignatureError: *message* is signed, and the signature of the answer is missing or wrong.
        DnsError: what came is no answer.
    """
    if isinstance(server, HttpsServer):
        from .https import ask as ask_https

        return await ask_https(server, message)
    wire = message.to_wire()
    if not tcp and len(wire) <= _PAYLOAD:
        answer = await _by_udp(server, message, wire, patience or _UDP_PATIENCE)
        if not answer.flags & dns.flags.TC:
            return answer
    try:
        async with asyncio.timeout(patience or _TCP_PATIENCE):
            return await _by_tcp(server, message, wire)
    except TimeoutError:
        raise NoAnswerError("no answer over TCP") from None


def read(data: bytes, message: dns.message.Message) -> dns.message.Message:
    """Read the answer to *message*.

    Raises:
        SignatureError: *message* is signed, and the signature of the answer is missing or wrong.
        DnsError: it is none.
    """
    if len(data) < 12 or data[:2] != struct.pack("!H", message.id):
        raise DnsError("an answer to something else")
    try:
        answer = dns.message.from_wire(data, keyring=message.keyring, request_mac=message.mac, ignore_trailing=True)
    except tuple(_REFUSALS) as error:
        code = _REFUSALS[type(error)]
        raise SignatureError(f"the server refuses the signature: {code}", code=code) from error
    except _WRONG as error:
        raise SignatureError(f"the answer's signature is wrong: {error}", code="WRONG") from error
    except dns.exception.FormError as error:
        if message.mac and _is_error(data):  # dnspython refuses what is not signed before one sees what it is
            raise _unsigned(data) from error
        raise DnsError("a malformed answer") from error
    except (dns.exception.DNSException, ValueError) as error:
        raise DnsError("a malformed answer") from error
    if message.mac and not answer.had_tsig:
        raise _unsigned(data)
    if not message.is_response(answer):
        raise DnsError("an answer to something else")
    return answer


def _is_error(data: bytes) -> bool:
    return bool(data[3] & 0x0F)


def _unsigned(data: bytes) -> SignatureError:
    rcode = dns.rcode.to_text(dns.rcode.Rcode(data[3] & 0x0F))
    return SignatureError(f"the answer is not signed: {rcode}", code="UNSIGNED", rcode=rcode)


class _Datagrams(asyncio.DatagramProtocol):
    """Hears datagrams until one is the answer."""

    def __init__(self, message: dns.message.Message) -> None:
        self._message = message
        self.answer: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.answer.done():
            return
        try:
            self.answer.set_result(read(data, self._message))
        except SignatureError as error:
            self.answer.set_exception(error)
        except DnsError:
            pass  # forged, or late: the real one may still come

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(_silence(exc))


async def _by_udp(server: Server, message: dns.message.Message, wire: bytes, patience: float) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    try:
        # A connected socket hears nobody but the server, and hears that nothing listens there.
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Datagrams(message), remote_addr=(server.address, server.port)
        )
    except OSError as error:
        raise _silence(error) from error
    try:
        for share in (_FIRST_DATAGRAM, 1 - _FIRST_DATAGRAM):
            transport.sendto(wire)
            heard, _ = await asyncio.wait({protocol.answer}, timeout=patience * share)
            if heard:
                return protocol.answer.result()
    finally:
        transport.abort()
        protocol.answer.cancel()
    raise NoAnswerError("no answer")


async def _by_tcp(server: Server, message: dns.message.Message, wire: bytes) -> dns.message.Message:
    try:
        reader, writer = await asyncio.open_connection(server.address, server.port)
    except OSError as error:
        raise _silence(error) from error
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return read(await reader.readexactly(length), message)
    except asyncio.IncompleteReadError as error:
        raise NoAnswerError("the server hung up") from error
    except OSError as error:
        raise _silence(error) from error
    finally:
        writer.transport.abort()


def _silence(error: Exception) -> NoAnswerError:
    number = error.errno if isinstance(error, OSError) else None
    if number in _NO_WAY:
        return UnreachableError("this machine has no way to it")
    if number == errno.ECONNREFUSED:
        return NoAnswerError("nothing listens there")
    return NoAnswerError(f"no answer: {error}")
