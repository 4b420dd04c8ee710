"""Processes that use one DNS solver at the same time, as on several machines or from several programs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from acmez.waiters.dns import DnsPropagation
from tests.pebble.server import Pebble

OBTAIN = """
import importlib, json, sys
from acmez import Client, Route, events, options
from acmez.csr import certificate_names
from acmez.waiters.dns import DnsPropagation

module, name, solver, waiter, directory, trust, *names = sys.argv[1:]
left = len(names)

def stop_when_all_is_presented(event):
    global left
    if isinstance(event, events.ChallengePresented):
        left -= 1
        if not left:
            print("presented", flush=True)
            sys.stdin.readline()

route = Route(
    options.build(getattr(importlib.import_module(module), name), json.loads(solver)),
    waiter=options.build(DnsPropagation, json.loads(waiter)),
)
with Client(directory, solvers=[route], trust=trust, on_event=stop_when_all_is_presented) as client:
    client.register(terms_of_service_agreed=True)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([value for _, value in certificate_names(client.obtain(names).leaf)]), flush=True)
"""


class Process:
    """A process that tells each of its steps in a line, and waits for one before the next."""

    def __init__(self, stack: contextlib.ExitStack, script: str, *arguments: str) -> None:
        command = [sys.executable, "-c", script, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self._process.communicate)
        stack.callback(self._process.kill)

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> int:
        return self._process.wait(60)


def table_of(component: Any) -> str:
    """Return the options of a component as JSON, for another process to make the same."""
    table = {name: value for name, value in dataclasses.asdict(component).items() if value is not None}
    return json.dumps(table, default=str)


@contextlib.contextmanager
def processes(count: int, script: str, *arguments: str) -> Iterator[list[Process]]:
    """Run so many processes; none is left in the end."""
    with contextlib.ExitStack() as stack:
        yield [Process(stack, script, *arguments) for _ in range(count)]


@contextlib.contextmanager
def obtaining(
    count: int, solver: Any, waiter: DnsPropagation, pebble: Pebble, names: Sequence[str]
) -> Iterator[list[Process]]:
    """Let so many processes obtain a certificate each, and yield when all of them have presented their answers."""
    kind = type(solver)
    component = kind.__module__, kind.__name__, table_of(solver), table_of(waiter)
    with processes(count, OBTAIN, *component, pebble.directory_url, str(pebble.trust), *names) as running:
        for step in ("ready", "presented"):
            assert [each.hear() for each in running] == [step] * count
            if step == "ready":
                for each in running:
                    each.go_on()
        yield running


def finish(running: Sequence[Process]) -> list[set[str]]:
    """Let processes that obtain go on to the end, and return the names in their certificates."""
    for each in running:
        each.go_on()
    issued = [set(json.loads(each.hear())) for each in running]
    assert [each.end() for each in running] == [0] * len(running)
    return issued
