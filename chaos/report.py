"""What became of all runs, as Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from chaos.journey import STEPS
from chaos.outcome import Outcome

BEGIN = "<!-- results: `make chaos` writes from here -->"
END = "<!-- results: to here -->"
OURS = "acmez"
_SHOWN = 105  # characters of an error


def insert(page: Path, report: str) -> None:
    """Replace the results in a page that has the two marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: lacks {BEGIN!r} or {END!r}")
    page.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}")


def markdown(about: Mapping[str, Mapping[str, str]], outcomes: Sequence[Outcome]) -> str:
    """Return the whole report.

    Args:
        about: with what each client's runs were made.
    """
    clients = list(dict.fromkeys(outcome.client for outcome in outcomes))
    parts = [
        "### With what",
        _made_with(about),
        "### In all",
        _totals(clients, outcomes),
        "### Where a certificate could be had",
        _passing(clients, outcomes),
        "### By request",
        _by_step(clients, outcomes),
        "### Where no certificate could be had",
        _hopeless(outcomes),
        "### Misses of acmez",
        _misses(outcomes),
    ]
    return "\n\n".join(parts)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return all of it in one line."""
    possible = [outcome for outcome in outcomes if outcome.case.possible]
    figures = {
        "runs": len(outcomes),
        "successes": f"{_successes(possible)}/{len(possible)}",
        "duplicates": sum(outcome.duplicates for outcome in outcomes),
        "leftovers": sum(outcome.leftovers for outcome in outcomes),
        "misses": sum(bool(outcome.misses) for outcome in outcomes),
    }
    return ", ".join(f"{name} {value}" for name, value in figures.items())


def _made_with(about: Mapping[str, Mapping[str, str]]) -> str:
    titles = list(dict.fromkeys(name for made in about.values() for name in made))
    return _table(
        ["client", *titles], [[client, *map(made.get, titles, [""] * len(titles))] for client, made in about.items()]
    )


def _totals(clients: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    titles = [
        "client",
        "runs",
        "successes of possible",
        "share",
        "duplicate orders",
        "leftovers",
        "requests per success",
    ]
    return _table(titles, [_total(client, [o for o in outcomes if o.client == client]) for client in clients])


def _total(client: str, mine: Sequence[Outcome]) -> list[str]:
    possible = [outcome for outcome in mine if outcome.case.possible]
    requests = [outcome.requests for outcome in possible if outcome.error is None]
    return [
        client,
        str(len(mine)),
        f"{_successes(possible)}/{len(possible)}",
        f"{_successes(possible) / max(1, len(possible)):.1%}",
        str(sum(outcome.duplicates for outcome in mine)),
        str(sum(outcome.leftovers for outcome in mine)),
        f"{statistics.mean(requests):.1f}" if requests else "",
    ]


def _passing(clients: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    rows = []
    for (ca, fault), runs in _grouped(outcomes, possible=True).items():
        rows.append([fault, ca, *(_cell([run for run in runs if run.client == client]) for client in clients)])
    return _table(["fault", "CA", *clients], rows)


def _by_step(clients: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    possible = [outcome for outcome in outcomes if outcome.case.possible]
    rows = []
    for step in (*STEPS, "all", "the CA"):
        runs = [outcome for outcome in possible if outcome.case.step == step]
        rows.append([step, *(_cell([run for run in runs if run.client == client]) for client in clients)])
    return _table(["request", *clients], rows)


def _cell(runs: Sequence[Outcome]) -> str:
    """Return successes of runs, and what went wrong besides."""
    if not runs:
        return ""
    duplicates, leftovers = sum(run.duplicates for run in runs), sum(run.leftovers for run in runs)
    told = [f"{_successes(runs)}/{len(runs)}"]
    told += [f"{duplicates} dup."] if duplicates else []
    told += [f"{leftovers} left"] if leftovers else []
    return ", ".join(told)


def _hopeless(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for (ca, fault), runs in _grouped(outcomes, possible=False).items():
        good = sum(not run.misses for run in runs)
        left = sum(run.leftovers for run in runs)
        slowest = max(run.seconds for run in runs)
        rows.append([fault, ca, f"{good}/{len(runs)}", f"{slowest:.1f} s", str(left), _example(runs)])
    return _table(["fault", "CA", "ended as they should", "slowest", "leftovers", "an error"], rows)


def _example(runs: Sequence[Outcome]) -> str:
    error = min((run.error or "" for run in runs), key=len)
    shown = error.replace("|", "\\|").replace("<", "&lt;")
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]} …"


def _misses(outcomes: Sequence[Outcome]) -> str:
    found = [outcome for outcome in outcomes if outcome.client == OURS and outcome.misses]
    if not found:
        return "None."
    return "\n".join(f"- {run.case}, seed {run.seed}: {'; '.join(run.misses)}" for run in found)


def _grouped(outcomes: Iterable[Outcome], *, possible: bool) -> dict[tuple[str, str], list[Outcome]]:
    groups: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.case.possible == possible:
            groups[outcome.case.ca, outcome.case.fault].append(outcome)
    return groups


def _successes(runs: Iterable[Outcome]) -> int:
    return sum(run.error is None for run in runs)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_lines([titles, ["---"] * len(titles), *rows]))


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |"
