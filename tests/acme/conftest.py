"""What the tests of the plumbing share: a server that misbehaves on demand, and transports that trust it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import trustme
from hypothesis import settings

from acmez.acme import SigningKey, Transport
from tests.acme.keys import P256
from tests.acme.server import authority, server

__all__ = ["authority", "server"]

settings.register_profile("acmez", database=None, deadline=None, derandomize=True)
settings.load_profile("acmez")


@pytest.fixture
def transport(authority: trustme.CA) -> Iterator[Transport]:
    with Transport(trust=authority.cert_pem.bytes()) as opened:
        yield opened


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey(P256)


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def no_thread_is_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), f"left behind: {thread.name}"
