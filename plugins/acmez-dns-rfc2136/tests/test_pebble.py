"""A real CA looks at real name servers through a resolver of its own, and issues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from acmez_dns_rfc2136 import Rfc2136Solver

from acmez import Client, Route, events
from acmez.csr import certificate_names
from acmez.dns import DnsOptions
from acmez.options import Secret
from acmez.waiters.dns import DnsPropagation
from tests.dns.fixtures import starting
from tests.dns.processes import finish, obtaining
from tests.dns.servers import SECRET, Bind, DnsServer, Knot, Unbound, Zone
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions


@dataclass(frozen=True)
class Lab:
    """A primary and its secondary, on one port of two loopback addresses; another server that has a zone to delegate
    to; and a CA that asks all of them through unbound."""

    primary: DnsServer
    secondary: DnsServer
    other: DnsServer
    resolver: Unbound
    pebble: Pebble

    def solver(self, server: DnsServer) -> Rfc2136Solver:
        return Rfc2136Solver(
            server=server.where,
            key_name="acme-key",
            key_secret=Secret(SECRET),
            dns=DnsOptions(resolvers=[self.resolver.where]),
        )

    @property
    def waiter(self) -> DnsPropagation:
        return DnsPropagation(resolvers=[self.resolver.where], port=self.primary.port, interval=0.05, timeout=30.0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, pebble_binaries: Binaries) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("lab")
    with starting() as start:
        port, resolver_port = start.ports(2)
        hosts = {"ns1": "127.0.0.1", "ns2": "127.0.0.2"}
        alias = "_acme-challenge.delegated CNAME example.acme.test."
        apart = [Zone("acme.test", nameservers={"ns1": "127.0.0.3"})]
        zone = Zone("example.test", [alias], nameservers=hosts, notify=[f"127.0.0.2:{port}"])
        quiet = Zone("quiet.test", nameservers=hosts)
        primary = start(Bind(folder, port, [zone, quiet]))

        def copy(name: str) -> Zone:
            return Zone(name, primary=primary.where)

        secondary = start(Knot(folder, port, [copy("example.test"), copy("quiet.test")], address="127.0.0.2"))
        other = start(Knot(folder, port, apart, address="127.0.0.3"))
        both = [primary.where, secondary.where]
        stubs = {"example.test": both, "quiet.test": both, "acme.test": [other.where]}
        resolver = start(Unbound(folder, resolver_port, stubs=stubs))
        options = PebbleOptions(dns_server=resolver.where, authz_reuse=0)
        with Pebble(folder, options, pebble_binaries) as pebble:
            yield Lab(primary, secondary, other, resolver, pebble)


@pytest.fixture
def connect(lab: Lab) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(solver: Rfc2136Solver, **options: object) -> Client:
        route = Route(solver, waiter=lab.waiter)
        made = Client(lab.pebble.directory_url, solvers=[route], trust=lab.pebble.trust, **options)  # type: ignore[arg-type]
        clients.append(made)
        made.register(terms_of_service_agreed=True)
        return made

    yield make
    for client in clients:
        client.close()


def names_of(client: Client, *names: str) -> set[str]:
    return {value for _, value in certificate_names(client.obtain(names).leaf)}


@pytest.mark.parametrize("kind", ["dns-01", "dns-account-01"])
def test_wildcard_and_apex_in_one_order(lab, connect, kind):
    before = lab.primary.dump("example.test")
    client = connect(lab.solver(lab.primary), preferred_challenges=[kind])
    assert names_of(client, "example.test", "*.example.test") == {"example.test", "*.example.test"}
    assert lab.primary.dump("example.test") == before


def test_two_processes_with_orders_for_the_same_names_leave_the_zone_as_it_was(lab):
    before = lab.primary.dump("example.test")
    names = ["example.test", "*.example.test"]
    with obtaining(2, lab.solver(lab.primary), lab.waiter, lab.pebble, names) as running:
        assert len(lab.primary.ask("_acme-challenge.example.test")) == 4
        assert finish(running) == [{*names}] * 2
    assert lab.primary.dump("example.test") == before


def test_a_persistent_record(lab, connect):
    client = connect(lab.solver(lab.primary), preferred_challenges=["dns-persist-01"])
    assert names_of(client, "kept.example.test") == {"kept.example.test"}
    assert lab.primary.ask("_validation-persist.kept.example.test")


def test_a_name_whose_answer_is_delegated_to_another_servers_zone(lab, connect):
    before = lab.other.dump("acme.test")
    client = connect(lab.solver(lab.other))
    assert names_of(client, "delegated.example.test") == {"delegated.example.test"}
    assert lab.other.dump("acme.test") == before


@dataclass
class Watch:
    """What the secondary shows of a name when the CA is told to look."""

    lab: Lab
    name: str
    presented: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.ChallengePresented):
            self.presented.set()
        if isinstance(event, events.ChallengeAnswered):
            self.seen += self.lab.secondary.ask(f"_acme-challenge.{self.name}")


def test_a_secondary_that_stands_still_is_waited_for(lab, connect):
    watch = Watch(lab, "still.example.test")
    client = connect(lab.solver(lab.primary), on_event=watch)
    with ThreadPoolExecutor(1) as pool:
        with lab.secondary.stopped():
            issuing = pool.submit(client.obtain, [watch.name])
            assert watch.presented.wait(20)
            with pytest.raises(TimeoutError):
                issuing.result(0.5)
            assert not watch.seen
        assert issuing.result(30)
    assert len(watch.seen) == 1


def test_a_secondary_that_nobody_notifies_is_waited_for(lab, connect):
    watch = Watch(lab, "quiet.test")
    assert names_of(connect(lab.solver(lab.primary), on_event=watch), watch.name) == {watch.name}
    assert len(watch.seen) == 1
