"""What the tests of a hostile CA share: servers on loopback that answer whatever a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import trustme

from acmez.acme import Client, DefaultRetry, Transport
from tests.acme.server import LoopbackServer, authority, server
from tests.solvers import Lab, laboratory

__all__ = ["authority", "server"]

Start = Callable[..., Lab]


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


@pytest.fixture
def client(server: LoopbackServer, authority: trustme.CA) -> Iterator[Client]:
    """A client of `server`, of which it expects nothing but a directory and nonces."""
    with Transport(trust=authority.cert_pem.bytes()) as transport:
        yield Client(server.acme(), transport=transport, retry=DefaultRetry(attempts=1))
