"""Runs of one case, interleaved, and their medians."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Collection, Sequence

from benchmarks.cases import Case, Entry, Figure, Outcome
from benchmarks.places import place
from benchmarks.running import Run, RunError, Runs


def measure(case: Case, clients: Collection[str], repeat: int) -> Outcome:
    """Run every entry of a case `repeat` times, one after the other and round after round.

    Pebble 2.10 can lock itself up (a read lock taken twice, a writer in between), more often the more orders are
    under way. So a run that fails has one more try, against a new CA.
    """
    outcome = Outcome(case)
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    todo = [
        entry for number in range(repeat) for entry in case.entries if number < entry.runs and entry.client in clients
    ]
    suspects: set[str] = set()
    while todo:
        with place(case) as where:
            _run_until_failure(where, todo, outcome, runs, suspects)
    outcome.figures = {label: medians(taken) for label, taken in runs.items()}
    return outcome


def _run_until_failure(
    where: Runs, todo: list[Entry], outcome: Outcome, runs: defaultdict[str, list[Run]], suspects: set[str]
) -> None:
    key = outcome.case.key
    while todo:
        entry = todo[0]
        try:
            run = where.run(outcome.case, entry)
        except RunError as error:
            sys.stderr.write(f"{key}: {entry.label}: {error}\n")
            if entry.label in suspects:
                outcome.failures[entry.label] = str(error)
                todo[:] = [other for other in todo if other.label != entry.label]
            suspects.add(entry.label)
            return
        sys.stderr.write(f"{key}: {entry.label}: {run.wall:.3f} s\n")
        suspects.discard(entry.label)
        runs[entry.label].append(run)
        del todo[0]


def medians(runs: Sequence[Run]) -> Figure:
    """Summarize the runs of one entry."""
    return Figure(
        wall=statistics.median(run.wall for run in runs),
        cpu=statistics.median(run.cpu for run in runs),
        latency=statistics.median(run.latency for run in runs),
        rss=statistics.median(run.rss for run in runs),
        requests=_median([run.requests for run in runs]),
        connections=_median([run.connections for run in runs]),
        runs=len(runs),
        walls=tuple(run.wall for run in runs),
    )


def _median(counts: Sequence[int | None]) -> float | None:
    told = [count for count in counts if count is not None]
    return statistics.median(told) if told else None
