"""A bar chart as SVG: one group of bars for each case, each group with its own scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.cases import OURS, Case, Figure, Outcome
from benchmarks.report import number

WIDTH, LABELS, VALUES = 760, 260, 100
BAR, GAP, TITLE = 18, 6, 34

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .label { text-anchor: end; }
  .other { fill: #9aa4b1; }
  .ours { fill: #1a7f5a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .other { fill: #6e7681; }
    .ours { fill: #3fb68b; }
  }
"""


def svg(outcomes: Sequence[Outcome]) -> str:
    """Return the chart; the shorter a bar, the better."""
    body: list[str] = []
    top = 0
    for outcome in outcomes:
        if outcome.figures:
            body += _group(outcome, top)
            top += TITLE + len(outcome.figures) * (BAR + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *body, "</svg>", ""])


def _group(outcome: Outcome, top: int) -> Iterator[str]:
    case = outcome.case
    values = {label: _value(case, figure) for label, figure in outcome.figures.items()}
    longest = max(value for value, _ in values.values())
    yield f'<text class="title" x="0" y="{top + 22}">{escape(f"{case.title}: {_UNITS[case.shown]}")}</text>'
    for row, (label, (value, shown)) in enumerate(values.items()):
        y = top + TITLE + row * (BAR + GAP)
        width = max(1.0, (WIDTH - LABELS - VALUES) * value / longest)
        kind = "ours" if label.startswith(OURS) else "other"
        yield f'<text class="label" x="{LABELS - 8}" y="{y + 13}">{escape(label)}</text>'
        yield f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        yield f'<text x="{LABELS + width + 6:.1f}" y="{y + 13}">{shown}</text>'


_UNITS = {"wall": "seconds", "cpu": "CPU per certificate", "rss": "peak memory"}


def _value(case: Case, figure: Figure) -> tuple[float, str]:
    match case.shown:
        case "cpu":
            milliseconds = figure.cpu / case.orders * 1000
            return milliseconds, f"{number(milliseconds)} ms"
        case "rss":
            return figure.rss, f"{figure.rss:.0f} MB"
        case _:
            return figure.wall, f"{number(figure.wall)} s"
