"""A timeline as one HTML page, which loads nothing and sends nothing.

The page's program gets all data as JSON text that no part of it can leave, and shows it as text, never as markup:
what a CA wrote may be anything. The Content-Security-Policy lets nothing run but that one program.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from string import Template
from typing import TypeAlias

from .spans import Kind, Span
from .summary import summary

_HERE = Path(__file__).parent
_JSON: TypeAlias = dict[str, object]


def render(timeline: Sequence[Span], when: Callable[[float], datetime]) -> str:
    """Return *timeline* as a page.

    Args:
        when: tells the time of a moment on the monotonic clock.
    """
    style, program = _read("page.css"), _read("page.js")
    data = _data(timeline, when)
    return Template(_read("page.html")).substitute(
        title=html.escape(str(data["title"])),
        style=style,
        program=program,
        style_hash=_hash(style),
        program_hash=_hash(program),
        # As "\u003c" it is the same to JSON, and neither "</script>" nor "<!--" to HTML.
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(timeline: Sequence[Span], when: Callable[[float], datetime]) -> _JSON:
    """Return what the page's program reads: times are microseconds since the first span began."""
    begin = min((span.start for span in timeline), default=0.0)
    groups = [span for span in timeline if span.kind is Kind.ISSUANCE]
    numbers = {span.issuance: number for number, span in enumerate(groups)}
    names: dict[str, int] = {}
    kinds = list(Kind)
    rows = [
        [
            kinds.index(span.kind),
            numbers.get(span.issuance, -1),
            names.setdefault(span.identifier, len(names)) if span.identifier else -1,
            _micros(span.start - begin),
            _micros(span.seconds),
            int(span.failed),
            span.label,
            {**({"order": span.order} if span.order else {}), **span.details},
        ]
        for span in timeline
    ]
    return {
        "title": _title(groups),
        "started": when(begin).isoformat(timespec="milliseconds") if timeline else "",
        "summary": asdict(summary(timeline)),
        "kinds": kinds,
        "names": list(names),
        "spans": rows,
    }


def _title(groups: Sequence[Span]) -> str:
    return groups[0].label if len(groups) == 1 else f"{len(groups)} certificates"


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
