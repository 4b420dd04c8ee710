"""Many runs at once, each with a seed of its own."""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from chaos.outcome import Outcome

Job = Callable[[], Outcome]


def seed_of(seed: int, *what: object) -> int:
    """Return the seed of one run: the same for the same words, on every machine."""
    return zlib.crc32(repr((seed, *what)).encode())


def sample(count: int, total: int, seed: int) -> list[int]:
    """Return which cells to run: each once before any is run again."""
    chosen = random.Random(seed)  # noqa: S311 - a sample has to be repeatable
    numbers: list[int] = []
    while len(numbers) < count:
        numbers += chosen.sample(range(total), min(total, count - len(numbers)))
    return numbers


def run(jobs: Iterable[Job], at_once: int, *, tell: bool = True) -> Iterator[Outcome]:
    """Yield what became of each job, in their order, and tell of each miss if *tell* is set."""
    with ThreadPoolExecutor(at_once) as pool:
        for outcome in pool.map(lambda job: job(), jobs):
            for miss in outcome.misses if tell else ():
                sys.stderr.write(f"{outcome.client}, {outcome.case}, seed {outcome.seed}: {miss}\n")
            yield outcome
