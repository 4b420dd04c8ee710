"""Runs of acmez, in this process."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from acmez import Client, Route
from acmez.acme.jws import PrivateKey
from acmez.acme.retry import DefaultRetry
from acmez.acme.scope import CancelScope
from acmez.acme.transport import Timeouts
from acmez.keys import generate
from acmez.protocols import Solver
from chaos.audit import LockedUpError, audit
from chaos.faults import Fault, FaultAt, Storm
from chaos.outcome import CLEAN_UP, DEADLINE, Case, Outcome, locked_up, told
from chaos.stage import Plan
from chaos.world import Shown, World
from tests.pebble.server import Pebble, PebbleOptions

#: A tenth of the library's own times, so that a run takes seconds where it would take a minute.
TIMEOUTS = Timeouts(connect=1, read=1, total=3)
RETRY = DefaultRetry(first_delay=0.025, max_delay=1.5, budget=9, max_retry_after=6)
_MOST_NAMES = 3
_PEBBLES = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one try to register and to obtain a certificate came to."""

    error: str | None
    seconds: float


def attempt(
    directory_url: str,
    trust: Path,
    solver: Solver | Route,
    key: PrivateKey,
    names: list[str],
    *,
    before: Callable[[Client, list[str]], object] | None = None,
) -> Attempt:
    """Register an account and obtain a certificate, and be done within the deadline.

    Args:
        before: what to do with the new account before.
    """
    began = time.monotonic()
    error: str | None = None
    client = Client(
        directory_url,
        solvers=[solver],
        account_key=key,
        trust=trust,
        proxy="",
        retry=RETRY,
        timeouts=TIMEOUTS,
        cleanup_timeout=CLEAN_UP,
    )
    with client, CancelScope(DEADLINE) as scope:
        try:
            client.register(terms_of_service_agreed=True, scope=scope)
            if before is not None:
                before(client, names)
            client.obtain(names, scope=scope)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is the result
            error = told(exc)
    return Attempt(error, time.monotonic() - began)


def run_proxied(
    world: World, case: Case, plan: Callable[[int], Plan], seed: int, options: PebbleOptions | None = None
) -> Outcome:
    """Run once against Pebble, through the proxy; again if Pebble has locked itself up."""
    for _ in range(_PEBBLES):
        pebble = world.pebble(options)
        try:
            return _run_proxied(world, pebble, case, plan(seed), seed)
        except LockedUpError:
            world.discard(pebble)
    return locked_up(case, "acmez", seed)


def _run_proxied(world: World, pebble: Pebble, case: Case, plan: Plan, seed: int) -> Outcome:
    solver, key = Shown(world.web), generate("ec-p256")
    names = world.names(random.Random(seed).randint(1, _MOST_NAMES))  # noqa: S311
    with world.proxy.stage(plan, pebble.directory_url, pebble.trust) as stage:
        tried = attempt(stage.url(stage.journey.directory), world.proxy.trust, solver, key, names)
    duplicates, pending = audit(pebble, stage.journey, key)
    return Outcome(
        case=case,
        client="acmez",
        seed=seed,
        error=tried.error,
        seconds=tried.seconds,
        duplicates=duplicates,
        answers=len(solver.left),
        pending=pending,
        requests=stage.requests.total(),
        struck=plan.struck,
    )


def plan_for(fault: Fault, step: str, seed: int) -> FaultAt:
    """Return the plan of a run with one fault."""
    return FaultAt(fault, step, random.Random(seed))  # noqa: S311 - a sample has to be repeatable


def storm(faults: tuple[Fault, ...], share: float, seed: int) -> Storm:
    """Return the plan of a run in which anything may happen."""
    return Storm(faults, share, random.Random(seed))  # noqa: S311
