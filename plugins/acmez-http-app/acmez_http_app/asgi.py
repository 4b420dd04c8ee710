"""The middleware for ASGI 3: Starlette, FastAPI, Django and whatever else uvicorn and hypercorn run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TypeAlias

from acmez.acme.challenges.http_01 import PATH_PREFIX

from .finding import Find, Reply, reply

Message: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApplication: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class AsgiMiddleware:
    """Answers the CA and hands everything else to *app*, websockets and lifespan included.

    Args:
        find: a solver's `find`.
    """

    def __init__(self, app: AsgiApplication, find: Find) -> None:
        self._app = app
        self._find = find

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if isinstance(path, str) and path.startswith(PATH_PREFIX) and scope.get("method") in {"GET", "HEAD"}:
            found = await reply_in_thread(path, self._find)
            if found is not None:
                await _send(found, send, with_body=scope["method"] == "GET")
                return
        await self._app(scope, receive, send)


async def reply_in_thread(path: str, find: Find) -> Reply | None:
    """Return the answer without holding up the event loop, as a store may be far away."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # hypercorn can run trio
        return reply(path, find)
    return await asyncio.to_thread(reply, path, find)


async def _send(found: Reply, send: Send, *, with_body: bool) -> None:
    fields = [(b"content-type", found.content_type.encode()), (b"content-length", b"%d" % len(found.body))]
    await send({"type": "http.response.start", "status": found.status, "headers": fields})
    await send({"type": "http.response.body", "body": found.body if with_body else b""})
