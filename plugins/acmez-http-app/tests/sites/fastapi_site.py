from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from acmez_http_app import AsgiMiddleware, HttpAppSolver
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

started = False


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    global started  # noqa: PLW0603 - what the test asks for
    started = True
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(AsgiMiddleware, find=HttpAppSolver(Path(os.environ["ANSWERS"])).find)


@app.get("/", response_class=PlainTextResponse)
async def home() -> str:
    return "hello from fastapi" if started else "the lifespan did not begin"


@app.get("/.well-known/acme-challenge/of-the-app", response_class=PlainTextResponse)
async def own() -> str:
    return "the app's own"
