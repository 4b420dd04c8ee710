"""A DNS provider's HTTP API, as most of them are: JSON, a token in the head, and limits on how often one asks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from acmez.acme.errors import ConnectError, LostAnswer, TransportError
from acmez.acme.scope import CancelScope
from acmez.acme.wire import JSON, printable

from .errors import DnsError

if TYPE_CHECKING:
    import ssl

    from acmez.acme.transport import Response, Transport
    from acmez.acme.trust import Trust

_ATTEMPTS = 4
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
BUSY = frozenset({429, 502, 503, 504})
_LARGEST = 64 * 1024 * 1024  # some servers know no other way to read a record than to send the whole zone


class ApiError(DnsError):
    """The provider refused; the message starts with its host.

    Attributes:
        status: of HTTP; 0: there was no answer.
        answer: what came with it, as JSON; `None` if it was none.
    """

    def __init__(self, message: str, *, status: int = 0, answer: JSON = None) -> None:
        super().__init__(message)
        self.status = status
        self.answer = answer


class Api:
    """Where a provider's API is, and what every request carries.

    Args:
        url: what all paths are below.
        headers: of every request; credentials among them are neither logged nor shown.
        trust: what vouches for the server: a PEM file, say; `None`: the system's trust store.
        timeout: seconds for each request.
        busy: the HTTP statuses after which a call is made again.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        trust: Trust = None,
        timeout: float = 30.0,
        busy: Collection[int] = BUSY,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"accept": "application/json", "user-agent": "acmez", **headers}
        self._trust = trust
        self._timeout = timeout
        self._busy = busy

    @contextmanager
    def connected(self, scope: CancelScope) -> Iterator[Calls]:
        """Yield what makes calls, over connections that end with the `with` statement."""
        from acmez.acme.transport import Timeouts, Transport

        timeouts = Timeouts(connect=min(10.0, self._timeout), read=self._timeout, total=self._timeout)
        with Transport(trust=self._context, timeouts=timeouts, max_body=_LARGEST, allow_http=True) as transport:
            yield Calls(self.url, self._headers, transport, scope, self._busy)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        from acmez.acme.trust import ssl_context

        return ssl_context(self._trust)


class Calls:
    """Calls of an API, by threads that share connections."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        transport: Transport,
        scope: CancelScope,
        busy: Collection[int] = BUSY,
    ) -> None:
        self._url = url
        self._headers = headers
        self._transport = transport
        self._scope = scope
        self._busy = busy

    def __call__(
        self,
        method: str,
        path: str,
        body: JSON = None,
        *,
        accept: Collection[int] = range(200, 300),
        patient: bool = True,
    ) -> tuple[int, JSON]:
        """Make a call, and again if the server is busy; return the HTTP status and the JSON of the answer.

        Args:
            accept: the statuses that are no error.
            patient: whether to make it again at all; what rests on an earlier answer is soon of no use.

        Raises:
            ApiError: the answer has another status or is no JSON, or there is none.
            Cancelled: the scope ended.
        """
        attempts = _ATTEMPTS if patient else 1
        for attempt in range(attempts):
            last = attempt == attempts - 1
            pause = _FIRST_PAUSE * 2**attempt
            try:
                response = self._send(method, path, body)
            except ConnectError as error:
                if last:
                    raise ApiError(f"{self._url}: {_reason(error)}") from error
            except TransportError as error:
                raise ApiError(f"{self._url}: {_reason(error)}") from error
            else:
                if last or response.status not in self._busy:
                    return self._read(response, accept)
                pause = min(response.retry_after or pause, _LONGEST_PAUSE)
            self._scope.sleep(pause)
        raise AssertionError("unreachable")

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
            )
        if not readable:
            raise ApiError(f"{self._url}: the answer is not JSON", status=response.status)
        return response.status, answer


def _reason(error: TransportError) -> str:
    """Say what happened, without the URL, which may be long."""
    lost = "the request was sent, and no answer came" if isinstance(error, LostAnswer) else "no answer"
    return f"{lost} ({str(error).partition(': ')[2] or error})"
