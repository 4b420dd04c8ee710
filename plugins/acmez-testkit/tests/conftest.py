from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from acmez_testkit import Behaviour, EmbeddedCA
from acmez_testkit.pytest_plugin import fake_dns, plugin_manager

from .raw import Raw
from .responders import Http01, TlsAlpn01

__all__ = ["fake_dns", "plugin_manager"]  # found here also where no conftest.py further up names the plugin


@pytest.fixture
def http01() -> Iterator[Http01]:
    with closing(Http01()) as responder:
        yield responder


@pytest.fixture
def tls_alpn01() -> Iterator[TlsAlpn01]:
    with closing(TlsAlpn01()) as responder:
        yield responder


@pytest.fixture
def start() -> Iterator[Callable[..., EmbeddedCA]]:
    """Starts a CA with these fields of Behaviour; it is stopped afterwards, has had no bug and left no thread."""
    threads = threading.active_count()
    with ExitStack() as stack:
        started: list[EmbeddedCA] = []

        def start(**fields: object) -> EmbeddedCA:
            ca = EmbeddedCA(Behaviour(**fields))  # type: ignore[arg-type]
            started.append(ca)
            return stack.enter_context(ca)

        yield start
    assert [error for ca in started for error in ca.internal_errors] == []
    assert threading.active_count() <= threads


@pytest.fixture
def client(start: Callable[..., EmbeddedCA]) -> Iterator[Callable[..., Raw]]:
    """Makes a registered client, of a new CA with these fields of Behaviour or of one that is there."""
    with ExitStack() as stack:

        def client(ca: EmbeddedCA | None = None, **fields: object) -> Raw:
            raw = stack.enter_context(closing(Raw(ca or start(**fields))))
            assert raw.register().status == 201
            return raw

        yield client
