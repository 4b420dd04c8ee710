"""An HTTP server of JSON on loopback, for the API of a provider that cannot run here."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """A request; *body* is its JSON."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """An answer; *body* is sent as JSON, or as it is if it is bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeApi:
    """Serves what `answer` says while the `with` block runs.

    Attributes:
        url: where it is.
        seen: "METHOD /path" of all requests.
        faults: replies to give instead, one per request, before `answer` is asked again.
        hang: set it to let a request that is under way be answered; requests wait while it is not set.
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.seen: list[str] = []
        self.faults: list[Reply] = []
        self.hang = threading.Event()
        self.hang.set()
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[FakeApi]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def _serve(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(
                    self.command, parts.path, parse_qs(parts.query), headers, json.loads(raw) if raw else None
                )
                reply = api.reply(request)
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                api.hang.wait(10)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is no error of the test."""

        with Server(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                self.hang.set()
                server.shutdown()
                thread.join()

    def reply(self, request: Request) -> Reply:
        with self.lock:
            self.seen.append(f"{request.method} {request.path}")
            return self.faults.pop(0) if self.faults else self.answer(request)
