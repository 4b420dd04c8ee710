from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from acmez_dns_powerdns import PowerDnsSolver

from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.contract import FOREIGN
from tests.dns.fixtures import challenge_for, scope, starting
from tests.dns.servers import PowerDns, Unbound, Zone

__all__ = ["challenge_for", "scope"]

ZONES = [Zone("example.test", [*FOREIGN, "_acme-challenge.alias CNAME x.acme.test."]), Zone("acme.test")]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDns]:
    """A server with the zones example.test and acme.test."""
    with starting() as start:
        port, api_port = start.ports(2)
        yield start(PowerDns(tmp_path_factory.mktemp("powerdns"), port, ZONES, api_port=api_port))


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory, provider: PowerDns) -> Iterator[Unbound]:
    with starting() as start:
        (port,) = start.ports(1)
        stubs = {zone.name: [provider.where] for zone in ZONES}
        yield start(Unbound(tmp_path_factory.mktemp("unbound"), port, stubs=stubs))


@pytest.fixture
def make_solver(provider: PowerDns, resolver: Unbound) -> Callable[..., PowerDnsSolver]:
    def make(**options: object) -> PowerDnsSolver:
        given: dict[str, object] = {
            "url": provider.api,
            "api_key": Secret(provider.api_key),
            "dns": DnsOptions(resolvers=[resolver.where]),
        }
        return PowerDnsSolver(**given | options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def solver(make_solver: Callable[..., PowerDnsSolver]) -> PowerDnsSolver:
    return make_solver()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for what another machine has undone at once; the test of several processes takes the time it takes."""
    monkeypatch.setattr("acmez_dns_powerdns.zones._LEAST_PAUSE", 0.01)
