"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.cases import Case, Figure, Outcome

BEGIN = "<!-- results: `make bench` writes from here -->"
END = "<!-- results: to here -->"


def markdown(environment: Mapping[str, str], outcomes: Sequence[Outcome]) -> str:
    """Return the whole report."""
    return "\n".join(_lines(environment, outcomes))


def insert(page: Path, report: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace what a page has between two marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, found, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{page}: lacks {begin!r} or {end!r}")
    page.write_text(f"{before}{begin}\n\n{report}\n{end}{after}")


def _lines(environment: Mapping[str, str], outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in environment.items())
    yield ""
    yield "### Targets"
    yield ""
    yield from _targets(outcomes)
    for outcome in outcomes:
        yield ""
        yield f"### {outcome.case.title}"
        yield ""
        yield from _figures(outcome)


def _targets(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| case | what | target | measured | |"
    yield "|---|---|---|---|---|"
    for outcome in outcomes:
        for target in outcome.case.targets:
            verdict = target.verdict(outcome.figures)
            sign = "≥" if target.at_least else "≤"
            measured, kept = ("not measured", "") if verdict is None else (number(verdict[0]), _word(kept=verdict[1]))
            yield f"| {outcome.case.title} | {target.text} | {sign} {target.bound:g} | {measured} | {kept} |"


def _word(*, kept: bool) -> str:
    return "kept" if kept else "**missed**"


def _figures(outcome: Outcome) -> Iterator[str]:
    case = outcome.case
    titles, cells = (_MANY_TITLES, _many) if case.orders > 1 else (_one_titles(case), _one)
    yield f"| client | {' | '.join(titles)} | runs |"
    yield f"|---{'|---' * len(titles)}|---|"
    for label, figure in outcome.figures.items():
        yield f"| {label} | {' | '.join(cells(case, figure))} | {figure.runs} |"
    if case.note:
        yield ""
        yield case.note
    for label, reason in outcome.failures.items():
        yield ""
        yield f"{label} failed: {reason}"


def _one_titles(case: Case) -> tuple[str, ...]:
    return ("wall, s (min - max)", "CPU, s", "peak memory, MB", case.counts, "connections")


def _one(_: Case, figure: Figure) -> tuple[str, ...]:
    return (
        f"{_spread(figure)}",
        number(figure.cpu),
        f"{figure.rss:.0f}",
        _count(figure.requests),
        _count(figure.connections),
    )


_MANY_TITLES = (
    "wall, s (min - max)",
    "certificates per s",
    "CPU per certificate, ms",
    "latency, s",
    "peak memory, MB",
    "requests per certificate",
)


def _many(case: Case, figure: Figure) -> tuple[str, ...]:
    return (
        _spread(figure),
        number(case.orders / figure.wall),
        number(figure.cpu / case.orders * 1000),
        number(figure.latency),
        f"{figure.rss:.0f}",
        "-" if figure.requests is None else number(figure.requests / case.orders),
    )


def _spread(figure: Figure) -> str:
    middle = number(figure.wall)
    return middle if figure.runs == 1 else f"{middle} ({number(min(figure.walls))} - {number(max(figure.walls))})"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def number(value: float) -> str:
    """Return a figure with three significant digits."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"
