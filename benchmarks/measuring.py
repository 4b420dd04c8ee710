"""Runs of one case, interleaved, and their medians."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Collection, Sequence

from benchmarks.cases import Case, Entry, Figure, Outcome
from benchmarks.running import Place, Run, RunError, place


def measure(case: Case, clients: Collection[str], repeat: int) -> Outcome:
    """Run every entry of a case `repeat` times, one after the other and round after round."""
    outcome = Outcome(case)
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    with place(case) as where:
        for number in range(repeat):
            for entry in case.entries:
                if number < entry.runs and entry.client in clients and entry.label not in outcome.failures:
                    _run(where, entry, outcome, runs[entry.label])
    outcome.figures = {label: medians(taken) for label, taken in runs.items() if taken}
    return outcome


def _run(where: Place, entry: Entry, outcome: Outcome, runs: list[Run]) -> None:
    try:
        run = where.run(outcome.case, entry)
    except RunError as error:
        outcome.failures[entry.label] = str(error)
        sys.stderr.write(f"{outcome.case.key}: {entry.label}: {error}\n")
    else:
        runs.append(run)
        sys.stderr.write(f"{outcome.case.key}: {entry.label}: {run.wall:.3f} s\n")


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
