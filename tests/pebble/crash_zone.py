"""A DNS provider in front of Pebble's DNS, a solver for it, and a web server for challenge files."""

from __future__ import annotations

import functools
import http.server
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from acmez import CancelScope, Challenge
from acmez.acme.challenges import dns_01
from acmez.protocols import Handle
from tests.pebble.dns import ChallengeDNS
from tests.pebble.fetching import fetch


class Provider:
    """TXT records with ids: the same value twice is two records, and only its id removes one.

    Attributes:
        records: id -> (name, value).
    """

    def __init__(self, dns: ChallengeDNS) -> None:
        self.records: dict[str, tuple[str, str]] = {}
        self._dns = dns
        self._ids = map(str, itertools.count(1))
        self._lock = threading.Lock()

    def add(self, name: str, value: str) -> str:
        with self._lock:
            record = next(self._ids)
            self.records[record] = name, value
            self._dns.set_txt(name, value)
            return record

    def delete(self, record: str) -> None:
        with self._lock:
            name, _ = self.records.pop(record, ("", ""))
            # Pebble's DNS can only forget all values at once; meanwhile it may be asked for the others.
            if name and name not in {other for other, _ in self.records.values()}:
                self._dns.clear_txt(name)

    def find(self, name: str, value: str) -> list[str]:
        with self._lock:
            return [record for record, content in self.records.items() if content == (name, value)]

    @contextmanager
    def serve(self) -> Iterator[tuple[str, int]]:
        """Offer the three calls to other processes, at the address that is yielded."""
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(getattr(provider, self.path[1:])(*arguments)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        with serving(Handler) as port:
            yield "127.0.0.1", port


@dataclass(frozen=True)
class ProviderSolver:
    """Answers dns-01 at a `Provider`; with a handle it removes that record, else those with its value."""

    name: ClassVar[str] = "provider"
    challenge_type: ClassVar[str] = "dns-01"

    address: tuple[str, int]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle:
        record = dns_01.record(challenge)
        return {"record": self._call("add", record.name, record.value)}

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        record = dns_01.record(challenge)
        for each in self._call("find", record.name, record.value) if handle is None else [handle["record"]]:
            self._call("delete", each)

    def _call(self, name: str, *arguments: object) -> list[str]:
        answer: list[str] = json.loads(fetch(self.address, f"/{name}", body=json.dumps(arguments).encode()))
        return answer


@contextmanager
def serving_files(directory: Path, port: int = 0) -> Iterator[int]:
    """Serve what is in *directory* on a loopback port, and yield that."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with serving(functools.partial(Handler, directory=str(directory)), port) as served:
        yield served


@contextmanager
def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    """Serve on a loopback port, and yield that."""

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = False

    server = Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
