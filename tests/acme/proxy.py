"""A forwarding proxy on loopback: CONNECT for https, absolute URLs for http."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class LoopbackProxy:
    """Forwards what is asked of it and keeps the first line of each connection in `asked`.

    Args:
        refusal: the answer to everything, instead of forwarding.
    """

    def __init__(self, refusal: bytes = b"") -> None:
        self.asked: list[str] = []
        self.headers: list[str] = []
        self._refusal = refusal
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _spawn(self, target, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            first, *fields = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
            self.asked.append(first)
            self.headers += fields
            if self._refusal:
                client.sendall(self._refusal)
                client.shutdown(socket.SHUT_RDWR)
                return
            method, target, _ = first.split(" ")
            where = urlsplit(f"//{target}" if method == "CONNECT" else target)
            server = socket.create_connection((str(where.hostname), where.port or 80))
            self._sockets.append(server)
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head.replace(target.encode(), (where.path or "/").encode(), 1))
            self._spawn(self._pump, server, client)
            self._pump(client, server)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
