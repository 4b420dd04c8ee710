"""What reaches the application, and what the middlewares answer themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from acmez_http_app import AsgiMiddleware, WsgiMiddleware

from acmez.answer_store import AnswerStoreError

PREFIX = "/.well-known/acme-challenge/"
Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


def find(token: str) -> str | None:
    if token == "broken":
        raise AnswerStoreError("store: down")
    return "tok.thumb" if token == "tok" else None


def ask_wsgi(path: str, method: str = "GET") -> Answer:
    """Ask through the standard library's check of both sides."""
    told: list[tuple[str, list[tuple[str, str]]]] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("299 The App", [("Content-Type", "text/plain")])
        return [b"app"]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., object]:
        told.append((status, headers))
        return lambda data: None

    environ: WSGIEnvironment = {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    answer = validator(WsgiMiddleware(validator(app), find))(environ, start_response)
    body = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    ((status, fields),) = told
    return int(status[:3]), {name.lower(): value for name, value in fields}, body


def ask_asgi(path: str, method: str = "GET") -> Answer:
    sent: list[dict[str, object]] = []

    async def app(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"app"})

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(AsgiMiddleware(app, find)(scope, receive, send))  # type: ignore[arg-type]
    start, body = sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    fields = {name.decode(): value.decode() for name, value in start["headers"]}  # type: ignore[attr-defined]
    return start["status"], fields, body["body"]  # type: ignore[return-value]


@pytest.fixture(params=[ask_wsgi, ask_asgi])
def ask(request: pytest.FixtureRequest) -> Ask:
    asking: Ask = request.param
    return asking


def test_the_ca_gets_the_key_authorization(ask):
    fields = {"content-type": "application/octet-stream", "content-length": "9"}
    assert ask(f"{PREFIX}tok") == (200, fields, b"tok.thumb")


def test_head_gets_the_length_and_no_body(ask):
    status, fields, body = ask(f"{PREFIX}tok", "HEAD")
    assert (status, fields["content-length"], body) == (200, "9", b"")


@pytest.mark.parametrize(
    "path", ["/", PREFIX, PREFIX[:-1], f"{PREFIX}other", f"{PREFIX}tok/", f"/x{PREFIX}tok", f"{PREFIX}TOK", "/\xe4"]
)
def test_any_other_path_is_the_applications(ask, path):
    assert ask(path)[::2] == (299, b"app")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_any_other_method_is_the_applications(ask, method):
    assert ask(f"{PREFIX}tok", method)[::2] == (299, b"app")


def test_a_store_that_is_down_is_told_and_logged(ask, caplog):
    status, _, body = ask(f"{PREFIX}broken")
    assert (status, body) == (503, b"the store of ACME answers does not work\n")
    assert caplog.messages == ["no answer for http-01: store: down"]


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, {"type": "websocket", "path": f"{PREFIX}tok"}])
def test_what_is_no_request_is_the_applications(scope):
    seen = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.append((scope, receive, send))

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    asyncio.run(AsgiMiddleware(app, find)(scope, nothing, nothing))  # type: ignore[arg-type]
    assert seen == [(scope, nothing, nothing)]


def test_an_event_loop_that_is_not_asyncios_is_no_obstacle():
    sent: list[object] = []

    async def app(*_: object) -> None:
        raise AssertionError

    async def send(message: object) -> None:
        sent.append(message)

    asking = AsgiMiddleware(app, find)({"type": "http", "method": "GET", "path": f"{PREFIX}tok"}, send, send)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        asking.send(None)
    assert len(sent) == 2
