"""Collects the events of issuances, and writes their timeline."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from acmez import events, files
from acmez.hookspecs import hookimpl

from . import page, perfetto
from .building import spans
from .spans import Span

_MODE = 0o600  # it tells what the owner has certificates for


class Trace:
    """Collects what one client or several tell; safe for many threads.

    Give it to `Client.watch`, to `Client(on_event=...)`, or to `PluginManager.register`.
    """

    def __init__(self) -> None:
        self._seen: list[events.Event] = []
        self._epoch = time.time() - time.monotonic()

    def __call__(self, event: events.Event) -> None:
        """Take an event."""
        self._seen.append(event)

    @hookimpl
    def acmez_event(self, event: events.Event) -> None:
        self._seen.append(event)

    def spans(self) -> list[Span]:
        """Return what took time so far, or changed a state, in the order in which it began."""
        return spans(self._seen)

    def html(self) -> str:
        """Return the timeline as a page that needs nothing else: no server, no network."""
        return page.render(self.spans(), self._when)

    def json(self) -> str:
        """Return the timeline in the Trace Event Format, which ui.perfetto.dev and chrome://tracing show."""
        return perfetto.render(self.spans(), self._when)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the timeline to *path*, whole or not at all: JSON if the name ends with ".json", otherwise HTML.

        Raises:
            OSError: it cannot be written.
        """
        target = Path(path)
        text = self.json() if target.suffix == ".json" else self.html()
        files.write(target, text.encode(), mode=_MODE)

    @contextmanager
    def writing(self, path: str | os.PathLike[str]) -> Iterator[None]:
        """Write the timeline to *path* when the `with` statement ends, however that may be.

        Raises:
            OSError: it cannot be written; this is tried at the beginning, too, before anything is asked for.
        """
        self.write(path)
        try:
            yield
        finally:
            self.write(path)

    def _when(self, at: float) -> datetime:
        return datetime.fromtimestamp(self._epoch + at, UTC)
