"""HTTP as ACME needs it: one TLS context, kept-alive connections, no redirects, bounded answers.

`requests` owns the connection pools and the proxy rules; requests are sent straight through its
pools, which costs a third of the CPU of `Session.request` and leaves out what ACME must not have
(redirects of a POST, cookies, .netrc).
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlsplit

import requests.utils
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from .errors import ConnectError, InputError, LostAnswer, MalformedAnswer
from .headers import parse_links
from .scope import CancelScope
from .watch import Watch
from .wire import resolve, retry_after

Trust = str | os.PathLike[str] | bytes | ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which a request is given up.

    Attributes:
        connect: for TCP and TLS together with name resolution.
        read: between two pieces of an answer; step-ca validates within the POST, so not too short.
        total: for the whole request, however busily the answer drips.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, read whole.

    Attributes:
        url: the request's URL.
        status: the HTTP status.
        headers: lower-case name -> values, in order.
        body: the decoded body.
        received: when it came, for Retry-After dates.
    """

    method: str
    url: str
    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes
    received: datetime

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the first value of a field, `None` if there is none."""
        return next(iter(self.headers.get(name.lower(), ())), None)

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    @property
    def location(self) -> str | None:
        value = self.header("location")
        return resolve(self.url, value) if value else None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait (RFC 8555 §6.6, §7.5.1)."""
        return retry_after(self.header("retry-after"), self.received)

    @property
    def links(self) -> Mapping[str, tuple[str, ...]]:
        """Relation -> URLs of all Link fields (RFC 8288)."""
        return parse_links(self.headers.get("link", ()), self.url)


class Call:
    """One request in flight, which can be aborted from another thread."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.sent = False
        self.opened = False
        self.aborted = False
        self._connection: HTTPConnection | None = None

    def attach(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def abort(self) -> None:
        """Shut the socket: a blocked read or write ends at once."""
        self.aborted = True
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            try:
                # On the TCP level, not through TLS: `SSLSocket.shutdown` would forget its TLS state
                # while another thread reads from it.
                _shutdown(sock)
            except OSError:
                return


class _Current(threading.local):
    call: Call | None = None


_current = _Current()


def _shutdown(sock: Any) -> None:
    import socket

    socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _start(connection: HTTPConnection) -> None:
    """Note that *connection* is about to carry the current call's request."""
    call = _current.call
    if call is not None:
        call.attach(connection)
        if call.aborted:
            raise ConnectionAbortedError("cancelled before anything was sent")
        call.sent = True


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        if _current.call is not None:
            _current.call.attach(self)
            _current.call.opened = True
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        _start(self)
        super().request(*args, **kwargs)


