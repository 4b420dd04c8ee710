"""A hundred names in one order: four zones at three kinds of servers, one zone delegated, one at a late secondary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from acmez_dns_powerdns import PowerDnsSolver
from acmez_dns_rfc2136 import Rfc2136Solver

from acmez import Client, Route, events
from acmez.csr import certificate_names
from acmez.dns import DnsOptions
from acmez.options import Secret
from acmez.protocols import Solver
from acmez.waiters.dns import DnsPropagation
from tests.dns.fixtures import starting
from tests.dns.servers import SECRET, Bind, DnsServer, Knot, PowerDns, Unbound, Zone
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions

HOSTS = [f"n{number}" for number in range(23)]
ALIASES = [
    "_acme-challenge CNAME apex.answers.test.",
    *(f"_acme-challenge.{host} CNAME {host}.answers.test." for host in HOSTS),
]


def names_in(zone: str) -> list[str]:
    return [zone, f"*.{zone}", *(f"{host}.{zone}" for host in HOSTS)]


NAMES = [name for zone in ("bind.test", "knot.test", "power.test", "delegated.test") for name in names_in(zone)]


@dataclass(frozen=True)
class Lab:
    """Servers that listen on one port of four loopback addresses, and a CA that asks them through unbound.

    Attributes:
        bind: has bind.test.
        late: copies that when it is told to.
        knot: has knot.test, and delegated.test, whose answers belong into answers.test.
        power: has power.test and answers.test.
    """

    bind: Bind
    late: Knot
    knot: Knot
    power: PowerDns
    resolver: Unbound
    pebble: Pebble

    @property
    def dns(self) -> DnsOptions:
        return DnsOptions(resolvers=[self.resolver.where])

    def rfc2136(self, server: DnsServer) -> Rfc2136Solver:
        return Rfc2136Solver(server.where, key_name="acme-key", key_secret=Secret(SECRET), dns=self.dns)

    def routes(self) -> Iterator[Route]:
        waiter = DnsPropagation(resolvers=[self.resolver.where], port=self.bind.port, interval=0.05)
        power = PowerDnsSolver(self.power.api, Secret(self.power.api_key), dns=self.dns)
        solvers: dict[str, Solver] = {
            "bind.test": self.rfc2136(self.bind),
            "knot.test": self.rfc2136(self.knot),
            "power.test": power,
            "delegated.test": power,
        }
        for zone, solver in solvers.items():
            yield Route(solver, zone, (zone, f"*.{zone}"), waiter)

    def dump(self) -> dict[str, list[str]]:
        return {
            zone.name: server.dump(zone.name) for server in (self.bind, self.knot, self.power) for zone in server.zones
        }


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory, pebble_binaries: Binaries) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("fleet")
    with starting() as start:
        port, api_port, resolver_port = start.ports(3)
        late, knot, power = "127.0.0.2", "127.0.0.3", "127.0.0.4"
        bind_zone = Zone("bind.test", nameservers={"ns1": "127.0.0.1", "ns2": late}, refresh=3600)
        knot_zones = [
            Zone("knot.test", nameservers={"ns": knot}),
            Zone("delegated.test", ALIASES, nameservers={"ns": knot}),
        ]
        power_zones = [Zone("power.test", nameservers={"ns": power}), Zone("answers.test", nameservers={"ns": power})]
        primary = start(Bind(folder, port, [bind_zone]))
        secondary = start(Knot(folder, port, [Zone("bind.test", primary=primary.where)], address=late))
        other = start(Knot(folder, port, knot_zones, address=knot))
        by_api = start(PowerDns(folder, port, power_zones, address=power, api_port=api_port))
        stubs = {"bind.test": [primary.where, secondary.where]}
        stubs |= {zone.name: [server.where] for server in (other, by_api) for zone in server.zones}
        resolver = start(Unbound(folder, resolver_port, stubs=stubs))
        with Pebble(folder, PebbleOptions(dns_server=resolver.where, authz_reuse=0), pebble_binaries) as pebble:
            yield Lab(primary, secondary, other, by_api, resolver, pebble)


@dataclass
class Watch:
    """What the late secondary shows when the CA is told to look.

    Attributes:
        presented: set when every answer is in its zone.
        shown: name -> TXT values at the secondary.
    """

    late: DnsServer
    presented: threading.Event = field(default_factory=threading.Event)
    shown: dict[str, list[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.ChallengePresented():
                with self.lock:
                    self.count += 1
                if self.count == len(NAMES):
                    self.presented.set()
            case events.ChallengeAnswered(identifier=name) if name.endswith("bind.test"):
                self.shown[name] = self.late.ask(f"_acme-challenge.{name.removeprefix('*.')}")


def test_a_hundred_names_in_four_zones_at_three_kinds_of_servers(lab: Lab):
    before = lab.dump()
    watch = Watch(lab.late)
    with (
        Client(lab.pebble.directory_url, solvers=[*lab.routes()], trust=lab.pebble.trust, on_event=watch) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        client.register(terms_of_service_agreed=True)
        issuing = pool.submit(client.obtain, NAMES)
        try:
            assert watch.presented.wait(60)
            assert lab.late.dump("bind.test") == before["bind.test"]
            assert watch.shown == {}
        finally:
            lab.late.notify("bind.test")
        issued = issuing.result(60)

    assert {value for _, value in certificate_names(issued.leaf)} == {*NAMES}
    assert len(NAMES) == 100
    assert {*watch.shown} == {*names_in("bind.test")}
    assert all(watch.shown.values())
    assert lab.dump() == before
