"""A name server that answers as a test wants, also what no real one would."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

#: What to send for a query: one message after the other, or raw bytes.
Answer = Callable[[dns.message.Message], Sequence[dns.message.Message | bytes]]


def silent(_query: dns.message.Message) -> Sequence[dns.message.Message]:
    return []


def answer(
    query: dns.message.Message, *lines: str, authority: Sequence[str] = (), rcode: str = "NOERROR", aa: bool = True
) -> dns.message.Message:
    """Return an answer that holds *lines*, each "name ttl IN type data"."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA | (dns.flags.AA if aa else 0)
    response.set_rcode(dns.rcode.from_text(rcode))
    for section, records in ((response.answer, lines), (response.authority, authority)):
        for line in records:
            name, ttl, kind, data = line.split(" ", 4)[0], *line.split(" ", 4)[1:2], *line.split(" ", 4)[3:]
            section.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    return response


@dataclass
class ScriptedServer:
    """Answers over UDP and TCP.

    Attributes:
        script: what to say over UDP.
        over_tcp: what to say over TCP; like *script* by default.
        asked: the questions so far, as "name TYPE", with "/tcp" over TCP.
    """

    script: Answer
    over_tcp: Answer | None = None
    address: str = "127.0.0.1"
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self._bound(family) as (listener, datagrams):
            self.port = listener.getsockname()[1]
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            threads = [
                threading.Thread(target=self._serve_udp, args=(datagrams,)),
                threading.Thread(target=self._serve_tcp, args=(listener,)),
            ]
            for thread in threads:
                thread.start()
            try:
                yield self
            finally:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                with socket.socket(family, socket.SOCK_DGRAM) as waker:
                    waker.sendto(b"", (self.address, self.port))
                for thread in threads:
                    thread.join()

    @contextlib.contextmanager
    def _bound(self, family: int) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Yield sockets for TCP and UDP on one port; what is free for one may be taken for the other."""
        with contextlib.ExitStack() as stack:
            for left in reversed(range(1 if self.port else 20)):
                listener = stack.enter_context(socket.create_server((self.address, self.port), family=family))
                datagrams = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                try:
                    datagrams.bind(listener.getsockname()[:2])
                except OSError:
                    if not left:
                        raise
                else:
                    break
            yield listener, datagrams

    def _serve_udp(self, datagrams: socket.socket) -> None:
        while True:
            data, sender = datagrams.recvfrom(65535)
            if not data:
                return
            for wire in self._answers(data, self.script, ""):
                datagrams.sendto(wire, sender)

    def _serve_tcp(self, listener: socket.socket) -> None:
        while True:
            try:
                channel, _ = listener.accept()
            except OSError:
                return
            with channel, contextlib.suppress(OSError, struct.error):
                channel.settimeout(5)
                (length,) = struct.unpack("!H", channel.recv(2))
                for wire in self._answers(channel.recv(length), self.over_tcp or self.script, "/tcp"):
                    channel.sendall(struct.pack("!H", len(wire)) + wire)

    def _answers(self, data: bytes, script: Answer, suffix: str) -> Iterator[bytes]:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append(f"{question.name.to_text(True)} {dns.rdatatype.to_text(question.rdtype)}{suffix}")
        for each in script(query):
            yield each if isinstance(each, bytes) else each.to_wire(max_size=65535)
