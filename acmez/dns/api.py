"""A DNS provider's HTTP API, as most of them are: JSON, a token in the head, and limits on how often one asks."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from acmez.acme.errors import LostAnswer, Stage, TransportError
from acmez.acme.retry import DefaultRetry, Failure, FailureKind, RetryPolicy
from acmez.acme.scope import CancelScope
from acmez.acme.wire import JSON, printable

from .errors import DnsError

if TYPE_CHECKING:
    import ssl

    from acmez.acme.transport import Response, Transport
    from acmez.acme.trust import Trust

_LARGEST = 64 * 1024 * 1024  # some servers know no other way to read a record than to send the whole zone
_HARMLESS = {FailureKind.CONNECT, FailureKind.RATE_LIMITED}  # the provider has not acted
_READING = {"GET", "HEAD"}


#: Makes calls again that failed in a way that may pass; less often than a CA's, for another solver may do.
RETRY: RetryPolicy = DefaultRetry(attempts=4, first_delay=1.0, max_delay=30.0)


class ApiError(DnsError):
    """The provider refused; the message starts with its host.

    Attributes:
        status: of HTTP; 0: there was no answer.
        answer: what came with it, as JSON; `None` if it was none.
        kind: how it failed, if that may pass; `None`: it will not.
        retry_after: seconds that the provider asks to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        answer: JSON = None,
        kind: FailureKind | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.answer = answer
        self.kind = kind
        self.retry_after = retry_after


class Api:
    """Where a provider's API is, and what every request carries.

    Args:
        url: what all paths are below.
        headers: of every request; credentials among them are neither logged nor shown.
        trust: what vouches for the server: a PEM file, say; `None`: the system's trust store.
        timeout: seconds for each request.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        trust: Trust = None,
        timeout: float = 30.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"accept": "application/json", "user-agent": "acmez", **headers}
        self._trust = trust
        self._timeout = timeout

    @contextmanager
    def connected(self, scope: CancelScope) -> Iterator[Calls]:
        """Yield what makes calls, over connections that end with the `with` statement.

        A `DnsError` that leaves it says `untouched` if no call in it can have changed anything: make all calls of one
        `present` in one.
        """
        from acmez.acme.transport import Timeouts, Transport

        timeouts = Timeouts(connect=min(10.0, self._timeout), read=self._timeout, total=self._timeout)
        with Transport(trust=self._context, timeouts=timeouts, max_body=_LARGEST, allow_http=True) as transport:
            calls = Calls(self.url, self._headers, transport, scope)
            try:
                yield calls
            except DnsError as error:
                error.untouched = not calls.changed
                raise

    @cached_property
    def _context(self) -> ssl.SSLContext:
        from acmez.acme.trust import ssl_context

        return ssl_context(self._trust)


class Calls:
    """Calls of an API, by threads that share connections."""

    def __init__(self, url: str, headers: Mapping[str, str], transport: Transport, scope: CancelScope) -> None:
        self._url = url
        self._headers = headers
        self._transport = transport
        self._scope = scope
        self._lock = threading.Lock()
        self._changes = 0

    @property
    def changed(self) -> bool:
        """Whether a call may have changed something: not one that reads, that did not arrive, or was refused."""
        return self._changes > 0

    def __call__(
        self,
        method: str,
        path: str,
        body: JSON = None,
        *,
        accept: Collection[int] = range(200, 300),
        patient: bool = True,
        repeatable: bool | None = None,
    ) -> tuple[int, JSON]:
        """Make a call, and again as often as the retry policy allows; return HTTP status and JSON of the answer.

        Args:
            accept: the statuses that are no error.
            patient: whether to make it again at all; what rests on an earlier answer is soon of no use.
            repeatable: whether to make it again although the provider may have acted on it; by default, unless it is a
                POST.

        Raises:
            ApiError: the answer has another status or is no JSON, or there is none.
            Cancelled: the scope ended.
        """
        repeatable = method != "POST" if repeatable is None else repeatable
        failed: Counter[FailureKind] = Counter()
        began = time.monotonic()
        while True:
            try:
                return self._once(method, path, body, accept)
            except ApiError as error:
                again = repeatable or error.kind in _HARMLESS
                if error.kind is None or not patient or not again:
                    raise
                failed[error.kind] += 1
                failure = Failure(
                    kind=error.kind,
                    operation=f"{method} {path.partition('?')[0]}",
                    attempt=failed.total(),
                    alike=failed[error.kind],
                    elapsed=time.monotonic() - began,
                    remaining=self._scope.remaining(),
                    retry_after=error.retry_after,
                    error=error,
                )
                delay = RETRY.next_delay(failure)
                if delay is None:
                    raise
            self._scope.sleep(delay)

    def _once(self, method: str, path: str, body: JSON, accept: Collection[int]) -> tuple[int, JSON]:
        changes = 0 if method in _READING else 1
        self._count(changes)
        try:
            response = self._send(method, path, body)
        except TransportError as error:
            if error.stage is not Stage.ANSWER:
                self._count(-changes)
            raise ApiError(f"{self._url}: {_reason(error)}", kind=_kind_of_silence(error)) from error
        if 400 <= response.status < 500:
            self._count(-changes)
        return self._read(response, accept)

    def _count(self, changes: int) -> None:
        with self._lock:
            self._changes += changes

    def _send(self, method: str, path: str, body: JSON) -> Response:
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = json.dumps(body).encode()
        return self._transport.request(method, self._url + path, headers=headers, body=data, scope=self._scope)

    def _read(self, response: Response, accept: Collection[int]) -> tuple[int, JSON]:
        answer: JSON = None
        readable = True
        try:
            answer = json.loads(response.body) if response.body.strip() else None
        except (ValueError, RecursionError):
            readable = False
        if response.status not in accept:
            told = printable(response.body[:300].decode("utf-8", "replace"))
            raise ApiError(
                f"{self._url}: HTTP status {response.status}: {told or 'no reason given'}",
                status=response.status,
                answer=answer,
                kind=_kind(response.status),
                retry_after=response.retry_after,
            )
        if not readable:
            raise ApiError(f"{self._url}: the answer is not JSON", status=response.status)
        return response.status, answer


def _kind_of_silence(error: TransportError) -> FailureKind:
    if error.stage is not Stage.ANSWER:
        return FailureKind.CONNECT
    return FailureKind.TIMEOUT if error.timed_out else FailureKind.LOST_ANSWER


def _kind(status: int) -> FailureKind | None:
    if status in {429, 503}:
        return FailureKind.RATE_LIMITED
    return FailureKind.SERVER_ERROR if status >= 500 and status != 501 else None


def _reason(error: TransportError) -> str:
    """Say what happened, without the URL, which may be long."""
    lost = "the request was sent, and no answer came" if isinstance(error, LostAnswer) else "no answer"
    return f"{lost} ({str(error).partition(': ')[2] or error})"
