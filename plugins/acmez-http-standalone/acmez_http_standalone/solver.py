"""The solver: the server is up while there is an answer to give."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakValueDictionary

from acmez.acme.challenges import http_01
from acmez.acme.wire import is_base64url
from acmez.protocols import CancelScope, Challenge

from .errors import StandaloneError
from .listening import listen
from .server import Answer, ChallengeServer


@dataclass
class StandaloneSolver:
    """Answers http-01 with an HTTP server of its own, which is up only while a challenge is pending.

    Attributes:
        port: to listen on; a CA asks port 80, which may be redirected. 0: any free one, see `addresses`.
        host: a name or an address of this machine; "": all its addresses, IPv4 and IPv6.

    Raises:
        ValueError: *port* is not one.
    """

    name: ClassVar[str] = "http-standalone"
    challenge_type: ClassVar[str] = "http-01"

    port: int = 80
    host: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not a port (0-65535)")
        self._lock = threading.Lock()
        self._server: ChallengeServer | None = None
        self._answers: dict[bytes, Answer] = {}
        self._events: WeakValueDictionary[bytes, threading.Event] = WeakValueDictionary()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The hosts and ports that are listened on just now."""
        with self._lock:
            return [] if self._server is None else self._server.addresses

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        """Serve the key authorization; the first one starts the server.

        Raises:
            StandaloneError: the port cannot be listened on, or the token cannot be part of a URL.
            MalformedAnswer: the CA's token or identifier cannot be used.
        """
        scope.check()
        expected = http_01.answer(challenge)
        if challenge.token is None or not is_base64url(challenge.token):
            raise StandaloneError(f"{challenge.identifier}: the token is not base64url")
        with self._lock:
            if self._server is None:
                self._server = ChallengeServer(listen(self.host, self.port), self._answers)
            target = _target(challenge)
            self._answers[target] = Answer(expected.body.encode(), self._event(target))

    def clean_up(self, challenge: Challenge, handle: object, scope: CancelScope) -> None:
        """Serve it no more; the last one stops the server, and its port is free again."""
        with self._lock:
            self._answers.pop(_target(challenge), None)
            if not self._answers and self._server is not None:
                self._server.stop()
                self._server = None

    def validated(self, challenge: Challenge) -> threading.Event:
        """Return the event that is set when somebody, most likely the CA, fetched the answer."""
        with self._lock:
            return self._event(_target(challenge))

    def _event(self, target: bytes) -> threading.Event:
        # Kept by the answer and by whoever asked; not by us, who cannot know when nobody waits any more.
        return self._events.setdefault(target, threading.Event())


def _target(challenge: Challenge) -> bytes:
    """Return the request target at which the CA looks (RFC 8555 §8.3)."""
    return f"{http_01.PATH_PREFIX}{challenge.token}".encode()
