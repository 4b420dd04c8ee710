from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from acmez_dns_route53 import Route53Solver

from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.amazon import KEY, Route53, moto, nobodys_credentials
from tests.dns.fixtures import challenge_for, scope, soon_cancelled

__all__ = ["challenge_for", "moto", "nobodys_credentials", "scope", "soon_cancelled"]


@pytest.fixture
def provider(moto: str) -> Iterator[Route53]:
    """Route 53 with the zones example.test and acme.test."""
    made = Route53(moto)
    for zone in ("example.test", "acme.test"):
        made.add_zone(zone)
    made.put("example.test", "_acme-challenge.shared.example.test", '"foreign value"', '"another one" "in pieces"')
    yield made
    made.client.close()


@pytest.fixture
def make_solver(provider: Route53) -> Callable[..., Route53Solver]:
    def make(**options: object) -> Route53Solver:
        given: dict[str, object] = {
            "endpoint_url": provider.url,
            "hosted_zone_ids": dict(provider.ids),
            "access_key_id": KEY["aws_access_key_id"],
            "secret_access_key": Secret(KEY["aws_secret_access_key"]),
            "dns": DnsOptions(
                cname="never", zones=["example.test", "acme.test", "other.test", "twice.test", "named.test"]
            ),
        }
        return Route53Solver(**given | options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def solver(make_solver: Callable[..., Route53Solver]) -> Route53Solver:
    return make_solver()
