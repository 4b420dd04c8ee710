"""What the middlewares add to a request that is not the CA's.

python benchmarks/middleware.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from wsgiref.types import StartResponse, WSGIEnvironment

from acmez_http_app import HttpAppSolver
from acmez_http_app.asgi import AsgiApplication, Message, Receive, Send

REQUESTS = 1_000_000
ROUNDS = 7
PATH = "/articles/2026/how-to-measure"


def wsgi_app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    return []


async def asgi_app(scope: Message, receive: Receive, send: Send) -> None:
    return None


async def receive() -> Message:
    return {}


async def send(message: Message) -> None:
    return None


def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
    return lambda data: None


def time_wsgi(app: Callable[..., object]) -> float:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": PATH}
    began = time.perf_counter()
    for _ in range(REQUESTS):
        app(environ, start_response)
    return time.perf_counter() - began


def time_asgi(app: AsgiApplication) -> float:
    scope: Message = {"type": "http", "method": "GET", "path": PATH}
    began = time.perf_counter()
    for _ in range(REQUESTS):
        try:
            app(scope, receive, send).__await__().__next__()
        except StopIteration:
            continue
    return time.perf_counter() - began


def added(measure: Callable[..., float], bare: object, wrapped: object) -> float:
    """Return the nanoseconds that the best round with the middleware takes longer than the best without."""
    rounds = [(measure(bare), measure(wrapped)) for _ in range(ROUNDS)]
    return (min(w for _, w in rounds) - min(b for b, _ in rounds)) / REQUESTS * 1e9


def nanoseconds() -> dict[str, float]:
    """Return what each middleware adds to a request."""
    solver = HttpAppSolver()
    return {
        "WSGI": added(time_wsgi, wsgi_app, solver.wsgi(wsgi_app)),
        "ASGI": added(time_asgi, asgi_app, solver.asgi(asgi_app)),
    }


def main() -> None:
    for kind, time_added in nanoseconds().items():
        sys.stdout.write(f"{kind}: {time_added:.0f} ns a request\n")


if __name__ == "__main__":
    main()
