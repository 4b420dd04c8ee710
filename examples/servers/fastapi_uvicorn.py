"""FastAPI on uvicorn: HTTP answers the CA, HTTPS has the certificate.

    python -m examples.servers.fastapi_uvicorn www.example.com
    curl --cacert certs/root.pem --resolve www.example.com:8443:127.0.0.1 https://www.example.com:8443/

With a real CA: --directory letsencrypt --host 0.0.0.0 --http-port 80 --https-port 443
"""

from __future__ import annotations

import asyncio

import uvicorn
from acmez_http_app import AsgiMiddleware, HttpAppSolver
from fastapi import FastAPI

from acmez.tls import ReloadingContext

from .obtaining import Site

solver = HttpAppSolver()
app = FastAPI()
app.add_middleware(AsgiMiddleware, find=solver.find)


@app.get("/")
async def home() -> dict[str, str]:
    return {"hello": "from FastAPI"}


async def serve(site: Site) -> None:
    http = uvicorn.Server(uvicorn.Config(app, host=site.host, port=site.http_port))
    serving_http = asyncio.create_task(http.serve())
    while not http.started and not serving_http.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    await asyncio.to_thread(site.obtain, solver)
    context = ReloadingContext(site.certificates)
    https = uvicorn.Config(
        app, host=site.host, port=site.https_port, ssl_context_factory=lambda config, default: context
    )
    await uvicorn.Server(https).serve()
    await serving_http


if __name__ == "__main__":
    asyncio.run(serve(Site.from_arguments(__doc__)))
