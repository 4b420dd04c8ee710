"""A real CA looks at a real PowerDNS through a resolver of its own, and issues."""

from __future__ import annotations

from acmez import Client, Route
from acmez.csr import certificate_names
from acmez.waiters.dns import DnsPropagation
from tests.dns.processes import finish, obtaining
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.server import PebbleOptions


def test_wildcard_apex_and_a_delegated_name(provider, resolver, solver, pebble_factory: PebbleFactory):
    before = provider.dump("example.test"), provider.dump("acme.test")
    pebble = pebble_factory(PebbleOptions(dns_server=resolver.where, authz_reuse=0))
    waiter = DnsPropagation(resolvers=[resolver.where], port=provider.port, interval=0.05)
    names = ["example.test", "*.example.test", "alias.example.test"]
    with Client(pebble.directory_url, solvers=[Route(solver, waiter=waiter)], trust=pebble.trust) as client:
        client.register(terms_of_service_agreed=True)
        issued = client.obtain(names)
    assert {value for _, value in certificate_names(issued.leaf)} == set(names)
    assert (provider.dump("example.test"), provider.dump("acme.test")) == before


def test_two_processes_with_orders_for_the_same_names_leave_the_zone_as_it_was(
    provider, resolver, solver, pebble_factory: PebbleFactory
):
    before = provider.dump("example.test")
    pebble = pebble_factory(PebbleOptions(dns_server=resolver.where, authz_reuse=0))
    waiter = DnsPropagation(resolvers=[resolver.where], port=provider.port, interval=0.05)
    names = ["example.test", "*.example.test"]
    with obtaining(2, solver, waiter, pebble, names) as running:
        assert len(provider.ask("_acme-challenge.example.test")) == 4
        assert finish(running) == [{*names}] * 2
    assert provider.dump("example.test") == before
