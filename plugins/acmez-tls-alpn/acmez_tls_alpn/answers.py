"""Which certificate answers which server name (RFC 8737 §3, RFC 8738 §6)."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakValueDictionary

from acmez import answer_store
from acmez.acme.challenges import tls_alpn_01
from acmez.acme.errors import AcmeError
from acmez.protocols import Challenge
from acmez.tls import server_context

from .client_hello import ClientHello

log = logging.getLogger(__name__)

_STORE_REST = 2.0  # seconds for which a store that failed is left alone


@dataclass(frozen=True, slots=True)
class Answer:
    """What the CA is shown.

    Attributes:
        context: has the certificate and speaks acme-tls/1 only.
        seen: set when a handshake for it succeeded.
    """

    context: ssl.SSLContext = field(repr=False)
    seen: threading.Event = field(default_factory=threading.Event)


#: Returns the answer for a server name, `None` if there is none.
Find: TypeAlias = Callable[[str], Answer | None]


class Answers:
    """The pending challenges of this process, by server name; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, dict[str, Answer]] = {}
        self._events: WeakValueDictionary[str, threading.Event] = WeakValueDictionary()

    def __bool__(self) -> bool:
        return bool(self._pending)

    def add(self, challenge: Challenge) -> None:
        """Answer *challenge*; of several for one name the one that was added last."""
        answer = tls_alpn_01.certificate(challenge)
        context = context_of(answer)
        with self._lock:
            pending = self._pending.setdefault(answer.sni, {})
            pending.pop(challenge.url, None)
            pending[challenge.url] = Answer(context, self._event(challenge.url))

    def remove(self, challenge: Challenge) -> None:
        """Answer *challenge* no more."""
        with self._lock:
            for name, pending in self._pending.items():
                if pending.pop(challenge.url, None) is not None:
                    if not pending:
                        del self._pending[name]
                    return

    def find(self, server_name: str) -> Answer | None:
        """Return the answer for a server name in lower case."""
        with self._lock:
            pending = self._pending.get(server_name)
            return None if not pending else next(reversed(pending.values()))

    def seen(self, challenge: Challenge) -> threading.Event:
        """Return the event that is set when the answer was shown to somebody."""
        with self._lock:
            return self._event(challenge.url)

    def _event(self, url: str) -> threading.Event:
        # Kept by the answer and by whoever asked; not by us, who cannot know when nobody waits any more.
        return self._events.setdefault(url, threading.Event())


class StoredAnswers:
    """The challenges that any process presented in a store.

    A store that fails is told in the log and left alone for two seconds, so that strangers who ask for
    acme-tls/1 cannot hold up everybody else.
    """

    def __init__(self, store: answer_store.AnswerStore) -> None:
        self._store = store
        self._rests_until = 0.0

    def find(self, server_name: str) -> Answer | None:
        """Return the answer for a server name in lower case; its certificate is made anew each time."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            challenge = answer_store.find_tls_alpn(self._store, server_name)
            return None if challenge is None else Answer(context_of(tls_alpn_01.certificate(challenge)))
        except AcmeError as error:
            self._rests_until = time.monotonic() + _STORE_REST
            log.error("%s: no answer for tls-alpn-01: %s", server_name, error)
            return None


def from_ca(hello: ClientHello) -> bool:
    """Whether only a CA asks like this: it offers acme-tls/1 and nothing else (RFC 8737 §4)."""
    return hello.protocols == (tls_alpn_01.ALPN_PROTOCOL.encode(),)


def asked_for(hello: ClientHello, find: Find) -> Answer | None:
    """Return the answer if a CA asks and there is one."""
    return find(hello.server_name) if hello.server_name is not None and from_ca(hello) else None


def context_of(answer: tls_alpn_01.TlsAlpnCertificate) -> ssl.SSLContext:
    """Return the server context that shows *answer*."""
    context = server_context(answer.certificate_pem, answer.private_key_pem)
    context.set_alpn_protocols([tls_alpn_01.ALPN_PROTOCOL])
    context.num_tickets = 0
    # Without one, OpenSSL asks the callback of the context that this one has replaced.
    context.sni_callback = _keep
    return context


def _keep(connection: ssl.SSLObject, server_name: str, context: ssl.SSLContext) -> None:
    return None
