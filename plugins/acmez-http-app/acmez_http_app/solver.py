"""The solver: answers in memory, or in a directory that the application's processes share."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakValueDictionary
from wsgiref.types import WSGIApplication

from acmez import answer_store
from acmez.acme.challenges import http_01
from acmez.protocols import CancelScope, Challenge

from .asgi import AsgiApplication, AsgiMiddleware
from .errors import HttpAppError
from .finding import Find
from .wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from aiohttp.web import RouteDef


@dataclass
class HttpAppSolver:
    """Answers http-01 from a web application, in this process or in others.

    Attributes:
        directory: shared with the application's other processes, which have a solver with the same
            directory; `None`: the answers are in memory, and this process alone gives them.
    """

    name: ClassVar[str] = "http-app"
    challenge_type: ClassVar[str] = "http-01"

    directory: Path | None = None

    def __post_init__(self) -> None:
        self._store = None if self.directory is None else answer_store.DirectoryStore(Path(self.directory))
        self._asked = False
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[str, threading.Event]] = {}
        self._events: WeakValueDictionary[str, threading.Event] = WeakValueDictionary()

    def __reduce__(self) -> tuple[type[HttpAppSolver], tuple[Path | None]]:
        """Pickle the directory: what another process presents is answered through it."""
        return type(self), (self.directory,)

    # The application's side

    def wsgi(self, app: WSGIApplication) -> WSGIApplication:
        """Return *app* with the answers in front of it."""
        return WsgiMiddleware(app, self.find)

    def asgi(self, app: AsgiApplication) -> AsgiApplication:
        """Return *app* with the answers in front of it."""
        return AsgiMiddleware(app, self.find)

    def aiohttp(self) -> RouteDef:
        """Return a route for `aiohttp.web.Application.add_routes`."""
        from .aiohttp_route import route

        return route(self.find)

    @property
    def find(self) -> Find:
        """What the middlewares ask: it returns the key authorization for a token, or `None`."""
        self._asked = True
        return self._find

    def _find(self, token: str) -> str | None:
        answer = self._answers.get(token)
        if answer is not None:
            answer[1].set()
            return answer[0]
        return None if self._store is None else answer_store.find_http(self._store, token)

    # The client's side

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        """Let the application give the key authorization from now on.

        Raises:
            HttpAppError: the answers would be in memory, and no application was given them.
            AnswerStoreError: the directory cannot be written.
            MalformedAnswer: the CA's token or identifier cannot be used.
        """
        scope.check()
        body = http_01.answer(challenge).body
        if self._store is not None:
            answer_store.publish(self._store, challenge)
        elif not self._asked:
            raise HttpAppError(
                f"{challenge.identifier}: no application of this process was given the answers: use the solver's wsgi,"
                " asgi or aiohttp, or share a 'directory' with the processes of the application"
            )
        with self._lock:
            self._answers[str(challenge.token)] = body, self._event(challenge)

    def clean_up(self, challenge: Challenge, handle: object, scope: CancelScope) -> None:
        """Let it be given no more."""
        with self._lock:
            self._answers.pop(str(challenge.token), None)
        if self._store is not None:
            answer_store.withdraw(self._store, challenge)

    def validated(self, challenge: Challenge) -> threading.Event:
        """Return the event that is set when somebody, most likely the CA, got the answer from this process."""
        with self._lock:
            return self._event(challenge)

    def _event(self, challenge: Challenge) -> threading.Event:
        # Kept by the answer and by whoever asked; not by us, who cannot know when nobody waits any more.
        return self._events.setdefault(str(challenge.token), threading.Event())
