"""The middleware for WSGI (PEP 3333): Django, Flask, Bottle, Pyramid and whatever else gunicorn runs."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from acmez.acme.challenges.http_01 import PATH_PREFIX

from .finding import Find, reply


class WsgiMiddleware:
    """Answers the CA and hands every other request to *app*.

    Args:
        find: a solver's `find`.
    """

    def __init__(self, app: WSGIApplication, find: Find) -> None:
        self._app = app
        self._find = find

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PATH_PREFIX) or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return self._app(environ, start_response)
        found = reply(path, self._find)
        if found is None:
            return self._app(environ, start_response)
        fields = [("Content-Type", found.content_type), ("Content-Length", str(len(found.body)))]
        start_response(f"{found.status} {found.reason}", fields)
        return [found.body] if environ["REQUEST_METHOD"] == "GET" else []
