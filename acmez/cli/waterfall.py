"""Where the time of an issuance went, as bars in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.table import Table
from rich.text import Text

from acmez import events
from acmez.tracing import Kind, Span, spans

#: rich's names of colours for what takes time at a name, or at the CA.
_STYLES: Mapping[Kind, str] = MappingProxyType({Kind.REQUEST: "cyan", Kind.PRESENT: "magenta", Kind.WAIT: "yellow"})


def waterfall(seen: Sequence[events.Event], *, width: int = 60) -> Table:
    """Return a table with one bar for each request and wait.

    Args:
        width: columns for the longest bar.
    """
    rows = [span for span in spans(seen) if span.kind in _STYLES]
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
        length = max(1, round(row.seconds * scale))
        bar = Text(
            " " * before + "━" * min(length, width - before + 1), style="red" if row.failed else _STYLES[row.kind]
        )
        table.add_row(_label(row), bar, f"{row.seconds * 1000:.1f} ms")
    return table


def _label(span: Span) -> str:
    return span.label if span.kind is Kind.REQUEST else f"{span.kind} {span.identifier}"
