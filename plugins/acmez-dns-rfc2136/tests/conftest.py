from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope
from tests.dns.fixtures import Starter, start_module_server, start_server, starting
from tests.dns.servers import Bind, DnsServer, Knot, PowerDns, TsigKey, Zone

__all__ = ["start_module_server", "start_server"]

STRONG = TsigKey("strong-key", base64.b64encode(hashlib.sha512(b"strong").digest()).decode(), "hmac-sha512")
RECORDS = [
    "www A 192.0.2.1",
    '_acme-challenge.shared 120 TXT "foreign value"',
    '_acme-challenge.shared 120 TXT "another one" "in pieces"',
    "_acme-challenge.alias CNAME x.acme.test.",
    "_acme-challenge.here CNAME target.here",
    "*.wild CNAME www",
]
ZONES = [Zone("example.test", RECORDS), Zone("acme.test"), Zone("sub.example.test")]


@pytest.fixture(scope="module", params=["bind", "knot", "powerdns"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServer]:
    """A primary with the zones example.test, sub.example.test and acme.test."""
    folder = tmp_path_factory.mktemp(request.param)
    with starting() as start:
        yield start(make(request.param, folder, start))


def make(kind: str, folder: Path, start: Starter) -> DnsServer:
    port, api_port = start.ports(2)
    match kind:
        case "bind":
            return Bind(folder, port, ZONES, keys=(TsigKey(), STRONG))
        case "knot":
            return Knot(folder, port, ZONES, keys=(TsigKey(), STRONG))
        case _:
            return PowerDns(folder, port, ZONES, api_port=api_port)


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(30)


@pytest.fixture
def challenge_for() -> Callable[..., Challenge]:
    """Make challenges, each with a token of its own."""
    tokens = itertools.count()

    def make_challenge(name: str, kind: str = "dns-01", *, wildcard: bool = False) -> Challenge:
        return Challenge(
            type=kind,
            url="https://ca.test/challenge/1",
            status="pending",
            identifier=Identifier.dns(name),
            wildcard=wildcard,
            token=f"token-{next(tokens)}",
            thumbprint="thumb-PRINT_1",
            account_url="https://ca.test/account/1",
            raw={"issuer-domain-names": ["ca.test"]},
        )

    return make_challenge
