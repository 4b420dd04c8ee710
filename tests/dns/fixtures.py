"""Fixtures that start name servers, for the tests of the core and of every DNS plugin."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.directory import Meta
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope
from tests.dns.servers import DnsServer, MissingError
from tests.no_skips import is_ci
from tests.pebble.ports import ReservedPorts

Server = TypeVar("Server", bound=DnsServer)


class Starter:
    """Starts name servers, which end with the fixture.

    Attributes:
        port: one that is free on every loopback address.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def ports(self, count: int) -> list[int]:
        """Return free ports."""
        return self._stack.enter_context(ReservedPorts(count)).numbers

    def __call__(self, server: Server) -> Server:
        """Start *server*; the test is skipped where it is not installed, but never in CI."""
        try:
            self._stack.enter_context(server)
        except MissingError as error:
            if is_ci(os.environ):
                raise
            pytest.skip(str(error))
        return server


@contextlib.contextmanager
def starting() -> Iterator[Starter]:
    with contextlib.ExitStack() as stack:
        yield Starter(stack)


@pytest.fixture
def start_server() -> Iterator[Starter]:
    """Start name servers that end with the test."""
    with starting() as starter:
        yield starter


@pytest.fixture(scope="module")
def start_module_server() -> Iterator[Starter]:
    """Start name servers that end with the last test of the module."""
    with starting() as starter:
        yield starter


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(60)  # on a busy machine, too


@pytest.fixture
def soon_cancelled() -> Iterator[CancelScope]:
    """A scope that is cancelled in a moment: long enough for a call to be under way."""
    scope = CancelScope(60)
    timer = threading.Timer(0.2, scope.cancel)
    timer.start()
    yield scope
    timer.join()


@pytest.fixture
def challenge_for() -> Callable[..., Challenge]:
    """Make challenges, each with a token of its own: `challenge_for("example.test", "dns-01", wildcard=True)`.

    *revision* is that of draft-ietf-acme-dns-persist.
    """
    tokens = itertools.count()

    def make(name: str, kind: str = "dns-01", *, wildcard: bool = False, revision: int = 1) -> Challenge:
        url = "https://ca.test/challenge/1"
        issuers = "issuer-domain-names" if revision == 1 else "issuerDomainNames"
        return Challenge.from_json(
            {"type": kind, "url": url, "token": f"token-{next(tokens)}", issuers: ["ca.test"]},
            url,
            identifier=Identifier.dns(name),
            wildcard=wildcard,
            thumbprint="NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            account_url="https://ca.test/account/1",
            meta=Meta(account_hash_prefix="https://ca.test/account-hash/"),
        )

    return make
