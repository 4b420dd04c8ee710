"""An authoritative DNS server on the loopback, whose records and failures a test sets."""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from dataclasses import dataclass
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from acmez_testkit.zones import Zones, named

_LARGEST = 65535  # octets
_LARGEST_DATAGRAM = 1232
_SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class DnsQuery:
    """One question that the server was asked.

    Attributes:
        name: in lower case, without a trailing dot.
        type: "TXT", "SOA", ...
        transport: "udp" or "tcp".
    """

    name: str
    type: str
    transport: str


@dataclass
class _Trouble:
    what: str
    name: dns.name.Name | None
    left: int | None


class FakeDNS:
    """Answers for its zones over UDP and TCP, on one free port of 127.0.0.1, while it is open.

    Each zone has an SOA record and an NS record of `ns.<zone>`, whose address is 127.0.0.1. Aliases are followed
    within its zones; outside of them it refuses.

    Args:
        zones: the names of the zones.

    Attributes:
        queries: every question so far, in order.
        internal_errors: of the server itself; each is a bug.
    """

    def __init__(self, *zones: str) -> None:
        self.queries: list[DnsQuery] = []
        self.internal_errors: list[Exception] = []
        self._zones = Zones()
        self._troubles: list[_Trouble] = []
        self._lock = threading.Lock()
        for zone in zones:
            self.add_zone(zone)
        self._tcp, self._udp = _servers(self)
        self._threads = [threading.Thread(target=each.serve_forever, args=(0.01,)) for each in (self._tcp, self._udp)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip((self._tcp, self._udp), self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port, of UDP and of TCP."""
        host, port = self._tcp.server_address[:2]
        return str(host), int(port)

    def add_zone(self, name: str) -> None:
        """Answer for one more zone."""
        with self._lock:
            self._zones.add_zone(name)

    def add(self, name: str, record_type: str, value: str) -> None:
        """Add a record, unless it is there; *value* is as in a zone file, but for TXT the text itself.

        Raises:
            ValueError: it cannot be read, or no zone has the name.
        """
        with self._lock:
            self._zones.add(name, record_type, value)

    def remove(self, name: str, record_type: str, value: str | None = None) -> None:
        """Remove a record, or all of the type, as far as they are there."""
        with self._lock:
            self._zones.remove(name, record_type, value)

    def values(self, name: str, record_type: str = "TXT") -> list[str]:
        """Return the values of the records, as `add` takes them."""
        with self._lock:
            return self._zones.values(name, record_type)

    def fail(self, rcode: str = "SERVFAIL", *, name: str | None = None, times: int | None = 1) -> None:
        """Answer the next questions with an error.

        Args:
            rcode: "SERVFAIL", "REFUSED", ...
            name: only questions for that name.
            times: how many questions; `None`: until `recover`.
        """
        dns.rcode.from_text(rcode)
        self._trouble(rcode, name, times)

    def fall_silent(self, *, name: str | None = None, times: int | None = 1) -> None:
        """Leave the next questions without an answer; the arguments are those of `fail`."""
        self._trouble(_SILENCE, name, times)

    def recover(self) -> None:
        """Forget every failure that is still to come."""
        with self._lock:
            self._troubles.clear()

    def _trouble(self, what: str, name: str | None, times: int | None) -> None:
        with self._lock:
            self._troubles.append(_Trouble(what, None if name is None else named(name), times))

    def _respond(self, wire: bytes, transport: str) -> bytes | None:
        """Return the answer to a message, `None` if there is none."""
        try:
            return self._reply(wire, transport)
        except Exception as error:  # noqa: BLE001 - the thread has nobody else to tell
            self.internal_errors.append(error)
            return None

    def _reply(self, wire: bytes, transport: str) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
            (question,) = query.question
        except (dns.exception.DNSException, ValueError):
            return None
        name, kind = question.name.canonicalize(), dns.rdatatype.to_text(question.rdtype)
        with self._lock:
            self.queries.append(DnsQuery(name.to_text(omit_final_dot=True), kind, transport))
            trouble = self._meet(name)
            if trouble == _SILENCE:
                return None
            reply = dns.message.make_response(query)
            if trouble is None:
                self._zones.answer(reply, name, question.rdtype)
            else:
                reply.set_rcode(dns.rcode.from_text(trouble))
        datagram = 512 if query.edns < 0 else min(query.payload, _LARGEST_DATAGRAM)  # RFC 6891 §6.2.5
        return _packed(reply, _LARGEST if transport == "tcp" else datagram)

    def _meet(self, name: dns.name.Name) -> str | None:
        for trouble in self._troubles:
            if trouble.name in {None, name}:
                if trouble.left is not None:
                    trouble.left -= 1
                    if not trouble.left:
                        self._troubles.remove(trouble)
                return trouble.what
        return None


def _packed(reply: dns.message.Message, largest: int) -> bytes:
    """Return the message; without its records, and marked as truncated, if it is larger than that many octets."""
    wire = reply.to_wire(max_size=_LARGEST)
    if len(wire) > largest:
        for section in (reply.answer, reply.authority, reply.additional):
            section.clear()
        reply.flags |= dns.flags.TC
        wire = reply.to_wire(max_size=_LARGEST)
    return wire


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


def _servers(fake: FakeDNS) -> tuple[_Tcp, _Udp]:
    class OverTcp(socketserver.StreamRequestHandler):
        timeout = 10.0

        def handle(self) -> None:
            with contextlib.suppress(OSError, struct.error):
                while True:
                    (length,) = struct.unpack("!H", self.rfile.read(2))
                    answer = fake._respond(self.rfile.read(length), "tcp")
                    if answer is None:
                        return
                    self.wfile.write(struct.pack("!H", len(answer)) + answer)

    class OverUdp(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            answer = fake._respond(self.rfile.read(), "udp")
            if answer is not None:
                self.wfile.write(answer)

        def finish(self) -> None:
            if self.wfile.getvalue():  # type: ignore[attr-defined]
                super().finish()

    for _ in range(50):
        tcp = _Tcp(("127.0.0.1", 0), OverTcp)
        try:
            return tcp, _Udp(("127.0.0.1", tcp.server_address[1]), OverUdp)
        except OSError:  # the port is taken over UDP
            tcp.server_close()
    raise OSError("no port of 127.0.0.1 is free over both UDP and TCP")
