from __future__ import annotations

import os
from pathlib import Path

from acmez_http_app import HttpAppSolver
from aiohttp import web


async def home(request: web.Request) -> web.Response:
    return web.Response(text="hello from aiohttp")


def make(arguments: list[str]) -> web.Application:
    app = web.Application()
    app.add_routes([HttpAppSolver(Path(os.environ["ANSWERS"])).aiohttp(), web.get("/", home)])
    return app
