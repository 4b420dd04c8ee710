"""The matrix: every fault at every step where it makes sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from chaos.faults import HOPELESS, PASSING, STORM
from chaos.names import run_named, troubles
from chaos.ours import plan_for, run_proxied, storm
from chaos.outcome import Case, Outcome
from chaos.scripted import run_scripted, scripts
from chaos.stage import Plan
from chaos.world import World
from tests.pebble.server import PebbleOptions


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        play: runs acmez in it once.
        plan: what the proxy does; `None`: the faults are scripted, and only acmez meets them.
        options: how Pebble is.
        for_peers: whether other clients take part: they have their account already, and time-outs of their own.
    """

    case: Case
    play: Callable[[World, int], Outcome]
    plan: Callable[[int], Plan] | None = None
    options: PebbleOptions | None = None
    for_peers: bool = False


def cells() -> list[Cell]:
    """Return the whole matrix."""
    return [_control(), *_proxied(), *_nonces(), *_storms(), *_scripted(), *_named()]


def _control() -> Cell:
    return _cell(Case("Pebble", "nothing", "all"), partial(storm, (), 0.0))


def _proxied() -> Iterator[Cell]:
    for fault in (*PASSING, *HOPELESS):
        for step in fault.steps:
            case = Case("Pebble", fault.name, step, fault.error, fault.reaches_ca(step))
            for_peers = case.possible and step != "newAccount" and not fault.stalls
            yield _cell(case, partial(plan_for, fault, step), for_peers=for_peers)


def _nonces() -> Iterator[Cell]:
    for percent in (5, 50, 90):
        options = PebbleOptions(nonce_reject=percent, authz_reuse=0)
        yield _cell(Case("Pebble", f"nonces rejected, {percent} %", "all"), partial(storm, (), 0.0), options)


def _storms() -> Iterator[Cell]:
    for percent in (5, 10):
        case = Case("Pebble", f"any passing fault to {percent} % of all requests", "all")
        yield _cell(case, partial(storm, STORM, percent / 100))


def _cell(
    case: Case, plan: Callable[[int], Plan], options: PebbleOptions | None = None, *, for_peers: bool = True
) -> Cell:
    def play(world: World, seed: int) -> Outcome:
        return run_proxied(world, case, plan, seed, options)

    return Cell(case, play, plan, options, for_peers)


def _scripted() -> Iterator[Cell]:
    for script in scripts():
        for step in script.steps:
            case = Case("testkit", script.fault, step, script.error)
            yield Cell(case, partial(run_scripted, script, case))


def _named() -> Iterator[Cell]:
    for trouble, case in troubles():
        yield Cell(case, partial(run_named, trouble, case))
