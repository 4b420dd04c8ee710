"""The servers people run follow renewed certificates, under load, without one failed handshake."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from acmez.acme.certificate import Chain
from acmez.acme.scope import CancelScope
from acmez.certificate import Certificate
from acmez.keys import load_private_key
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

RENEWALS = 15

#: Each site is a module; what runs it gets PORT and DIRECTORY from the environment.
ASGI = """
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})
"""
CONTEXT = """
    import os
    from acmez.tls import ReloadingContext

    port, directory = int(os.environ["PORT"]), os.environ["DIRECTORY"]
    context = ReloadingContext(directory, check_every=0)
"""
UVICORN = """
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=port, ssl_context_factory=lambda config, default: context)
"""
HYPERCORN = """
    import asyncio, hypercorn.asyncio, hypercorn.config

    class Config(hypercorn.config.Config):
        ssl_enabled = True

        def create_ssl_context(self):
            context.set_alpn_protocols(self.alpn_protocols)
            return context

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))
"""
ASYNCIO = """
    import asyncio

    async def handle(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello")
        writer.close()

    async def main():
        server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=context)
        await server.serve_forever()

    asyncio.run(main())
"""
GUNICORN = """
    import os
    from acmez.tls import ReloadingContext

    directory = os.environ["DIRECTORY"]
    context = ReloadingContext(directory, check_every=0)
    bind, threads, workers, control_socket_disable = "127.0.0.1:" + os.environ["PORT"], 4, 2, True
    certfile, keyfile = f"{directory}/fullchain.pem", f"{directory}/privkey.pem"

    def ssl_context(config, default):
        return context
"""
WSGI = """
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]
"""
SCRIPTS = {
    "asyncio": CONTEXT + ASYNCIO,
    "uvicorn": CONTEXT + ASGI + UVICORN,
    "hypercorn": CONTEXT + ASGI + HYPERCORN,
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def issue(authority: trustme.CA) -> Callable[[], Certificate]:
    def issued() -> Certificate:
        leaf = authority.issue_cert("example.com")
        pem = leaf.cert_chain_pems[0].bytes() + authority.cert_pem.bytes()
        return Certificate(Chain("", pem), load_private_key(leaf.private_key_pem.bytes(), "trustme"))

    return issued


@pytest.fixture
def fetch(authority: trustme.CA, site: int) -> Callable[[], bytes]:
    """Fetch a page and return the certificate that the server showed."""
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def once() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", site), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="example.com") as connection,
        ):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
            received = b""
            while not received.endswith(b"hello"):
                piece = connection.recv(4096)
                assert piece, received
                received += piece
            return connection.getpeercert(binary_form=True) or b""

    return once


@pytest.fixture(params=["asyncio", "uvicorn", "hypercorn", "gunicorn"])
def site(request: pytest.FixtureRequest, tmp_path: Path, issue: Callable[[], Certificate]) -> Iterator[int]:
    issue().write(tmp_path / "certs")
    with ReservedPorts(1) as reserved:
        port = reserved.numbers[0]
        command = [sys.executable, "serve.py"]
        if request.param == "gunicorn":
            command = [sys.executable, "-m", "gunicorn", "--config=gunicorn.conf.py", "wsgi_site:app"]
            (tmp_path / "gunicorn.conf.py").write_text(textwrap.dedent(GUNICORN))
            (tmp_path / "wsgi_site.py").write_text(textwrap.dedent(WSGI))
        else:
            (tmp_path / "serve.py").write_text(textwrap.dedent(SCRIPTS[request.param]))
        environ = {**os.environ, "PORT": str(port), "DIRECTORY": str(tmp_path / "certs")}
        with ServerProcess(command, tmp_path / "log", environ, tmp_path) as server:
            server.wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=10).close())
            yield port


def test_every_handshake_succeeds_while_certificates_change(site: int, fetch, tmp_path: Path, issue):
    renewals = [issue() for _ in range(RENEWALS)]
    ended, failed, visits = threading.Event(), list[BaseException](), list[bytes]()

    def visit() -> None:
        while not ended.is_set():
            try:
                visits.append(fetch())
            except BaseException as error:  # noqa: BLE001 - whatever it is
                failed.append(error)
                return

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        for certificate in renewals:
            certificate.write(tmp_path / "certs")
            CancelScope().sleep(0.02)
    finally:
        ended.set()
        for visitor in visitors:
            visitor.join()
    assert failed == []
    assert len(set(visits)) > 1
    assert fetch() == ssl.PEM_cert_to_DER_cert(renewals[-1].certificate_pem.decode())
