"""aiohttp with its own server: HTTP answers the CA, HTTPS has the certificate.

    python -m examples.servers.aiohttp_server www.example.com
    curl --cacert certs/root.pem --resolve www.example.com:8443:127.0.0.1 https://www.example.com:8443/

With a real CA: --directory letsencrypt --host 0.0.0.0 --http-port 80 --https-port 443
"""

from __future__ import annotations

import asyncio

from acmez_http_app import HttpAppSolver
from aiohttp import web

from acmez.tls import ReloadingContext

from .obtaining import Site


async def home(request: web.Request) -> web.Response:
    return web.json_response({"hello": "from aiohttp"})


async def serve(site: Site) -> None:
    solver = HttpAppSolver()
    app = web.Application()
    app.add_routes([web.get("/", home), solver.aiohttp()])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, site.host, site.http_port).start()
        await asyncio.to_thread(site.obtain, solver)
        context = ReloadingContext(site.certificates)
        await web.TCPSite(runner, site.host, site.https_port, ssl_context=context).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(Site.from_arguments(__doc__)))
