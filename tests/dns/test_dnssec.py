"""What is told before an order of zones that a real server signs and a real resolver validates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acmez.acme.scope import CancelScope
from acmez.dns.lookups import Lookups
from acmez.dns.servers import Server
from acmez.preflight import Finding, Subject, Verdict, preflight
from tests.dns.fixtures import starting
from tests.dns.servers import Knot, Unbound, Zone

ZONES = [Zone("signed.test", signed=True), Zone("broken.test", signed=True), Zone("plain.test")]


@pytest.fixture(scope="module")
def lookups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookups]:
    """Ask a resolver that trusts the keys of signed.test, also for broken.test, which has others."""
    folder = tmp_path_factory.mktemp("dnssec")
    with starting() as start:
        port, resolver_port = start.ports(2)
        server = start(Knot(folder, port, ZONES))
        keys = server.ask("signed.test", "DNSKEY")
        assert keys
        anchors = [f"{zone}. DNSKEY {key}" for zone in ("signed.test", "broken.test") for key in keys]
        stubs = {zone.name: [server.where] for zone in ZONES}
        resolver = start(Unbound(folder, resolver_port, stubs=stubs, anchors=anchors))
        yield Lookups([Server(resolver.address, resolver.port)], port=port)


def told(lookups: Lookups, name: str) -> Finding:
    (report,) = preflight([Subject(name, ("dns-01",))], lookups, CancelScope(60), identities=["ca.test"])
    return report.dnssec


@pytest.mark.parametrize("zone", ["signed.test", "plain.test"])
def test_a_zone_whose_signatures_are_right_or_that_has_none_is_fine(lookups: Lookups, zone: str):
    assert told(lookups, f"www.{zone}") == Finding(Verdict.FINE, "not broken")


def test_a_zone_whose_signatures_are_wrong_is_broken(lookups: Lookups):
    finding = told(lookups, "www.broken.test")
    assert finding.verdict == Verdict.WRONG
    assert finding.says.startswith("broken: 127.0.0.1:")
    assert finding.says.endswith(" answers only without validation")
