"""Runs of acmez with dns-01, while the name servers that the CA and the waiter ask misbehave."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import ClassVar

from acmez import Challenge, Route
from acmez.acme.challenges import txt_record
from acmez.acme.scope import CancelScope
from acmez.keys import generate
from acmez.waiters.dns import DnsPropagation
from chaos.audit import LockedUpError, audit
from chaos.ours import attempt, storm
from chaos.outcome import Case, Outcome, locked_up
from chaos.stage import LOOPBACK
from chaos.world import World
from tests.pebble.dns import ChallengeDNS
from tests.pebble.server import Pebble

#: Seconds for which a passing fault lasts, at least and at most: less than what makes the waiter ignore a server.
_PASSES = (0.1, 0.7)
_PEBBLES = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the name servers do.

    Attributes:
        fault: its name.
        servfail: whether they answer SERVFAIL.
        late: whether they show the record only later.
        dead: how many servers never answer.
        alive: whether there is one that does.
        passes: whether it is over after a while.
        waits: whether acmez looks before the CA does.
        error: what the error must say if no certificate can be had.
    """

    fault: str
    servfail: bool = False
    late: bool = False
    dead: int = 0
    alive: bool = True
    passes: bool = True
    waits: bool = True
    error: str = ""


TROUBLES = (
    Trouble("SERVFAIL for a while", servfail=True),
    Trouble("the record appears late", late=True),
    Trouble("one of two name servers is dead", dead=1),
    Trouble("SERVFAIL for ever", servfail=True, passes=False, error="the record is not everywhere after"),
    Trouble("all name servers are dead", dead=2, alive=False, error="the record is not everywhere after"),
    Trouble(
        "SERVFAIL for ever, found out by the CA", servfail=True, passes=False, waits=False, error="validate by dns-01"
    ),
)


@dataclass
class Records:
    """A solver that sets TXT records in the DNS that Pebble asks, some seconds late if it is told to."""

    name: ClassVar[str] = "chaos-dns"
    challenge_type: ClassVar[str] = "dns-01"

    dns: ChallengeDNS
    delay: float = 0.0
    left: set[str] = field(default_factory=set)

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        record = txt_record(challenge)
        self.left.add(record.name)
        threading.Timer(self.delay, self.dns.set_txt, (record.name, record.value)).start()

    def clean_up(self, challenge: Challenge, handle: object, scope: CancelScope) -> None:
        name = txt_record(challenge).name
        self.dns.clear_txt(name)
        self.left.discard(name)


def run_named(trouble: Trouble, case: Case, world: World, seed: int) -> Outcome:
    """Run once; again if Pebble has locked itself up."""
    for _ in range(_PEBBLES):
        pebble = world.pebble()
        try:
            return _run_named(trouble, case, world, pebble, seed)
        except LockedUpError:
            world.discard(pebble)
    return locked_up(case, "acmez", seed)


def _run_named(trouble: Trouble, case: Case, world: World, pebble: Pebble, seed: int) -> Outcome:
    chosen = random.Random(seed)  # noqa: S311 - a sample has to be repeatable
    names, lasts = world.names(chosen.randint(1, 3)), chosen.uniform(*_PASSES)
    solver, key = Records(pebble.dns, lasts if trouble.late else 0.0), generate("ec-p256")
    plan = storm((), 0.0, seed)
    with ExitStack() as stack:
        servers = [f"{LOOPBACK}:{_deaf(stack)}" for _ in range(trouble.dead)]
        servers += [f"{LOOPBACK}:{pebble.dns.address[1]}"] if trouble.alive else []
        waiter = DnsPropagation(timeout=4, interval=0.1, nameservers=servers, dead_after=1.2)
        if trouble.servfail:
            _break(pebble.dns, names, lasts if trouble.passes else None, stack)
        stage = stack.enter_context(world.proxy.stage(plan, pebble.directory_url, pebble.trust))
        route = Route(solver, waiter=waiter if trouble.waits else None)
        tried = attempt(stage.url(stage.journey.directory), world.proxy.trust, route, key, names)
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
        struck=None,
    )


def _deaf(stack: ExitStack) -> int:
    """Return a port where nobody answers."""
    sock = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
    sock.bind((LOOPBACK, 0))
    port: int = sock.getsockname()[1]
    return port


def _break(dns: ChallengeDNS, names: list[str], seconds: float | None, stack: ExitStack) -> None:
    """Answer SERVFAIL for *names*, for some seconds or until the end."""
    for name in names:
        record = f"_acme-challenge.{name}"
        dns.set_servfail(record)
        if seconds is None:
            stack.callback(dns.clear_servfail, record)
        else:
            timer = threading.Timer(seconds, dns.clear_servfail, (record,))
            timer.start()
            stack.callback(timer.join)


def troubles() -> Iterator[tuple[Trouble, Case]]:
    """Yield every case."""
    for trouble in TROUBLES:
        yield trouble, Case("Pebble", trouble.fault, "DNS", trouble.error)
