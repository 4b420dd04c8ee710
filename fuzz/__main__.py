"""Feed every reader new examples until the time is over: python -m fuzz [reader ...].

Environment:
    FUZZ_SECONDS: how long, over all readers; 60 by default.
    FUZZ_SEED: a number that repeats a run; by default a new one, which is printed.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from contextlib import suppress

from hypothesis import HealthCheck, Phase, given, seed, settings

from acmez.acme import AcmeError

from .readers import READERS, Fuzzed

_BATCH = 200  # examples of one reader before it is the next one's turn


def run(fuzzed: Fuzzed, number: int, examples: int = _BATCH) -> None:
    """Feed one reader so many examples, the same ones for the same number.

    Raises:
        Exception: what the smallest bad example made it raise; a note says what that is.
    """
    refusals: tuple[type[Exception], ...] = (AcmeError, *fuzzed.refusals)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @seed(number)
    @given(fuzzed.examples)
    def example(value: object) -> None:
        with suppress(*refusals):
            fuzzed.read(value)

    example()


def main(names: list[str]) -> int:
    """Return 0 if every reader bore everything, 1 if one did not, 2 if there is no such reader."""
    unknown = [name for name in names if name not in READERS]
    if unknown:
        sys.stderr.write(f"{unknown[0]!r} is no reader; readers: {', '.join(READERS)}\n")
        return 2
    seconds = float(os.environ.get("FUZZ_SECONDS") or 60)
    first = int(os.environ.get("FUZZ_SEED") or random.randrange(1_000_000))  # noqa: S311 - guards nothing
    chosen = names or list(READERS)
    sys.stdout.write(f"fuzzing {len(chosen)} readers for {seconds:g} s; FUZZ_SEED={first} repeats it\n")
    end = time.monotonic() + seconds
    batches = 0
    for number in itertools.count(first):
        for name in chosen:
            if batches and time.monotonic() >= end:
                sys.stdout.write(f"{batches * _BATCH} examples: nothing but errors of acmez\n")
                return 0
            try:
                run(READERS[name], number)
            except Exception:
                sys.stdout.write(f"{name}: raised what is no error of acmez (FUZZ_SEED={number})\n")
                raise
            batches += 1
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
