"""Progress on a terminal, in a few lines that change in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.text import Text

from acmez import events
from acmez.certificate import Certificate
from acmez.renewing import Due
from acmez.spec import CertificateSpec

from .board import Board
from .progress import Lines, known_names
from .tally import Tally

# DECAWM, as segments that take no room: rich passes on the text of every segment that has a control code
_NO_WRAP = Segment("\x1b[?7l", None, [(ControlType.BELL,)])
_WRAP = Segment("\x1b[?7h", None, [(ControlType.BELL,)])

_MARGIN = 3  # columns that stay free, so that the terminal's "^C" starts no new line


class LiveBoard(Lines):
    """Shows how many names are how far, which are the slowest, and how long the rest takes."""

    def __init__(self, console: Console) -> None:
        self._lock = threading.Lock()
        self._board = Board()
        self._title = ""
        self._console = console
        self._live = _Frames(console, self)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def lines(self, width: int, height: int) -> list[Text]:
        """Return what to show now."""
        with self._lock:
            return self._board.lines(width, height, time.monotonic(), self._title)

    def expect(self, spec: CertificateSpec) -> None:
        with self._lock:
            self._board.expect(known_names(spec), time.monotonic())

    def not_due(self, spec: CertificateSpec, found: Due) -> None:
        with self._away():
            super().not_due(spec, found)

    def see(self, event: events.Event) -> None:
        with self._lock:
            self._board.see(event)

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        with self._aside(spec, obtained=True):
            super().wrote(spec, certificate, directory)

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        with self._aside(spec, obtained=False):
            super().failed(spec, error)

    def stopping(self) -> None:
        self._title = "stopping: what was presented is cleaned up (Ctrl-C again ends at once)"

    def finished(self, tally: Tally, error: Exception | None) -> None:
        if error is None and tally.left:
            for line in tally.of_answers():
                click.echo(line, err=True)
        super().finished(tally, error)

    @contextmanager
    def _aside(self, spec: CertificateSpec, *, obtained: bool) -> Iterator[None]:
        """Take the lines away while something is printed of a certificate that has ended."""
        with self._lock:
            self._board.end(known_names(spec), time.monotonic(), obtained=obtained)
        with self._away():
            yield

    @contextmanager
    def _away(self) -> Iterator[None]:
        self._live.stop()
        try:
            yield
        finally:
            self._live = _Frames(self._console, self)
            self._live.start()


class _Frames(Live):
    """Draws the lines eight times a second, in windows that change their size, too."""

    def __init__(self, console: Console, shown: LiveBoard) -> None:
        self._shown = shown
        self._size = console.size
        self._drawn: list[Text] = []
        self._folded = 0
        super().__init__(
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            get_renderable=self._frame,
        )

    def _frame(self) -> _Frame:
        size = self.console.size
        if size.width < self._size.width:  # the terminal has folded what is on it already
            self._folded = sum((line.cell_len - 1) // size.width for line in self._drawn if line)
        self._size = size
        self._drawn = self._shown.lines(size.width - _MARGIN, size.height)
        return _Frame(self._drawn)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Erase the last frame, with the lines that folding has made of it, before the next one is drawn."""
        up = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * self._folded
        self._folded = 0
        return [Control(*up), *super().process_renderables(renderables)]


class _Frame:
    """Lines that the terminal does not fold, however late the command hears of its new width."""

    def __init__(self, lines: list[Text]) -> None:
        self._text = Text("\n", no_wrap=True, end="").join(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _NO_WRAP
        yield self._text
        yield _WRAP
