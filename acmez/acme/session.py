"""One ACME server, as requests see it: signed, with a fresh nonce each, repeated where that is safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TypeVar

from .directory import Directory, Meta
from .errors import AcmeError, Cancelled, InputError, MalformedAnswer
from .gate import Gate
from .jws import SigningKey, sign
from .nonces import NoncePool, nonce_of
from .pace import Paces
from .problem import problem_error
from .retry import RetryPolicy, repeat
from .scope import CancelScope
from .transport import Response, Transport
from .wire import JSONObject, dumps

JOSE = "application/jose+json"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One try of one request, for who watches.

    Attributes:
        operation: the request in the RFC's words ("newOrder", "authorization", ...).
        method, url: the request.
        status: the HTTP status, `None` if no answer came.
        started: when, on the monotonic clock.
        seconds: how long it took, waiting for a free connection included.
        attempt: 1 for the first try.
        error: what went wrong, in words.
        opened: whether an answer came over a connection that was opened for it.
    """

    operation: str
    method: str
    url: str
    status: int | None
    started: float
    seconds: float
    attempt: int
    error: str | None = None
    opened: bool = False


Observe = Callable[[Exchange], None]

T = TypeVar("T")


class Session:
    """Sends the requests of one directory; safe for many threads."""

    def __init__(
        self,
        directory_url: str,
        transport: Transport,
        retry: RetryPolicy,
        *,
        observe: Observe | None,
        language: str,
        paces: Paces | None = None,
    ) -> None:
        self.directory_url = directory_url
        self.transport = transport
        self.nonces = NoncePool()
        self.retry = retry
        self._observe = observe
        self._paces = paces or Paces()
        self._fetching = Gate(1)
        self._fetches = 0
        self._outcome: Directory | AcmeError = AcmeError("not fetched yet")
        self._directory: Directory | None = None
        self._headers = MappingProxyType(
            {
                "User-Agent": f"{transport.user_agent} {_user_agent()}".strip(),
                "Accept-Language": language,
                "Accept-Encoding": "identity",
            }
        )

    # RFC 8555 §7.1.1

    def directory(self, scope: CancelScope | None = None, *, refresh: bool = False) -> Directory:
        """Return the directory, fetched once and again when its cache lifetime has passed.

        Threads that ask at the same time share one fetch, and its failure.
        """
        fetches = self._fetches
        directory = self._directory
        if directory is not None and directory.fresh and not refresh:
            return directory
        scope = scope or CancelScope()
        with self._fetching.hold(scope):
            if self._fetches == fetches:
                self._outcome = self._fetch(scope)
                self._fetches += 1
            if isinstance(self._outcome, AcmeError):
                raise self._outcome
            self._directory = self._outcome
            return self._outcome

    @property
    def meta(self) -> Meta | None:
        """What the directory that was fetched last says of the server; `None` before the first request."""
        return None if self._directory is None else self._directory.meta

    def _fetch(self, scope: CancelScope) -> Directory | AcmeError:
        try:
            directory = self.get_and_read(Directory.from_response, self.directory_url, "directory", scope=scope)
            # Here rather than for each nonce, where it would be tried again and again.
            self._check(directory.require("newNonce"))
            return directory
        except Cancelled:
            raise  # concerns this caller alone; the next one fetches
        except AcmeError as exc:
            return exc

    def _check(self, url: str) -> None:
        """Refuse a URL of the server's that must not, or cannot, be sent to: that is no error of the caller's."""
        if url != self.directory_url:
            try:
                self.transport.check(url)
            except InputError as exc:
                raise MalformedAnswer(f"it leads to {exc}", url=self.directory_url, acted=False) from None

    def get(self, url: str, operation: str, *, scope: CancelScope | None = None, accept: str = "*/*") -> Response:
        """GET what needs no signature: the directory, renewal information, some certificates."""
        return self.get_and_read(_whole, url, operation, scope=scope, accept=accept)

    def get_and_read(
        self,
        read: Callable[[Response], T],
        url: str,
        operation: str,
        *,
        scope: CancelScope | None = None,
        accept: str = "*/*",
    ) -> T:
        """Do as `get` and return what *read* makes of the answer; one that it cannot read is asked for again."""
        self._check(url)
        bound = scope or CancelScope()

        def attempt(number: int) -> T:
            response = self._send("GET", url, operation, number, bound, accept=accept)
            self.nonces.keep(response)
            return read(_checked(response))

        return repeat(attempt, policy=self.retry, operation=operation, scope=bound, repeatable=True)

    # RFC 8555 §6.2 - §6.5

    def post(
        self,
        url: str,
        payload: JSONObject | None,
        operation: str,
        *,
        key: SigningKey,
        key_id: str | None,
        repeatable: bool,
        accept: str = "application/json",
        scope: CancelScope | None = None,
    ) -> Response:
        """POST a signed request and return its answer, which is a 2xx.

        Args:
            payload: `None` is POST-as-GET.
            key_id: the account URL; `None` sends the public key.
            repeatable: whether a second such request does no harm if the first one was acted on.

        Raises:
            ProblemError: the server refused.
            LostAnswer: no whole answer came to a request that is not repeatable.
            MalformedAnswer: *url* is the server's, and not one to send to.
        """
        return self.post_and_read(
            _whole,
            url,
            payload,
            operation,
            key=key,
            key_id=key_id,
            repeatable=repeatable,
            accept=accept,
            scope=scope,
        )

    def post_and_read(
        self,
        read: Callable[[Response], T],
        url: str,
        payload: JSONObject | None,
        operation: str,
        *,
        key: SigningKey,
        key_id: str | None,
        repeatable: bool,
        accept: str = "application/json",
        scope: CancelScope | None = None,
    ) -> T:
        """Do as `post` and return what *read* makes of the answer; one that it cannot read counts as malformed."""
        self._check(url)
        bound = scope or CancelScope()
        if self._directory is None:
            self.directory(bound)  # here rather than for the nonce, where its tries would multiply

        spare: str | None = None

        def attempt(number: int) -> T:
            nonlocal spare
            # Every try is signed afresh: a server takes a nonce once.
            nonce = spare or self.nonces.take() or self._new_nonce(number, bound)
            spare = None
            body = dumps(sign(key, url, payload, nonce=nonce, key_id=key_id))
            response = self._send("POST", url, operation, number, bound, accept=accept, body=body)
            if response.ok:
                self.nonces.keep(response)
            else:
                spare = nonce_of(response)  # for the next try, which must use it after badNonce (RFC 8555 §6.5)
            return read(_checked(response))

        try:
            return repeat(attempt, policy=self.retry, operation=operation, scope=bound, repeatable=repeatable)
        finally:
            if spare is not None:
                self.nonces.put(spare)

    def post_as_get(
        self,
        url: str,
        operation: str,
        *,
        key: SigningKey,
        key_id: str,
        accept: str = "application/json",
        scope: CancelScope | None = None,
    ) -> Response:
        """Fetch a resource (RFC 8555 §6.3)."""
        return self.post(url, None, operation, key=key, key_id=key_id, repeatable=True, accept=accept, scope=scope)

    def warm_up(self, connections: int, scope: CancelScope) -> None:
        """Open connections and fetch a nonce over each, beside what the caller goes on with.

        Args:
            connections: how many are about to be used at once, counting those that left a nonce behind.
        """
        for _ in range(connections - len(self.nonces)):
            threading.Thread(target=self._fetch_nonce, args=(scope,), name="acmez-warm-up", daemon=True).start()

    def _fetch_nonce(self, scope: CancelScope) -> None:
        # Whoever needs a nonce fetches one; a failure here is found out, and told, there.
        with suppress(AcmeError):
            url = self.directory(scope).require("newNonce")
            self.nonces.keep(self._send("HEAD", url, "newNonce", 1, scope))

    def _new_nonce(self, attempt: int, scope: CancelScope) -> str:
        """Ask for a nonce (RFC 8555 §7.2)."""
        url = self.directory(scope).require("newNonce")
        nonce = nonce_of(_checked(self._send("HEAD", url, "newNonce", attempt, scope)))
        if nonce is None:
            raise MalformedAnswer("the answer to newNonce holds no usable Replay-Nonce", url=url, acted=False)
        return nonce

    def _send(
        self,
        method: str,
        url: str,
        operation: str,
        attempt: int,
        scope: CancelScope,
        *,
        accept: str = "*/*",
        body: bytes | None = None,
    ) -> Response:
        headers = {**self._headers, "Accept": accept}
        if body is not None:
            headers["Content-Type"] = JOSE
        self._paces.wait(operation, scope)
        started = time.monotonic()
        status: int | None = None
        error: str | None = None
        opened = False
        try:
            response = self.transport.request(method, url, headers=headers, body=body, scope=scope)
            status, opened = response.status, response.opened
            return response
        except AcmeError as exc:
            error = str(exc)
            raise
        finally:
            if self._observe is not None:
                seconds = time.monotonic() - started
                self._observe(Exchange(operation, method, url, status, started, seconds, attempt, error, opened))


def _whole(response: Response) -> Response:
    return response


def _checked(response: Response) -> Response:
    if response.ok:
        return response
    raise problem_error(response)


@cache
def _user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"acmez/{version('acmez')} requests/{version('requests')}"
    except PackageNotFoundError:
        return "acmez"
