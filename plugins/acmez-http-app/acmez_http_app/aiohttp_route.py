"""The route for aiohttp, whose applications are neither WSGI nor ASGI."""

from __future__ import annotations

from aiohttp import web

from acmez.acme.challenges.http_01 import PATH_PREFIX

from .asgi import reply_in_thread
from .finding import Find


def route(find: Find) -> web.RouteDef:
    """Return the route of the answers, for GET and HEAD."""

    async def answer(request: web.Request) -> web.Response:
        found = await reply_in_thread(request.path, find)
        if found is None:
            raise web.HTTPNotFound
        return web.Response(status=found.status, body=found.body, content_type=found.content_type)

    return web.get(f"{PATH_PREFIX}{{token}}", answer)
