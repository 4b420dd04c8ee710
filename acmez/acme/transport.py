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
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlsplit

import requests.utils
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as HTTPTimeout
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from .connection import Call, PlainPool, TLSPool, carrying
from .errors import ConnectError, InputError, LostAnswer, MalformedAnswer, Stage, TransportError
from .gate import Gate
from .headers import parse_links
from .scope import CancelScope
from .trust import Trust, ssl_context
from .watch import Watch
from .wire import parse_http_date, resolved, retry_after

_PIECE = 64 * 1024
_MAX_HOSTS = 64  # whose connections are kept; a server's links could name any number


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which a request is given up.

    Attributes:
        connect: for TCP, over all addresses of a host, and for each step of the TLS handshake.
        read: between two pieces of an answer; step-ca validates within the POST, so not too short.
        total: for the whole request, however busily the answer drips; waiting for a free connection
            and looking up a host's addresses do not count.
        idle: after which an unused connection is not trusted any more.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, read whole.

    Attributes:
        method, url: the request.
        status: the HTTP status.
        headers: lower-case name -> values, in order.
        body: the decoded body.
        received: when it came.
        opened: whether a connection was opened for the request.
    """

    method: str
    url: str
    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes
    received: datetime
    opened: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the first value of a field, `None` if there is none."""
        values = self.headers.get(name.lower())
        return values[0] if values else None

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    @property
    def location(self) -> str | None:
        value = self.header("location")
        return resolved(self.url, value) if value else None

    @property
    def sent(self) -> datetime:
        """When the server sent it, by the server's clock if it says, for that is what its dates go by."""
        return parse_http_date(self.header("date") or "") or self.received

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait (RFC 8555 §6.6, §7.5.1)."""
        value = self.header("retry-after")
        return None if value is None else retry_after(value, self.sent)

    @property
    def links(self) -> Mapping[str, tuple[str, ...]]:
        """Relation -> URLs of all Link fields (RFC 8288)."""
        return parse_links(self.headers.get("link", ()), self.url)


class _Adapter(HTTPAdapter):
    """requests' adapter with our pools, and one TLS context for all connections."""

    pool_classes: ClassVar[Mapping[str, type[HTTPConnectionPool]]] = {"http": PlainPool, "https": TLSPool}

    def __init__(self, context: ssl.SSLContext | None, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=connections)
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
        return host, {"ssl_context": self._context} if self._context is not None else {}


@dataclass(frozen=True, slots=True)
class _Host:
    adapter: _Adapter
    pool: HTTPConnectionPool
    gate: Gate


