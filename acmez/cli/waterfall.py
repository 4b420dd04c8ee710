"""Where the time of an issuance went, as bars in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from acmez import events


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time.

    Attributes:
        label: what it was.
        start, end: seconds on the monotonic clock.
        style: rich's name of a colour.
    """

    label: str
    start: float
    end: float
    style: str


def spans(seen: Sequence[events.Event]) -> list[Span]:
    """Return the requests and waits among *seen*, in the order in which they began."""
    found: list[Span] = []
    for event in seen:
        match event:
            case events.RequestFinished(exchange=exchange):
                failed = exchange.status is None or exchange.status >= 400
                found.append(
                    Span(
                        exchange.operation,
                        exchange.started,
                        exchange.started + exchange.seconds,
                        "red" if failed else "cyan",
                    )
                )
            case events.ChallengePresented():
                found.append(Span(f"present {event.identifier}", event.at - event.seconds, event.at, "magenta"))
            case events.ChallengeWaited():
                found.append(Span(f"wait for {event.identifier}", event.at - event.seconds, event.at, "yellow"))
            case _:
                pass
    return sorted(found, key=lambda span: span.start)


def waterfall(seen: Sequence[events.Event], *, width: int = 60) -> Table:
    """Return a table with one bar for each request and wait.

    Args:
        width: columns for the longest bar.
    """
    rows = spans(seen)
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    if not rows:
        return table
    start = rows[0].start
    scale = width / max(max(row.end for row in rows) - start, 1e-9)
    for row in rows:
        before = int((row.start - start) * scale)
        length = max(1, round((row.end - row.start) * scale))
        bar = Text(" " * before + "━" * min(length, width - before + 1), style=row.style)
        table.add_row(row.label, bar, f"{(row.end - row.start) * 1000:.1f} ms")
    return table
