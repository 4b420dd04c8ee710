from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dns.contract import FOREIGN
from tests.dns.fixtures import Starter, challenge_for, scope, soon_cancelled, starting
from tests.dns.servers import SECRET, Bind, DnsServer, Knot, PowerDns, TsigKey, Zone

__all__ = ["challenge_for", "scope", "soon_cancelled"]

ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
KEYS = (TsigKey(), *(TsigKey(f"key-{algorithm}", SECRET, algorithm) for algorithm in ALGORITHMS))
RECORDS = [
    "www A 192.0.2.1",
    *FOREIGN,
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
            return Bind(folder, port, ZONES, keys=KEYS)
        case "knot":
            return Knot(folder, port, ZONES, keys=KEYS)
        case _:
            return PowerDns(folder, port, ZONES, keys=KEYS, api_port=api_port)
