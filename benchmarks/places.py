"""What a case needs around the clients: its CA, and name servers."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import waiting
from benchmarks.cases import Case, Entry
from benchmarks.running import CA, CountingPebble, Place, Run, Runs, TestkitCA, measured, split
from tests.dns.fixtures import Starter
from tests.dns.servers import Bind, Knot, Unbound, Zone
from tests.pebble.server import PebbleOptions

_LATE = "127.0.0.2"


@contextlib.contextmanager
def place(case: Case) -> Iterator[Runs]:
    """Start what a case needs."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acmez-bench-")))
        if case.ca == "none":
            yield _Zone(stack, directory, case.names)
        elif case.ca == "late":
            yield _late(stack, directory)
        else:
            yield stack.enter_context(Place(_ca(stack, directory, case), case.rtt, directory))


def _ca(stack: ExitStack, directory: Path, case: Case) -> CA:
    if case.ca == "testkit":
        return stack.enter_context(TestkitCA(directory))
    options = PebbleOptions(nonce_reject=0, authz_reuse=0, va_sleep=case.va_sleep, retry_after_order=case.retry_after)
    return stack.enter_context(CountingPebble(directory, options))


class _Zone:
    """A name server that shows the answers already, and counts queries."""

    def __init__(self, stack: ExitStack, directory: Path, names: int) -> None:
        start = Starter(stack)
        port, statistics_port = start.ports(2)
        zone = Zone(waiting.ZONE, waiting.records(names), nameservers={"ns1": "127.0.0.1", "ns2": "::1"})
        self._server = start(Bind(directory, port, [zone], statistics_port=statistics_port))

    def run(self, case: Case, entry: Entry) -> Run:
        """Wait for all names in a fresh process."""
        before = self._server.queries()
        command = [sys.executable, "-m", "benchmarks.waiting", "--server", self._server.where]
        said = measured([*command, *split([*entry.arguments])], case.timeout)
        return Run(
            wall=said["wall"],
            cpu=said["cpu"],
            latency=said["latency"],
            rss=said["rss"] / 1e6,
            requests=self._server.queries() - before,
            connections=None,
        )


def _late(stack: ExitStack, directory: Path) -> Place:
    """Start a CA that asks a primary and a secondary name server, which copies the zone when it is told to."""
    start = Starter(stack)
    port, resolver_port = start.ports(2)
    zone = Zone(waiting.ZONE, nameservers={"ns1": "127.0.0.1", "ns2": _LATE}, refresh=3600)
    primary = start(Bind(directory, port, [zone]))
    start(Knot(directory, port, [Zone(waiting.ZONE, primary=primary.where)], address=_LATE))
    both = [primary.where, f"{_LATE}:{port}"]
    resolver = start(Unbound(directory, resolver_port, stubs={waiting.ZONE: both}))
    options = PebbleOptions(dns_server=resolver.where, nonce_reject=0, authz_reuse=0)
    ca = stack.enter_context(CountingPebble(directory, options))
    place = Place(
        ca,
        0.0,
        directory,
        program=(sys.executable, "-m", "benchmarks.late"),
        options={"primary": primary.where, "secondary": _LATE, "resolver": resolver.where},
    )
    return stack.enter_context(place)