class Transport:
    """Sends requests to ACME servers; safe to share between threads and clients, and to use after a fork.

    Args:
        trust: what vouches for the servers: a PEM file or directory, PEM bytes, or an `SSLContext`;
            `None`: the system's trust store.
        connections: at most so many at once to one host; further requests wait for one.
        proxy: URL of a proxy; `None`: as the environment says (HTTPS_PROXY, NO_PROXY); "": none.
        timeouts: seconds for connecting, reading, and the whole request.
        max_body: bytes of a decoded answer, beyond which it is refused.
        allow_http: also send to http:// URLs; RFC 8555 §6.1 requires https.
        only_hosts: the only hosts to send to, on any port; `None`: wherever the server's URLs lead.
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
        only_hosts: Collection[str] | None = None,
        user_agent: str = "",
    ) -> None:
        self.connections = connections
        self.user_agent = user_agent
        self._trust = trust
        self._proxy = proxy
        self._timeouts = timeouts or Timeouts()
        self._max_body = max_body
        self._allow_http = allow_http
        self._only_hosts = None if only_hosts is None else frozenset(host.lower() for host in only_hosts)
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every idle connection, and each other one after its answer; a later request opens new ones."""
        with self._lock:
            hosts = list(self._hosts.values())
            self._hosts.clear()
        for host in hosts:
            host.adapter.close()
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
            InputError: the URL is not one to send to, or the trust store or proxy not one to use.
            ConnectError: the server cannot have acted: the request was not sent whole, or it was no POST.
            LostAnswer: the request was sent, and no whole answer came.
            MalformedAnswer: the answer is too large, or encoded in a way that was not asked for.
            Cancelled: *scope* ended; the connection was shut.
        """
        host = self._host(url)
        scope = scope or CancelScope()
        scope.check()
        with host.gate.hold(scope):
            remaining = scope.remaining()
            seconds = self._timeouts.total if remaining is None else min(self._timeouts.total, remaining)
            call = Call(time.monotonic() + seconds, self._timeouts.idle)
            with scope.on_cancel(call.abort), self._watch.over(call), carrying(call):
                try:
                    return self._exchange(host.pool, call, method, url, dict(headers), body)
                except (HTTPError, OSError, ValueError) as exc:
                    scope.check()
                    reason = f"no answer within {seconds:g} s" if call.aborted else _reason(exc)
                    raise self._failed(reason, call, method, url, timed_out=_timed_out(call, exc)) from exc

    @staticmethod
    def _failed(reason: str, call: Call, method: str, url: str, *, timed_out: bool) -> TransportError:
        if call.stage is Stage.ANSWER and method == "POST":
            return LostAnswer(reason, method=method, url=url, location=call.location, timed_out=timed_out)
        return ConnectError(reason, method=method, url=url, stage=call.stage, timed_out=timed_out)

    def _exchange(
        self,
        pool: HTTPConnectionPool,
        call: Call,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> Response:
        left = max(call.deadline - time.monotonic(), 0.001)
        raw = pool.urlopen(
            method,
            _target(url) if pool.proxy is None or pool.scheme == "https" else url,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=min(self._timeouts.connect, left), read=min(self._timeouts.read, left)),
            preload_content=False,
            decode_content=False,
        )
        fields: dict[str, tuple[str, ...]] = {}
        for name, value in raw.headers.iteritems():
            fields[name.lower()] = (*fields.get(name.lower(), ()), value)
        head = Response(method, url, raw.status, fields, b"", datetime.now(UTC))
        call.location = head.location if head.ok else None
        data = self._body(raw, url)
        if call.aborted:  # an answer without a length ends with the connection, whoever ended that
            raise ConnectionAbortedError("aborted")
        return Response(method, url, raw.status, fields, self._decoded(data, head), head.received, call.opened)

    def _body(self, raw: BaseHTTPResponse, url: str) -> bytes:
        """Read the body as it was sent."""
        pieces = []
        size = 0
        while piece := raw.read(_PIECE, decode_content=False):
            pieces.append(piece)
            size += len(piece)
            if size > self._max_body:
                raw.close()
                raw.release_conn()
                raise self._too_large(url)
        raw.release_conn()
        return b"".join(pieces)

    def _decoded(self, body: bytes, response: Response) -> bytes:
        """Undo a content encoding, which was not asked for, within bounds."""
        encoding = (response.header("content-encoding") or "identity").strip().lower()
        if encoding == "identity" or not body:
            return body
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise MalformedAnswer(f"the content encoding {encoding[:50]!r} was not asked for", url=response.url)
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, as it comes
        try:
            data = decoder.decompress(body, self._max_body + 1)
        except zlib.error as exc:
            raise MalformedAnswer(f"the {encoding} answer cannot be decoded: {exc}", url=response.url) from None
        if len(data) > self._max_body:
            raise self._too_large(response.url)
        if not decoder.eof:
            raise MalformedAnswer(f"the {encoding} answer ends early", url=response.url)
        return data

    def _too_large(self, url: str) -> MalformedAnswer:
        return MalformedAnswer(f"the answer is larger than {self._max_body} bytes", url=url)

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._hosts: dict[tuple[str, str], _Host] = {}
        self._watch = Watch()

    def check(self, url: str) -> None:
        """Refuse a URL that is not one to send to, as `request` does.

        Raises:
            InputError: it is not https, or not of a host that was allowed.
        """
        self._key(url)

    def _host(self, url: str) -> _Host:
        if self._process != os.getpid():
            self._start()  # after a fork: the connections are the parent's, the thread is not there
        key = self._key(url)
        host = self._hosts.get(key)
        if host is None:
            with self._lock:
                host = self._hosts.get(key) or self._open(url)
                self._hosts[key] = host
                if len(self._hosts) > _MAX_HOSTS:
                    self._hosts.pop(next(iter(self._hosts))).adapter.close()
        return host

    def _key(self, url: str) -> tuple[str, str]:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as exc:
            raise InputError(f"{url[:200]!r}: not a URL: {exc}") from None
        if parts.scheme not in ("https", "http") or not host:
            raise InputError(f"{url[:200]!r}: not an https URL")
        if parts.scheme == "http" and not self._allow_http:
            raise InputError(f"{url[:200]!r}: ACME needs https (RFC 8555 §6.1); allow_http=True sends it all the same")
        if self._only_hosts is not None and host not in self._only_hosts:
            allowed = ", ".join(sorted(self._only_hosts)) or "none"
            raise InputError(f"{url[:200]!r}: not a host to send to; allowed: {allowed}")
        return parts.scheme, f"{host}:{port}"

    def _open(self, url: str) -> _Host:
        request = requests.PreparedRequest()
        request.method, request.url = "POST", url
        adapter = _Adapter(self._context if urlsplit(url).scheme == "https" else None, self.connections)
        try:
            pool = adapter.get_connection_with_tls_context(request, verify=True, proxies=self._proxies(url))
        except (requests.RequestException, HTTPError) as exc:
            raise InputError(f"proxy: cannot be used for {url[:200]!r}: {exc}") from exc
        return _Host(adapter, cast("HTTPConnectionPool", pool), Gate(self.connections))

    def _proxies(self, url: str) -> dict[str, str]:
        if self._proxy is None:
            return requests.utils.get_environ_proxies(url, no_proxy=None)
        return {"http": self._proxy, "https": self._proxy} if self._proxy else {}

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl_context(self._trust)


def _target(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _timed_out(call: Call, exc: BaseException) -> bool:
    return call.aborted or call.timed_out or isinstance(exc, TimeoutError | HTTPTimeout)


def _reason(exc: BaseException) -> str:
    """The innermost words: urllib3 wraps what happened up to three times."""
    seen: BaseException | None = exc
    while isinstance(seen, HTTPError):
        exc = seen
        seen = next((arg for arg in seen.args if isinstance(arg, BaseException)), seen.__cause__)
    return str(seen or exc) or type(seen or exc).__name__
