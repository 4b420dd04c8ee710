"""The two figures that matter most, in less than a minute: one line of JSON for each on the standard output.

Go acmez needs 41 s for 100 names, nearly all of them asleep. So its single run of that case starts first, on a
Pebble and a proxy of its own, and everything else runs meanwhile.
"""

from __future__ import annotations

import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks.cases import CASES, GO, OURS, Case, Entry
from benchmarks.clients import CLIENTS, UnavailableError
from benchmarks.places import place
from benchmarks.running import RunError, Runs

REPEAT = 5


def _wall(where: Runs, case: Case, label: str) -> float:
    return where.run(case, _entry(case, label)).wall


def _entry(case: Case, label: str) -> Entry:
    return next(entry for entry in case.entries if entry.label == label)


def measure() -> dict[str, tuple[float, float]]:
    """Return the median wall times of acmez and of Go acmez in seconds, by case."""
    near, far = (next(case for case in CASES if case.key == key) for key in ("1@0", "100@50"))
    with place(far) as go_place, place(far) as our_place, place(near) as near_place, ThreadPoolExecutor(1) as other:
        go_run = other.submit(_wall, go_place, far, GO)
        pairs = [(_wall(near_place, near, OURS), _wall(near_place, near, GO)) for _ in range(REPEAT)]
        ours = [_wall(our_place, far, OURS) for _ in range(REPEAT)]
        return {
            near.key: (statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)),
            far.key: (statistics.median(ours), go_run.result()),
        }


def main() -> int:
    try:
        CLIENTS["go-acmez"].build()
        measured = measure()
    except (UnavailableError, RunError) as error:
        sys.stderr.write(f"bench-quick: {error}\n")
        return 1
    for case, (us, them) in measured.items():
        print(json.dumps({"case": case, "us": round(us, 4), "acmez": round(them, 4)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
