from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dns.fixtures import challenge_for, scope

from .acme_dns import AcmeDns

__all__ = ["challenge_for", "scope"]


@pytest.fixture
def server() -> Iterator[AcmeDns]:
    with AcmeDns().running() as running:
        yield running
