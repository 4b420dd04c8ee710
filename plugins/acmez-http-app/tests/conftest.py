from __future__ import annotations

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
