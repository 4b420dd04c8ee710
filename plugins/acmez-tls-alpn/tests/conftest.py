from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope, Challenge

ChallengeFor = Callable[..., Challenge]
TOKEN = "tok-EN_1"


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(30)


@pytest.fixture
def challenge() -> Challenge:
    return make_challenge()


@pytest.fixture
def challenge_for() -> ChallengeFor:
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


def make_challenge(name: str = "example.com", token: str | None = TOKEN) -> Challenge:
    identifier = Identifier.ip(name) if ":" in name or name[-1].isdigit() else Identifier.dns(name)
    return Challenge(
        type="tls-alpn-01",
        url=f"https://ca.test/challenge/{name}/{token}",
        status="pending",
        identifier=identifier,
        token=token,
        thumbprint="thumb-PRINT_1",
        raw={} if token is None else {"token": token},
    )
