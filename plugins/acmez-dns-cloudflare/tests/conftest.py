from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from acmez_dns_cloudflare import CloudflareSolver

from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.fixtures import challenge_for, scope, soon_cancelled

from .cloudflare_api import TOKEN, Cloudflare

__all__ = ["challenge_for", "scope", "soon_cancelled"]


@pytest.fixture
def provider() -> Iterator[Cloudflare]:
    """Cloudflare with the zones example.test and acme.test."""
    api = Cloudflare("example.test", "acme.test")
    api.put("example.test", "_acme-challenge.shared", '"foreign value"')
    api.put("example.test", "_acme-challenge.shared", "unquoted")
    with api.running():
        yield api


@pytest.fixture
def make_solver(provider: Cloudflare) -> Callable[..., CloudflareSolver]:
    def make(**options: object) -> CloudflareSolver:
        given: dict[str, object] = {
            "api_token": Secret(TOKEN),
            "api_url": f"{provider.url}/client/v4",
            "dns": DnsOptions(cname="never", zones=["example.test", "acme.test", "other.test"]),
        }
        return CloudflareSolver(**given | options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def solver(make_solver: Callable[..., CloudflareSolver]) -> CloudflareSolver:
    return make_solver()
