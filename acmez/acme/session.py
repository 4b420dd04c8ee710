"""One ACME server, as requests see it: signed, with a fresh nonce each, repeated where that is safe."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .directory import Directory
from .errors import AcmeError, ConnectError, LostAnswer, MalformedAnswer
from .jws import SigningKey, sign
from .nonces import NoncePool, nonce_of
from .problem import EXCEPTIONS, ErrorType, Problem, ProblemError, printable
from .retry import Failure, FailureKind, RetryPolicy
from .scope import CancelScope
from .transport import Response, Transport
from .wire import JSONObject, dumps, parse_object

JOSE = "application/jose+json"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One try of one request, for who watches.

    Attributes:
        operation: the request in the RFC's words ("newOrder", "authorization", ...).
        method, url: the request.
        status: the HTTP status, `None` if no answer came.
        started: when, on the monotonic clock.
        seconds: how long it took.
        attempt: 1 for the first try.
        error: what went wrong, in words.
    """

    operation: str
    method: str
    url: str
    status: int | None
    started: float
    seconds: float
    attempt: int
    error: str | None = None


Observe = Callable[[Exchange], None]


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
    ) -> None:
        self.directory_url = directory_url
        self.transport = transport
        self.nonces = NoncePool()
        self._retry = retry
        self._observe = observe
        self._lock = threading.Lock()
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
        """Return the directory, fetched once and again when its cache lifetime has passed."""
        directory = self._directory
        if directory is not None and directory.fresh and not refresh:
            return directory
        # Not under the lock: one slow fetch must not hold up a caller with a shorter deadline.
        response = self.get(self.directory_url, "directory", scope=scope)
        fetched = Directory.from_response(response)
        with self._lock:
            self._directory = fetched
        return fetched

    def get(self, url: str, operation: str, *, scope: CancelScope | None = None, accept: str = "*/*") -> Response:
        """GET what needs no signature: the directory and renewal information."""
        headers = {**self._headers, "Accept": accept}
        for attempt in attempts(self._retry, operation, scope):
            with attempt:
                return self._checked(self._send(attempt, "GET", url, headers, None))
        raise AssertionError("unreachable")

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
        """
        headers = {**self._headers, "Content-Type": JOSE, "Accept": accept}
        for attempt in attempts(self._retry, operation, scope, repeatable=repeatable):
            with attempt:
                # Every try is signed afresh: a server takes a nonce once. The nonce of a badNonce error
                # is the newest in the pool, so the next try takes it (RFC 8555 §6.5).
                body = dumps(sign(key, url, payload, nonce=self._nonce(attempt), key_id=key_id))
                response = self._send(attempt, "POST", url, headers, body)
                self.nonces.keep(response)
                return self._checked(response)
        raise AssertionError("unreachable")

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

    def _nonce(self, attempt: Attempt) -> str:
        """A nonce from the pool, or a new one (RFC 8555 §7.2)."""
        pooled = self.nonces.take()
        if pooled is not None:
            return pooled
        url = self.directory(attempt.scope).require("newNonce")
        probe = Attempt(attempt.retry, "newNonce", attempt.scope, attempt.number, time.monotonic(), repeatable=True)
        response = self._checked(self._send(probe, "HEAD", url, {**self._headers, "Accept": "*/*"}, None))
        nonce = nonce_of(response)
        if nonce is None:
            raise MalformedAnswer("the answer to newNonce holds no usable Replay-Nonce", url=url)
        return nonce

    def _send(
        self, attempt: Attempt, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        started = time.monotonic()
        status: int | None = None
        error: str | None = None
        try:
            response = self.transport.request(method, url, headers=headers, body=body, scope=attempt.scope)
            status = response.status
            return response
        except AcmeError as exc:
            error = str(exc)
            raise
        finally:
            if self._observe is not None:
                seconds = time.monotonic() - started
                self._observe(Exchange(attempt.operation, method, url, status, started, seconds, attempt.number, error))

    @staticmethod
    def _checked(response: Response) -> Response:
        if response.ok:
            return response
        raise problem_error(response)


class Attempt:
    """One try of a request; as a context manager it swallows what will be tried again."""

    def __init__(
        self,
        retry: RetryPolicy,
        operation: str,
        scope: CancelScope | None,
        number: int,
        began: float,
        *,
        repeatable: bool,
    ) -> None:
        self.retry = retry
        self.operation = operation
        self.scope = scope
        self.number = number
        self._began = began
        self._repeatable = repeatable

    def __enter__(self) -> None:
        if self.scope is not None:
            self.scope.check()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, AcmeError):
            return False
        kind = failure_kind(error, repeatable=self._repeatable)
        if kind is None:
            return False
        asked = error.retry_after if isinstance(error, ProblemError) else None
        remaining = None if self.scope is None else self.scope.remaining()
        failure = Failure(kind, self.operation, self.number, time.monotonic() - self._began, remaining, asked, error)
        delay = self.retry.next_delay(failure)
        if delay is None or (remaining is not None and delay >= remaining):
            return False
        if delay > 0:
            if self.scope is not None:
                self.scope.sleep(delay)
            else:
                threading.Event().wait(delay)
        return True


def attempts(
    retry: RetryPolicy, operation: str, scope: CancelScope | None, *, repeatable: bool = True
) -> Iterator[Attempt]:
    """Yield the tries of one request: `for attempt in attempts(...): with attempt: ...`."""
    began = time.monotonic()
    for number in itertools.count(1):
        yield Attempt(retry, operation, scope, number, began, repeatable=repeatable)


def failure_kind(error: AcmeError, *, repeatable: bool) -> FailureKind | None:
    """Say what kind of failure may be tried again; `None`: it must not be."""
    match error:
        case ProblemError() if error.problem.type == ErrorType.BAD_NONCE:
            return FailureKind.BAD_NONCE
        case ProblemError(status=429) | ProblemError(status=503):
            return FailureKind.RATE_LIMITED
        case ProblemError() if error.status >= 500 and repeatable and error.status != 501:
            return FailureKind.SERVER_ERROR
        case ConnectError():
            return FailureKind.CONNECT
        case LostAnswer() if repeatable:
            return FailureKind.LOST_ANSWER
        case MalformedAnswer() if repeatable:
            return FailureKind.MALFORMED
        case _:
            return None


def problem_error(response: Response) -> ProblemError:
    """Return the exception for an answer that is not a 2xx, whatever its body is."""
    problem = _problem(response)
    return EXCEPTIONS.get(problem.type, ProblemError)(
        problem,
        status=response.status,
        method=response.method,
        url=response.url,
        retry_after=response.retry_after,
        links=response.links,
        location=response.location,
        body=response.body,
    )


def _problem(response: Response) -> Problem:
    if response.media_type in ("application/problem+json", "application/json") or response.body[:1] == b"{":
        try:
            return Problem.from_json(parse_object(response.body, response.url), response.url)
        except MalformedAnswer:
            pass  # a load balancer's page under a JSON content type
    start = printable(response.body[:200].decode("utf-8", "replace").strip())
    return Problem("about:blank", f"the answer is no problem document: {start!r}" if start else "empty answer")


def _user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"acmez/{version('acmez')} requests/{version('requests')}"
    except PackageNotFoundError:
        return "acmez"
