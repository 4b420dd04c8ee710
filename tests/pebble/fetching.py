"""One HTTP request to a server on loopback, with nothing kept open and no proxy asked."""

from __future__ import annotations

import contextlib
import http.client
import ssl

TIMEOUT = 10.0


def fetch(
    address: tuple[str, int], path: str, *, body: bytes | None = None, tls: ssl.SSLContext | None = None
) -> bytes:
    """GET `path`, or POST `body` to it, and return the body of the 200 answer.

    Raises `OSError` if the server cannot be reached, `AssertionError` on any other status.
    """
    host, port = address
    connection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=tls)
        if tls
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    )
    with contextlib.closing(connection):
        connection.request("GET" if body is None else "POST", path, body, {"User-Agent": "acmez-tests"})
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != 200:
        raise AssertionError(f"{path} answered {answer.status}: {content.decode(errors='replace').strip()}")
    return content
