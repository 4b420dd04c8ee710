"""`python -m chaos`: the whole matrix, or a quick sample of it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from benchmarks.clients import ROOT, build
from chaos import report, results
from chaos.cells import Cell, cells
from chaos.environment import describe
from chaos.outcome import Outcome
from chaos.peers import PEERS, Seats, run_peer
from chaos.running import Job, run, sample, seed_of
from chaos.world import World

PAGE = ROOT / "docs" / "reliability.md"
CLIENTS = (report.OURS, *PEERS)
SAMPLE = 180
AT_ONCE = 12
PEERS_AT_ONCE = 8


def main() -> int:
    given = _options().parse_args()
    matrix = [cell for cell in cells() if given.only in str(cell.case)]
    if given.list:
        sys.stdout.writelines(f"{cell.case}\n" for cell in matrix)
        return 0
    if not matrix:
        sys.stderr.write(f"--only: no case has {given.only!r} in it\n")
        return 2
    if given.render:
        report.insert(PAGE, report.markdown(*results.load(CLIENTS)))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    began = time.monotonic()
    sys.stdout.write(f"seed {given.seed}\n")
    with World() as world:
        outcomes = (_again if given.again else _quick if given.quick else _whole)(world, matrix, given)
    ours = [outcome for outcome in outcomes if outcome.client == report.OURS]
    sys.stdout.write(f"{time.monotonic() - began:.1f} s\n{report.summary(ours)}\n")
    return 1 if any(outcome.misses for outcome in ours) else 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m chaos",
        description="Obtain certificates over bad networks and from bad CAs. Runs of everything are kept for each"
        " client and written to docs/reliability.md; the report of any other goes to the standard output. The exit"
        " status tells whether acmez got every certificate that could be had, left nothing behind, and failed as it"
        " should elsewhere.",
    )
    options.add_argument("--quick", action="store_true", help="a sample of the matrix, with acmez alone")
    options.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("CHAOS_SEED") or time.time()),
        help="what repeats a run (default: CHAOS_SEED, or the time)",
    )
    options.add_argument("--runs", type=int, default=SAMPLE, help=f"of the sample (default: {SAMPLE})")
    options.add_argument("--repeat", type=int, default=50, help="runs of acmez for each case (default: 50)")
    options.add_argument("--peer-repeat", type=int, default=5, help="runs of each peer for each case (default: 5)")
    options.add_argument("--clients", type=_clients, default=list(CLIENTS), help=f"some of {','.join(CLIENTS)}")
    options.add_argument("--only", default="", help="cases with these words in them")
    options.add_argument("--render", action="store_true", help="write the report again from what is kept, and end")
    options.add_argument("--again", action="store_true", help="make the kept runs of acmez that missed again, and end")
    options.add_argument("--list", action="store_true", help="show the cases and end")
    return options


def _clients(text: str) -> list[str]:
    words = text.split(",")
    for word in words:
        if word not in CLIENTS:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(CLIENTS)}")
    return words


def _quick(world: World, matrix: Sequence[Cell], given: argparse.Namespace) -> list[Outcome]:
    jobs = [
        partial(matrix[number].play, world, seed_of(given.seed, index, matrix[number].case))
        for index, number in enumerate(sample(given.runs, len(matrix), given.seed))
    ]
    return list(run(jobs, AT_ONCE))


def _again(world: World, matrix: Sequence[Cell], _: argparse.Namespace) -> list[Outcome]:
    cells_of = {cell.case: cell for cell in matrix}
    about, outcomes = results.again(report.OURS, lambda case, seed: cells_of[case].play(world, seed))
    results.save(report.OURS, about, outcomes)
    report.insert(PAGE, report.markdown(*results.load(CLIENTS)))
    return outcomes


def _whole(world: World, matrix: Sequence[Cell], given: argparse.Namespace) -> list[Outcome]:
    missing = build([client for client in given.clients if client != report.OURS])
    seats = Seats(world, PEERS_AT_ONCE)
    outcomes: list[Outcome] = []
    about: dict[str, Mapping[str, str]] = {}
    for client in given.clients:
        if client in missing:
            continue
        ours, began = client == report.OURS, time.monotonic()
        jobs = _our_jobs(world, matrix, given) if ours else _peer_jobs(world, seats, matrix, client, given)
        found = list(run(jobs, AT_ONCE if ours else PEERS_AT_ONCE, tell=ours))
        repeat = given.repeat if ours else given.peer_repeat
        about[client] = describe(client, given.seed, repeat, time.monotonic() - began)
        outcomes += found
        if not given.only:
            results.save(client, about[client], found)
    if given.only:
        sys.stdout.write(f"{report.markdown(about, outcomes)}\n")
    else:
        report.insert(PAGE, report.markdown(*results.load(CLIENTS)))
    return outcomes


def _our_jobs(world: World, matrix: Sequence[Cell], given: argparse.Namespace) -> Iterator[Job]:
    for number in range(given.repeat):
        for cell in matrix:
            yield partial(cell.play, world, seed_of(given.seed, number, cell.case))


def _peer_jobs(
    world: World, seats: Seats, matrix: Sequence[Cell], client: str, given: argparse.Namespace
) -> Iterator[Job]:
    for number in range(given.peer_repeat):
        for cell in (cell for cell in matrix if cell.for_peers):
            yield partial(run_peer, world, seats, cell, client, seed_of(given.seed, number, cell.case))


if __name__ == "__main__":
    sys.exit(main())
