"""A TLS server of this process answers the CA itself, whatever framework it uses.

Python tells nobody which protocols a client offers before it has chosen the certificate. So the connections of a
wrapped context look at the ClientHello themselves, before OpenSSL gets it, and change to the challenge's context
where a CA asks. ALPN, `sni_callback` and certificates of the wrapped context stay as they are.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from .answers import Answer, Find, asked_for
from .client_hello import MAX_BYTES, HelloReader, NotClientHello
from .errors import TlsAlpnError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def wrap(context: ssl.SSLContext, find: Find) -> ssl.SSLContext:
    """Let the servers that use *context* show what *find* returns, and return *context*.

    This works for whatever makes its connections by the context's `wrap_socket` or `wrap_bio`, and in any number
    of threads: the standard library, asyncio, uvicorn, hypercorn, gunicorn, aiohttp.
    """
    if issubclass(context.sslsocket_class, _ChallengeSocket):
        raise TlsAlpnError("wrap: the context is wrapped already")
    find_for = {"acmez_find": staticmethod(find)}
    context.sslsocket_class = type("ChallengeSocket", (_ChallengeSocket, context.sslsocket_class), find_for)
    context.sslobject_class = type("ChallengeObject", (_ChallengeObject, context.sslobject_class), find_for)
    plain: Callable[..., ssl.SSLObject] = context.wrap_bio

    def wrap_bio(
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = plain(incoming, outgoing, server_side, server_hostname, session)
        if server_side and isinstance(made, _ChallengeObject):
            made.acmez_look_at(incoming)
        return made

    context.wrap_bio = wrap_bio  # type: ignore[method-assign]
    return context


class _ChallengeObject(ssl.SSLObject):
    """What `SSLContext.wrap_bio` returns."""

    acmez_find: ClassVar[staticmethod[[str], Answer | None]]
    _acmez_incoming: ssl.MemoryBIO | None = None
    _acmez_answer: Answer | None = None

    def acmez_look_at(self, incoming: ssl.MemoryBIO) -> None:
        self._acmez_incoming, self._acmez_reader = incoming, HelloReader()

    def do_handshake(self) -> None:
        """Choose the context as soon as the ClientHello is there, and go on with the handshake."""
        if self._acmez_incoming is not None:
            self._acmez_choose(self._acmez_incoming)
        super().do_handshake()
        if self._acmez_answer is not None:
            self._acmez_answer.seen.set()

    def _acmez_choose(self, incoming: ssl.MemoryBIO) -> None:
        # OpenSSL may have taken earlier pieces, but looks at nothing before it has the whole message.
        data = incoming.read()
        incoming.write(data)
        try:
            hello = self._acmez_reader.feed(data)
        except NotClientHello:
            self._acmez_incoming = None
            return
        if hello is not None:
            self._acmez_incoming = None
            self._acmez_answer = asked_for(hello, self.acmez_find)
            if self._acmez_answer is not None:
                self.context = self._acmez_answer.context


class _ChallengeSocket(ssl.SSLSocket):
    """What `SSLContext.wrap_socket` returns."""

    acmez_find: ClassVar[staticmethod[[str], Answer | None]]
    _acmez_chosen = False
    _acmez_answer: Answer | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Wait for the ClientHello as the socket's timeout says, choose the context, and go on."""
        self._acmez_choose()
        super().do_handshake(block)
        self._acmez_finish()

    def read(self, len: int = 1024, buffer: WriteableBuffer | None = None) -> bytes:  # noqa: A002 - as in the base
        """Read; the first time this makes the handshake, where nobody else did."""
        self._acmez_choose()
        data = super().read(len, buffer)
        self._acmez_finish()
        return data

    def _acmez_finish(self) -> None:
        if self._acmez_answer is not None:
            self._acmez_answer.seen.set()

    def _acmez_choose(self) -> None:
        if self._acmez_chosen or not self.server_side:
            return
        reader = HelloReader()
        try:
            hello = None
            seen = 0
            while hello is None:
                data = self._acmez_peek(seen + 1)
                if len(data) <= seen:  # the client has gone; OpenSSL says so
                    break
                hello = reader.feed(data[seen:])
                seen = len(data)
        except NotClientHello:
            hello = None
        finally:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._acmez_chosen = True
        self._acmez_answer = None if hello is None else asked_for(hello, self.acmez_find)
        if self._acmez_answer is not None:
            self.context = self._acmez_answer.context

    def _acmez_peek(self, least: int) -> bytes:
        """Return what has come, without taking it, once there are *least* bytes or the client has gone.

        Raises:
            SSLWantReadError: the socket does not block, and they are not there yet.
        """
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
        try:
            return socket.socket.recv(self, MAX_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            raise ssl.SSLWantReadError("the ClientHello is not complete") from None
