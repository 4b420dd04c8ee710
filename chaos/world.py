"""The CAs and what they look at: started when first needed, stopped together."""

from __future__ import annotations

import http.server
import itertools
import os
import tempfile
import threading
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypeVar

from acmez import Challenge
from acmez.acme.challenges import http_01
from acmez.acme.scope import CancelScope
from chaos.proxy import Proxy
from tests.pebble.server import Pebble, PebbleOptions

T = TypeVar("T")


class Web:
    """Serves http-01 answers on a loopback port, for all runs at once."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        answers = self.answers

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = answers.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Say nothing of a CA that went away."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Shown:
    """A solver that knows what it has left behind."""

    name: ClassVar[str] = "chaos"
    challenge_type: ClassVar[str] = "http-01"

    web: Web
    left: set[str] = field(default_factory=set)

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        path = f"{http_01.PATH_PREFIX}{challenge.token}"
        self.left.add(path)
        self.web.answers[path] = http_01.answer(challenge).body.encode()

    def clean_up(self, challenge: Challenge, handle: object, scope: CancelScope) -> None:
        path = f"{http_01.PATH_PREFIX}{challenge.token}"
        self.web.answers.pop(path, None)
        self.left.discard(path)


class World:
    """What all runs share."""

    web: Web
    proxy: Proxy
    directory: Path

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._pebbles: dict[str, Pebble] = {}
        self._tags = itertools.count(1)

    def __enter__(self) -> Self:
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="acmez-chaos-")))
        self.web = self._stack.enter_context(Web())
        self.proxy = self._stack.enter_context(Proxy(self.directory))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def pebble(self, options: PebbleOptions | None = None) -> Pebble:
        """Return the Pebble with these options, which looks at `web` unless they name another port."""
        options = options or PebbleOptions(nonce_reject=0, authz_reuse=0)
        with self._lock:
            key = repr(options)
            if key not in self._pebbles:
                own = options if options.http_port else replace(options, http_port=self.web.port)
                self._pebbles[key] = self._stack.enter_context(Pebble(self.directory, own))
            return self._pebbles[key]

    def discard(self, pebble: Pebble) -> None:
        """Use another Pebble from now on; this one is stopped in the end."""
        with self._lock:
            self._pebbles = {key: other for key, other in self._pebbles.items() if other is not pebble}

    def file(self, name: str) -> Path:
        """Return the path of a new file."""
        return self.directory / f"{next(self._tags)}-{name}"

    def enter(self, manager: AbstractContextManager[T]) -> T:
        """Enter what is to last as long as the world."""
        return self._stack.enter_context(manager)

    def tag(self) -> str:
        """Return a label that no other run has."""
        return f"t{os.getpid()}x{next(self._tags)}"

    def names(self, count: int) -> list[str]:
        """Return names that no other run has."""
        tag = self.tag()
        return [f"n{number}.{tag}.example.test" for number in range(count)]
