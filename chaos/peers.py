"""Runs of other clients, each in a process of its own against a Pebble of its own."""

from __future__ import annotations

import queue
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from acmez import Client, FileKey
from acmez.acme.errors import TransportError
from acmez.acme.jws import PrivateKey
from benchmarks.clients import CLIENTS, ROOT
from chaos.audit import ONCE, SOON, LockedUpError, audit
from chaos.cells import Cell
from chaos.outcome import Outcome, locked_up
from chaos.world import World
from tests.pebble.ports import ReservedPorts
from tests.pebble.server import Pebble, PebbleOptions

PEERS = ("go-acmez", "lego", "certbot-acme")
#: Seconds for one run.
DEADLINE = 30.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Seat:
    """A port for http-01 answers and an account key: what one process at a time may use."""

    port: int
    key_file: Path

    @property
    def key(self) -> PrivateKey:
        """The account's key."""
        return FileKey(self.key_file).get("account")


class Seats:
    """Hands out the seats to one run each."""

    def __init__(self, world: World, count: int) -> None:
        self._ports = world.enter(ReservedPorts(count))
        self._free: queue.Queue[Seat] = queue.Queue()
        for port in self._ports.numbers:
            self._free.put(Seat(port, world.file("account.pem")))

    @contextmanager
    def one(self) -> Iterator[Seat]:
        """Lend a seat."""
        seat = self._free.get()
        try:
            yield seat
        finally:
            self._free.put(seat)


def run_peer(world: World, seats: Seats, cell: Cell, client: str, seed: int) -> Outcome:
    """Run one client once; again if Pebble has locked itself up."""
    with seats.one() as seat:
        options = replace(cell.options or PebbleOptions(nonce_reject=0, authz_reuse=0), http_port=seat.port)
        for _ in range(_TRIES):
            pebble = world.pebble(options)
            try:
                return _run_peer(world, pebble, seat, cell, client, seed)
            except LockedUpError:
                world.discard(pebble)
    return locked_up(cell.case, client, seed)


def _run_peer(world: World, pebble: Pebble, seat: Seat, cell: Cell, client: str, seed: int) -> Outcome:
    if cell.plan is None:
        raise ValueError(f"{cell.case}: the proxy has nothing to do with it")
    plan = cell.plan(seed)
    account = _account(pebble, seat)
    names = random.Random(seed).randint(1, 3)  # noqa: S311 - a sample has to be repeatable
    with world.proxy.stage(plan, pebble.directory_url, pebble.trust, account) as stage:
        options = {
            "directory": stage.url(stage.journey.directory),
            "trust": world.proxy.trust,
            "account-key": seat.key_file,
            "account-url": stage.url(account),
            "http-port": seat.port,
            "tag": world.tag(),
            "names": names,
        }
        began = time.monotonic()
        error = _run(client, [word for name, value in options.items() for word in (f"--{name}", str(value))])
        seconds = time.monotonic() - began
    duplicates, pending = audit(pebble, stage.journey, seat.key)
    return Outcome(
        case=cell.case,
        client=client,
        seed=seed,
        error=error,
        seconds=seconds,
        duplicates=duplicates,
        answers=None,
        pending=pending,
        requests=stage.requests.total(),
        struck=plan.struck,
        deadline=DEADLINE,
    )


def _account(pebble: Pebble, seat: Seat) -> str:
    """Return the path of the seat's account, which is made when it is not there yet."""
    with Client(
        pebble.directory_url,
        account_key=FileKey(seat.key_file),
        trust=pebble.trust,
        proxy="",
        retry=ONCE,
        timeouts=SOON,
    ) as client:
        try:
            return urlsplit(client.register(terms_of_service_agreed=True).url).path
        except TransportError as error:
            raise LockedUpError(str(error)) from error


def _run(client: str, options: list[str]) -> str | None:
    """Run a program, and return why it failed, if it did."""
    try:
        done = subprocess.run(
            [*CLIENTS[client].command, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
    except subprocess.TimeoutExpired:
        return f"not done within {DEADLINE:g} s"
    lines = done.stderr.strip().splitlines() or ["no output"]
    return lines[-1][:300] if done.returncode else None
