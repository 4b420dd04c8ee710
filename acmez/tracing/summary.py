"""A timeline in numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest

from .spans import PROVED, Kind, Span


@dataclass(frozen=True, slots=True)
class Summary:
    """A timeline in numbers.

    Attributes:
        requests, failed_requests: retried ones count each time.
        connections: how many were opened, but for those over which no answer came.
        seconds: from the first event to the last.
        certificates, failed_certificates: how many were asked for, and not obtained.
        names, failed_names: how many identifiers had an authorization, and were not proved.
        slowest: identifiers, and the seconds for which they were presented, waited for and asked about, the slowest
            first; how long the CA takes for one is not known, because the order is watched for all of them.
    """

    requests: int
    failed_requests: int
    connections: int
    seconds: float
    certificates: int
    failed_certificates: int
    names: int
    failed_names: int
    slowest: tuple[tuple[str, float], ...]


def summary(timeline: Sequence[Span], *, slowest: int = 5) -> Summary:
    """Return *timeline* in numbers, with so many of the slowest names."""
    requests = [span for span in timeline if span.kind is Kind.REQUEST]
    issuances = [span for span in timeline if span.kind is Kind.ISSUANCE]
    lanes: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in timeline:
        if span.identifier:
            lanes[span.issuance, span.identifier].append(span)
    took = [(name, _worked_on(lane)) for (_, name), lane in lanes.items()]
    return Summary(
        requests=len(requests),
        failed_requests=sum(span.failed for span in requests),
        connections=sum("connection" in span.details for span in requests),
        seconds=_extent(timeline),
        certificates=len(issuances),
        failed_certificates=sum(span.failed for span in issuances),
        names=len(lanes),
        failed_names=sum(_is_lost(lane) for lane in lanes.values()),
        slowest=tuple(nlargest(slowest, took, key=lambda item: item[1])),
    )


def _is_lost(lane: Iterable[Span]) -> bool:
    """Whether what failed was not made good by another way."""
    return any(span.failed for span in lane) and all(span.label != PROVED for span in lane)


def _worked_on(lane: Iterable[Span]) -> float:
    return sum(span.seconds for span in lane if span.kind in {Kind.REQUEST, Kind.PRESENT, Kind.WAIT})


def _extent(timeline: Sequence[Span]) -> float:
    if not timeline:
        return 0.0
    return max(span.end for span in timeline) - min(span.start for span in timeline)
