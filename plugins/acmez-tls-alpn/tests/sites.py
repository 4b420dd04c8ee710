"""The servers that were there before: a TLS site and a plain echo, on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trustme

Address = tuple[str, int]


@contextmanager
def serving(handle: Callable[[socket.socket], None], host: str = "127.0.0.1", port: int = 0) -> Iterator[Address]:
    """Run *handle* in a thread for each connection."""
    threads: list[threading.Thread] = []
    open_ones: set[socket.socket] = set()

    def run(connection: socket.socket) -> None:
        open_ones.add(connection)
        with connection, suppress(OSError):
            handle(connection)
        open_ones.discard(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                thread = threading.Thread(target=run, args=(listener.accept()[0],))
                threads.append(thread)
                thread.start()

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=256)
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        for connection in [*open_ones]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


@contextmanager
def tls_site(
    name: str = "example.com", *, protocols: tuple[str, ...] = ("http/1.1",)
) -> Iterator[tuple[Address, bytes]]:
    """Serve "hello" over TLS; also yield the site's certificate."""
    context, der = site_context(name, protocols=protocols)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(100)
            secured.sendall(b"hello")

    with serving(handle) as address:
        yield address, der


def site_context(name: str = "example.com", *, protocols: tuple[str, ...] = ()) -> tuple[ssl.SSLContext, bytes]:
    """Return a context as servers have it, and its certificate."""
    issued = trustme.CA().issue_cert(name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context, ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def echo(connection: socket.socket) -> None:
    """Send everything back, and the end as well."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