class _TLSConnection(HTTPSConnection):
    def connect(self) -> None:
        if _current.call is not None:
            _current.call.attach(self)
            _current.call.opened = True
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        _start(self)
        super().request(*args, **kwargs)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    """requests' adapter with one TLS context for all its connections."""

    pool_classes: ClassVar[Mapping[str, type[HTTPConnectionPool]]] = {"http": _PlainPool, "https": _TLSPool}

    def __init__(self, context: Callable[[], ssl.SSLContext], connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=8, pool_maxsize=connections, pool_block=True)
        self.poolmanager.pool_classes_by_scheme = dict(self.pool_classes)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = dict(self.pool_classes)
        return manager

    def build_connection_pool_key_attributes(  # type: ignore[override]  # the stubs' return types are private
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        parts = urlsplit(str(request.url))
        host = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        return host, {"ssl_context": self._context()} if parts.scheme == "https" else {}


class Transport:
    """Sends requests to ACME servers; safe to share between threads and clients.

    Args:
        trust: what vouches for the servers: a PEM file or directory, PEM bytes, or an `SSLContext`;
            `None`: the system's trust store.
        connections: at most so many at once to one host; further requests wait for one.
        proxy: URL of a proxy; `None`: as the environment says (HTTPS_PROXY, NO_PROXY); "": none.
        timeouts: seconds for connecting, reading, and the whole request.
        max_body: bytes of a decoded answer, beyond which it is refused.
        allow_http: also send to http:// URLs; RFC 8555 §6.1 requires https.
        user_agent: put in front of the library's own.
    """

    def __init__(
        self,
        *,
        trust: Trust = None,
        connections: int = 10,
        proxy: str | None = None,
        timeouts: Timeouts | None = None,
        max_body: int = 4 * 1024 * 1024,
        allow_http: bool = False,
        user_agent: str = "",
    ) -> None:
        self.connections = connections
        self.user_agent = user_agent
        self._trust = trust
        self._proxy = proxy
        self._timeouts = timeouts or Timeouts()
        self._max_body = max_body
        self._allow_http = allow_http
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], HTTPConnectionPool] = {}
        self._adapter = _Adapter(lambda: self._context, connections)
        self._watch = Watch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every idle connection; a later request opens new ones."""
        with self._lock:
            self._pools.clear()
        self._adapter.close()
        self._watch.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        scope: CancelScope | None = None,
    ) -> Response:
        """Send one request and read its answer whole; redirects are not followed.

        Raises:
            InputError: the URL is not one to send to.
            ConnectError: nothing was sent.
            LostAnswer: the request was sent, and no whole answer came.
            Cancelled: *scope* ended; the connection was shut.
        """
        pool = self._pool(url, method)
        seconds = self._timeouts.total
        if scope is not None:
            scope.check()
            seconds = min(seconds, scope.remaining() or seconds)
        call = Call(time.monotonic() + seconds)
        aborting: AbstractContextManager[None] = nullcontext() if scope is None else scope.on_cancel(call.abort)
        timeout = Timeout(connect=min(self._timeouts.connect, seconds), read=min(self._timeouts.read, seconds))
        with aborting, self._watch.over(call):
            try:
                return self._exchange(pool, call, method, url, headers, body, timeout)
            except (HTTPError, OSError, ValueError) as exc:
                if scope is not None:
                    scope.check()
                lost = LostAnswer if call.sent else ConnectError
                reason = f"no answer within {seconds:g} s" if call.aborted else _reason(exc)
                raise lost(reason, method=method, url=url) from exc

    def _exchange(
        self,
        pool: HTTPConnectionPool,
        call: Call,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: Timeout,
    ) -> Response:
        _current.call = call
        try:
            raw = pool.urlopen(
                method,
                _target(url) if pool.proxy is None or pool.scheme == "https" else url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=timeout,
                preload_content=False,
                decode_content=False,
            )
            data = raw.read(self._max_body + 1, decode_content=True)
        finally:
            _current.call = None
        if len(data) > self._max_body:
            raw.close()
            raise MalformedAnswer(f"the answer is larger than {self._max_body} bytes", url=url)
        raw.drain_conn()
        raw.release_conn()
        fields = {name.lower(): tuple(raw.headers.getlist(name)) for name in raw.headers}
        return Response(method, url, raw.status, fields, data, datetime.now(UTC))

    def _pool(self, url: str, method: str) -> HTTPConnectionPool:
        try:
            parts = urlsplit(url)
            host = parts.netloc.rpartition("@")[2].lower()
        except ValueError:
            raise InputError(f"{url[:200]!r}: not a URL") from None
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise InputError(f"{url[:200]!r}: not an https URL")
        if parts.scheme == "http" and not self._allow_http:
            raise InputError(f"{url[:200]!r}: ACME needs https (RFC 8555 §6.1); allow_http=True sends it all the same")
        key = (parts.scheme, host)
        pool = self._pools.get(key)
        if pool is None:
            with self._lock:
                pool = self._pools.get(key) or self._open_pool(url, method)
                self._pools[key] = pool
        return pool

    def _open_pool(self, url: str, method: str) -> HTTPConnectionPool:
        request = requests.PreparedRequest()
        request.method, request.url = method, url
        proxies = self._proxies(url)
        pool = self._adapter.get_connection_with_tls_context(request, verify=True, proxies=proxies)
        return cast("HTTPConnectionPool", pool)

    def _proxies(self, url: str) -> dict[str, str]:
        if self._proxy is None:
            return requests.utils.get_environ_proxies(url, no_proxy=None)
        return {"http": self._proxy, "https": self._proxy} if self._proxy else {}

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl_context(self._trust)


def ssl_context(trust: Trust) -> ssl.SSLContext:
    """Return the TLS settings for talking to an ACME server.

    Raises:
        InputError: *trust* is not readable, or holds no certificate.
    """
    if isinstance(trust, ssl.SSLContext):
        return trust
    try:
        if trust is None:
            context = ssl.create_default_context()
            if not context.cert_store_stats()["x509_ca"] and not _has_trust_directory():
                context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
        elif isinstance(trust, bytes):
            context = ssl.create_default_context(cadata=trust.decode("ascii"))
        elif Path(trust).is_dir():
            context = ssl.create_default_context(capath=os.fspath(trust))
        else:
            context = ssl.create_default_context(cafile=os.fspath(trust))
    except (OSError, ValueError) as exc:
        shown = "PEM bytes" if isinstance(trust, bytes) else repr(os.fspath(trust or ""))
        raise InputError(f"trust: {shown}: cannot be used as trust store: {exc}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _has_trust_directory() -> bool:
    directory = ssl.get_default_verify_paths().openssl_capath
    return Path(directory).is_dir() and any(Path(directory).iterdir())


def _target(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _reason(exc: BaseException) -> str:
    cause = exc.__cause__ if isinstance(exc, HTTPError) and exc.__cause__ is not None else exc
    text = str(cause) or type(cause).__name__
    # urllib3 puts the connection object's repr in front of its messages.
    return text.partition(">: ")[2] or text if text.startswith("<") else text
