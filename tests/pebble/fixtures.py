"""The fixtures `pebble`, `pebble_factory` and `any_ca`, for the tests of the core and of every plugin."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from acmez_testkit import EmbeddedCA

from tests.no_skips import is_ci
from tests.pebble.install import Binaries, UnavailableError, find_or_build
from tests.pebble.server import Pebble, PebbleOptions


class PebbleFactory(Protocol):
    """Starts one more server, which is stopped when the test ends."""

    def __call__(self, options: PebbleOptions | None = None) -> Pebble: ...


@dataclass(frozen=True)
class AnyCA:
    """A CA, what vouches for its server, and the ports where it validates; Pebble is shared: use names of your own."""

    directory_url: str
    trust: Path
    http_port: int
    tls_port: int


@pytest.fixture(scope="session")
def pebble_binaries() -> Binaries:
    """Pebble's programs; the test is skipped where they cannot be had, but never in CI."""
    try:
        return find_or_build()
    except UnavailableError as error:
        if is_ci(os.environ):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def pebble(pebble_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """One Pebble with the default options, shared by all tests of this process: use names of your own."""
    with Pebble(tmp_path_factory.mktemp("pebble"), binaries=pebble_binaries) as server:
        yield server


@pytest.fixture
def pebble_factory(pebble_binaries: Binaries, tmp_path: Path) -> Iterator[PebbleFactory]:
    """Start Pebbles with other options: `pebble_factory(PebbleOptions(nonce_reject=50))`."""
    with contextlib.ExitStack() as stack:

        def start(options: PebbleOptions | None = None) -> Pebble:
            return stack.enter_context(Pebble(tmp_path, options, pebble_binaries))

        yield start


@pytest.fixture(params=["embedded", "pebble"])
def any_ca(request: pytest.FixtureRequest, tmp_path: Path) -> AnyCA:
    """Run the test with the embedded CA, and with a real Pebble."""
    if request.param == "pebble":
        pebble: Pebble = request.getfixturevalue("pebble")
        return AnyCA(pebble.directory_url, pebble.trust, pebble.http_port, pebble.tls_port)
    embedded: EmbeddedCA = request.getfixturevalue("acme_ca")
    ports = embedded.behaviour.http_port, embedded.behaviour.tls_port
    return AnyCA(embedded.directory_url, embedded.write_trust(tmp_path / "any-ca.pem"), *ports)
