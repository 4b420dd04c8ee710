from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from acmez_dns_lexicon import LexiconSolver

from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.contract import FOREIGN
from tests.dns.fixtures import challenge_for, scope, starting
from tests.dns.servers import PowerDns, Zone

__all__ = ["challenge_for", "scope"]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDns]:
    """A real server that Lexicon knows, with the zones example.test and acme.test."""
    with starting() as start:
        port, api_port = start.ports(2)
        zones = [Zone("example.test", FOREIGN), Zone("acme.test")]
        yield start(PowerDns(tmp_path_factory.mktemp("powerdns"), port, zones, api_port=api_port))


@pytest.fixture
def make_solver(provider: PowerDns) -> Callable[..., LexiconSolver]:
    def make(**options: object) -> LexiconSolver:
        given: dict[str, object] = {
            "provider": "powerdns",
            "credentials": {"auth_token": Secret(provider.api_key), "pdns_server": Secret(provider.api)},
            "dns": DnsOptions(cname="never", zones=["example.test", "acme.test", "other.test"]),
        }
        return LexiconSolver(**given | options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def solver(make_solver: Callable[..., LexiconSolver]) -> LexiconSolver:
    return make_solver()
