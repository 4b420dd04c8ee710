"""The solver: a responder of its own, in front of another server or not, or a directory that responders read."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from acmez import answer_store
from acmez.protocols import CancelScope, Challenge

from .answers import Answers
from .backend import Backend
from .front import Front
from .wrapping import wrap


@dataclass
class TlsAlpnSolver:
    """Answers tls-alpn-01 with a TLS server of its own (RFC 8737), which is up only while a challenge is pending.

    With *backend* it stands in front of another server: it passes every connection on but the CA's, and stays
    up from the first challenge, or from `start`, until `stop`.

    Attributes:
        port: to listen on; a CA asks port 443, which may be redirected. 0: any free one, see `addresses`.
        host: a name or an address of this machine; "": all its addresses, IPv4 and IPv6.
        backend: "host:port" of the server that gets every other connection; "": there is none.
        proxy_protocol: tell the backend each client's address by PROXY protocol, version 1.
        directory: shared with responders (`python -m acmez_tls_alpn`), which answer; nothing listens here then.

    Raises:
        ValueError: *port* is not one, or *directory* and *backend* are both given.
        TlsAlpnError: *backend* cannot be read, or is not known.
    """

    name: ClassVar[str] = "tls-alpn"
    challenge_type: ClassVar[str] = "tls-alpn-01"

    port: int = 443
    host: str = ""
    backend: str = ""
    proxy_protocol: bool = False
    directory: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not a port (0-65535)")
        if self.directory is not None and self.backend:
            raise ValueError("directory: its responders listen, so 'backend' is an option of theirs")
        self._backend = Backend.parse(self.backend, proxy_protocol=self.proxy_protocol) if self.backend else None
        self._store = None if self.directory is None else answer_store.DirectoryStore(Path(self.directory))
        self._lock = threading.Lock()
        self._answers = Answers()
        self._front: Front | None = None
        self._wrapped = False

    def __reduce__(self) -> tuple[type[TlsAlpnSolver], tuple[object, ...]]:
        """Pickle the options: another process answers for itself, or through the directory."""
        return type(self), (self.port, self.host, self.backend, self.proxy_protocol, self.directory)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The hosts and ports that are listened on just now."""
        with self._lock:
            return [] if self._front is None else self._front.addresses

    def wrap(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Let the server that uses *context*, in this process, answer; this solver does not listen any more.

        Returns:
            *context* itself, which is changed.
        """
        self._wrapped = True
        return wrap(context, self._answers.find)

    def start(self) -> None:
        """Listen from now on, until `stop`; nothing changes if it does.

        Raises:
            TlsAlpnError: the port cannot be listened on.
        """
        with self._lock:
            self._listen()

    def stop(self) -> None:
        """Close everything, what passes to the backend as well; the port is free again."""
        with self._lock:
            if self._front is not None:
                self._front.stop()
                self._front = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        """Show the certificate to whoever asks for it; the first one starts the server.

        Raises:
            TlsAlpnError: the port cannot be listened on.
            AnswerStoreError: the directory cannot be written.
            MalformedAnswer: the CA's token or identifier cannot be used.
        """
        scope.check()
        if self._store is not None:
            answer_store.publish(self._store, challenge)
            return
        with self._lock:
            self._answers.add(challenge)
            try:
                self._listen()
            except BaseException:
                self._answers.remove(challenge)
                raise

    def clean_up(self, challenge: Challenge, handle: object, scope: CancelScope) -> None:
        """Show it no more; the last one stops the server, unless it stands in front of another one."""
        if self._store is not None:
            answer_store.withdraw(self._store, challenge)
            return
        with self._lock:
            self._answers.remove(challenge)
            if self._front is not None and not self._answers and self._backend is None:
                self._front.stop()
                self._front = None

    def validated(self, challenge: Challenge) -> threading.Event:
        """Return the event that is set when somebody, most likely the CA, was shown the certificate."""
        return self._answers.seen(challenge)

    def _listen(self) -> None:
        if self._front is None and not self._wrapped:
            self._front = Front(self._answers.find, port=self.port, host=self.host, backend=self._backend)
