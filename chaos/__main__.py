"""`python -m chaos`: the whole matrix, or a quick sample of it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import partial

from chaos.cells import Cell, cells
from chaos.outcome import Outcome
from chaos.running import run, sample, seed_of
from chaos.world import World

SAMPLE = 180
AT_ONCE = 12


def main() -> int:
    given = _options().parse_args()
    matrix = [cell for cell in cells() if given.only in str(cell.case)]
    if given.list:
        sys.stdout.writelines(f"{cell.case}\n" for cell in matrix)
        return 0
    if not matrix:
        sys.stderr.write(f"--only: no case has {given.only!r} in it\n")
        return 2
    began = time.monotonic()
    sys.stdout.write(f"seed {given.seed}\n")
    with World() as world:
        outcomes = _quick(world, matrix, given.seed, given.runs)
    sys.stdout.write(f"{time.monotonic() - began:.1f} s\n{summary(outcomes)}\n")
    return 1 if any(outcome.misses for outcome in outcomes) else 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m chaos", description="Obtain certificates in spite of everything.")
    options.add_argument("--quick", action="store_true", help="a sample of the matrix, with acmez alone")
    options.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("CHAOS_SEED") or time.time()),
        help="what repeats a sample (default: CHAOS_SEED, or the time)",
    )
    options.add_argument("--runs", type=int, default=SAMPLE, help=f"of the sample (default: {SAMPLE})")
    options.add_argument("--only", default="", help="cases with these words in them")
    options.add_argument("--list", action="store_true", help="show the cases and end")
    return options


def _quick(world: World, matrix: Sequence[Cell], seed: int, count: int) -> list[Outcome]:
    jobs = [
        partial(matrix[number].play, world, seed_of(seed, index, matrix[number].case))
        for index, number in enumerate(sample(count, len(matrix), seed))
    ]
    return list(run(jobs, AT_ONCE))


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the last line of a report."""
    possible = [outcome for outcome in outcomes if outcome.case.possible]
    figures = {
        "runs": len(outcomes),
        "successes": f"{sum(outcome.error is None for outcome in possible)}/{len(possible)}",
        "duplicates": sum(outcome.duplicates for outcome in outcomes),
        "leftovers": sum(outcome.leftovers for outcome in outcomes),
        "misses": sum(bool(outcome.misses) for outcome in outcomes),
    }
    return ", ".join(f"{name} {value}" for name, value in figures.items())


if __name__ == "__main__":
    sys.exit(main())
