"""`python -m benchmarks`: measure everything in one run and write docs/performance.md, or a part of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import chart, environment, report, results
from benchmarks.cases import CASES, Case, Outcome
from benchmarks.clients import CLIENTS, ROOT, build
from benchmarks.measuring import measure
from benchmarks.running import RunError
from tests.pebble.processes import StartError

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"


def main() -> int:
    given = _options().parse_args()
    if given.list:
        print("\n".join(f"{case.key:14} {case.title}" for case in CASES))
        return 0
    if given.render:
        _write(*results.load(RESULTS))
        return 0
    chosen = [case for case in CASES if case.key in given.cases]
    taking_part = {entry.client for case in chosen for entry in case.entries}
    clients = [name for name in dict.fromkeys(["acmez", *given.peers]) if name in taking_part]
    missing = build(clients)
    if given.build:
        return 1 if missing else 0
    where = environment.describe()
    outcomes = _measure(chosen, [name for name in clients if name not in missing], given.repeat)
    if set(given.cases) == {case.key for case in CASES} and set(clients) == set(CLIENTS):
        results.save(RESULTS, where, outcomes)
        _write(where, outcomes)
    elif given.keep:
        where, others = results.load(RESULTS)
        outcomes = results.merged(others, outcomes)
        results.save(RESULTS, where, outcomes)
        _write(where, outcomes)
    else:
        print(report.markdown(where, outcomes))
    return 1 if any(outcome.failures for outcome in outcomes) else 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure acmez beside other ACME clients. A run with all cases and peers is written to"
        " docs/performance.md; the report of any other goes to the standard output, unless it is kept.",
    )
    options.add_argument("--cases", type=_words([case.key for case in CASES]), default=[case.key for case in CASES])
    options.add_argument("--peers", type=_words(list(CLIENTS)), default=list(CLIENTS), help="acmez is always there")
    options.add_argument("--repeat", type=int, default=5, help="rounds (default: 5; what takes minutes has fewer)")
    options.add_argument("--keep", action="store_true", help="put these cases into the results that there are")
    options.add_argument("--list", action="store_true", help="show the cases and end")
    options.add_argument("--build", action="store_true", help="build the peers and end")
    options.add_argument("--render", action="store_true", help="write the report again from benchmarks/results.json")
    return options


class _words:  # noqa: N801 - argparse names the type in its errors
    """Reads a comma-separated choice."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        words = [word for word in text.split(",") if word]
        for word in words:
            if word not in self._known:
                raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(self._known)}")
        return words


def _measure(cases: Sequence[Case], clients: Sequence[str], repeat: int) -> list[Outcome]:
    outcomes = []
    for case in cases:
        sys.stderr.write(f"{case.key}: {case.title}\n")
        try:
            outcomes.append(measure(case, clients, repeat))
        except (RunError, StartError) as error:
            outcomes.append(Outcome(case, failures={"the CA": str(error)}))
    return outcomes


def _write(where: dict[str, str], outcomes: Sequence[Outcome]) -> None:
    report.insert(PAGE, report.markdown(where, outcomes))
    CHART.write_text(chart.svg(outcomes))
    sys.stderr.write(f"written: {PAGE}, {CHART}\n")


if __name__ == "__main__":
    sys.exit(main())
