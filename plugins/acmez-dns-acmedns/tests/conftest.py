from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dns.fixtures import challenge_for, scope, soon_cancelled

from .acme_dns import AcmeDns

__all__ = ["challenge_for", "scope", "soon_cancelled"]


@pytest.fixture
def server() -> Iterator[AcmeDns]:
    with AcmeDns().running() as running:
        yield running
