"""A small HTTPS server on loopback that answers byte for byte as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Self

import pytest
import trustme

NONCES = "/nonce"


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `connection` numbers the TCP connections from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def jws(self) -> dict[str, str]:
        """The body's JWS."""
        jws: dict[str, str] = json.loads(self.body)
        return jws


class Peer:
    """The client's connection, for a test that does odd things to it."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hang(self) -> None:
        """Say nothing until the client is gone or the test ends."""
        with contextlib.suppress(OSError):
            self.sock.recv(1)

    def drip(self, data: bytes, pause: float) -> None:
        """Send byte for byte."""
        for index in range(len(data)):
            if self.stopping.wait(pause):
                return
            self.send(data[index : index + 1])


Answer = bytes | Callable[[Request, Peer], None]


def reply(status: int = 200, body: bytes | str | object = b"", **headers: str | Sequence[str]) -> bytes:
    """Return the bytes of an answer; keyword `retry_after` is the field `Retry-After`."""
    if not isinstance(body, bytes | str):
        headers = {"content_type": "application/json", **headers}
        body = json.dumps(body)
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
    for name, value in headers.items():
        field_name = name.replace("_", "-").title()
        lines += [f"{field_name}: {one}" for one in ([value] if isinstance(value, str) else value)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data


def problem(status: int, kind: str, detail: str = "no", **headers: str | Sequence[str]) -> bytes:
    """Return the bytes of a problem document."""
    document = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}
    return reply(status, json.dumps(document), **{"content_type": "application/problem+json", **headers})


@dataclass
class LoopbackServer:
    """Answers each path with what `on` was given, the last answer again and again; everything else with 404.

    Attributes:
        requests: what arrived, in order.
        url: where it listens, without a path.
        connections: how many TCP connections were accepted.
    """

    authority: trustme.CA | None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._answers: dict[str, list[Answer]] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._peers: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._tls: ssl.SSLContext | None = None
        if self.authority is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert("127.0.0.1", "localhost").configure_cert(self._tls)
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join()

    def on(self, path: str, *answers: Answer) -> None:
        """Answer *path* with *answers*, one request after the other."""
        with self._lock:
            self._answers[path] = list(answers)

    def acme(self, **endpoints: str) -> str:
        """Serve a directory and nonces, and return the directory's URL; keywords are further endpoints' paths."""
        paths = {"newNonce": NONCES, "newAccount": "/new-account", "newOrder": "/new-order", **endpoints}
        self.on("/directory", reply(200, {name: self.url + path for name, path in paths.items()}))
        self.on(NONCES, reply(200, replay_nonce="bm9uY2U"))
        return f"{self.url}/directory"

    def asked(self, path: str) -> list[Request]:
        """Return the requests for *path*."""
        return [request for request in self.requests if request.path == path]

    def drop_connections(self) -> None:
        """Close every connection, as a server or a firewall does with idle ones."""
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer, socket.SHUT_RDWR)

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._peers.add(sock)
            self._spawn(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                plain = sock
                sock = _secured(sock, self._tls)
                with self._lock:
                    self._peers.discard(plain)
                    self._peers.add(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock.makefile("rb") as reader:
                while (request := _read(reader, number)) is not None and self._answer(request, sock):
                    pass
        except OSError:
            pass  # the client is gone, which some tests are about
        finally:
            with self._lock:
                self._peers.discard(sock)
            sock.close()

    def _answer(self, request: Request, sock: socket.socket) -> bool:
        """Answer; return whether the connection stays open."""
        with self._lock:
            self.requests.append(request)
            answers = self._answers.get(request.path, [])
            answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else reply(404, "no such path")
        if not isinstance(answer, bytes):
            answer(request, Peer(sock, self._stopping))
            return False
        if request.method == "HEAD":
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        sock.sendall(answer)
        return True


def _secured(sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(sock, server_side=True)
    except OSError as exc:
        # CPython leaves its new socket open where the client is gone before the handshake.
        for frame, _ in traceback.walk_tb(exc.__traceback__):
            half_made = frame.f_locals.get("self")
            if isinstance(half_made, ssl.SSLSocket):
                half_made.close()
        raise


def _read(reader: BinaryIO, connection: int) -> Request | None:
    line = reader.readline()
    if line.count(b" ") != 2:
        return None
    method, path, _ = line.decode("latin-1").split(" ")
    headers: dict[str, str] = {}
    while field_line := reader.readline().strip():
        name, _, value = field_line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body, connection)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[LoopbackServer]:
    with LoopbackServer(authority) as running:
        yield running
