"""Two more of Lexicon's providers: zone files, and Route 53 as moto plays it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest
from acmez_dns_lexicon import LexiconSolver

from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.amazon import KEY, Route53, moto, nobodys_credentials
from tests.dns.contract import FOREIGN, DnsSolverContract
from tests.dns.servers import Zone

__all__ = ["moto", "nobodys_credentials"]

KNOWN = DnsOptions(cname="never", zones=["example.test"])


class ZoneFile:
    """A zone file, as name servers read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(Zone("example.test", FOREIGN).text)

    def _read(self) -> dns.zone.Zone:
        return dns.zone.from_file(str(self.path), "example.test", relativize=False)

    def dump(self, _zone: str) -> list[str]:
        return sorted(
            f"{name} {ttl} {data.rdtype} {data}"
            for name, ttl, data in self._read().iterate_rdatas()
            if data.rdtype != dns.rdatatype.SOA
        )

    def ask(self, name: str, kind: str = "TXT") -> list[str]:
        return sorted(map(str, self._read().get_rdataset(f"{name}.", kind) or ()))


class TestLocalzone(DnsSolverContract):
    @pytest.fixture
    def provider(self, tmp_path: Path) -> ZoneFile:
        pytest.importorskip("localzone", reason="localzone is not installed (pip install localzone)")
        return ZoneFile(tmp_path / "zone")

    @pytest.fixture
    def solver(self, provider: ZoneFile) -> LexiconSolver:
        return LexiconSolver("localzone", {"filename": Secret(provider.path)}, ttl=120, dns=KNOWN)


class TestRoute53(DnsSolverContract):
    @pytest.fixture
    def provider(self, moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Route53]:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ROUTE_53", moto)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        made = Route53(moto)
        made.reset()
        made.add_zone("example.test")
        made.put("example.test", "_acme-challenge.shared.example.test", '"foreign value"', '"another one" "in pieces"')
        yield made
        made.client.close()

    @pytest.fixture
    def solver(self, provider: Route53) -> LexiconSolver:
        credentials = {
            "auth_access_key": Secret(KEY["aws_access_key_id"]),
            "auth_access_secret": Secret(KEY["aws_secret_access_key"]),
        }
        return LexiconSolver("route53", credentials, ttl=120, dns=KNOWN)
