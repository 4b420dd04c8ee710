"""A timeline in the Trace Event Format, for ui.perfetto.dev and chrome://tracing.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. An issuance is a process,
an identifier is a thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

from .spans import Kind, Span

Event: TypeAlias = dict[str, object]

_CLIENT = "account, directory, nonces"
_ORDER = "order"


def render(timeline: Sequence[Span], when: Callable[[float], datetime]) -> str:
    """Return *timeline* as JSON.

    Args:
        when: tells the time of a moment on the monotonic clock.
    """
    begin = min((span.start for span in timeline), default=0.0)
    started = when(begin).isoformat() if timeline else ""
    return json.dumps(
        {
            "traceEvents": list(_events(timeline, begin)),
            "displayTimeUnit": "ms",
            "otherData": {"producer": "acmez", "started": started},
        }
    )


def _events(timeline: Sequence[Span], begin: float) -> Iterator[Event]:
    processes: dict[str, int] = {}
    tracks: dict[tuple[str, str], list[_Track]] = {}
    titles = {span.issuance: span.label for span in timeline if span.kind is Kind.ISSUANCE}
    numbered = 0
    for span in sorted(timeline, key=lambda span: (span.start, -span.end)):
        if span.issuance not in processes:
            processes[span.issuance] = pid = len(processes) + 1
            title = titles.get(span.issuance, _CLIENT)
            yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "ts": 0, "args": {"name": title}}
        pid = processes[span.issuance]
        side_by_side = tracks.setdefault((span.issuance, span.identifier), [])
        track = next((track for track in side_by_side if track.takes(span)), None)
        if track is None:
            numbered += 1
            track = _Track(numbered)
            side_by_side.append(track)
            name = span.identifier or (_ORDER if span.issuance else _CLIENT)
            name = f"{name} ({len(side_by_side)})" if len(side_by_side) > 1 else name
            yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": track.tid, "ts": 0, "args": {"name": name}}
        track.add(span)
        yield _event(span, pid, track.tid, begin)


def _event(span: Span, pid: int, tid: int, begin: float) -> Event:
    about = {"order": span.order, "identifier": span.identifier, "failed": span.failed or ""}
    event: Event = {
        "name": span.label,
        "cat": str(span.kind),
        "pid": pid,
        "tid": tid,
        "ts": round((span.start - begin) * 1e6, 3),
        "args": {name: value for name, value in {**about, **span.details}.items() if value != ""},
    }
    if span.end > span.start:
        return {**event, "ph": "X", "dur": round(span.seconds * 1e6, 3)}
    return {**event, "ph": "i", "s": "t"}


class _Track:
    """Spans of one thread, which viewers draw right only if each lies wholly within or after another."""

    def __init__(self, tid: int) -> None:
        self.tid = tid
        self._ends: list[float] = []

    def takes(self, span: Span) -> bool:
        """Whether *span*, which starts no earlier than the others here, fits."""
        while self._ends and self._ends[-1] <= span.start:
            self._ends.pop()
        return not self._ends or span.end <= self._ends[-1]

    def add(self, span: Span) -> None:
        self._ends.append(span.end)
