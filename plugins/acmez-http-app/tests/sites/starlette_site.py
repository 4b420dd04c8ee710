from __future__ import annotations

import os
from pathlib import Path

from acmez_http_app import HttpAppSolver
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello from starlette")


async def own(request: Request) -> PlainTextResponse:
    return PlainTextResponse("the app's own")


site = Starlette(routes=[Route("/", home), Route("/.well-known/acme-challenge/of-the-app", own)])
app = HttpAppSolver(Path(os.environ["ANSWERS"])).asgi(site)
