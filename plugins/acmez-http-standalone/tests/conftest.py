from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope, Challenge


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(30)


@pytest.fixture
def challenge() -> Challenge:
    return make_challenge("tok-EN_1")


@pytest.fixture
def challenge_for() -> Callable[[str | None], Challenge]:
    return make_challenge


@pytest.fixture
def every_address(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the system calls all its addresses: here only those of loopback."""
    wildcard = ["::1", "127.0.0.1"]
    real = socket.getaddrinfo

    def getaddrinfo(host: str | None, port: int, *args: int, **options: int) -> list[object]:
        hosts = wildcard if host is None else [host]
        return [found for one in hosts for found in real(one, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return wildcard


def make_challenge(token: str | None) -> Challenge:
    return Challenge(
        type="http-01",
        url="https://ca.test/challenge/1",
        status="pending",
        identifier=Identifier.dns("example.com"),
        token=token,
        thumbprint="thumb-PRINT_1",
        raw={} if token is None else {"token": token},
    )
