"""The fixtures, for `pytest_plugins = ["acmez_testkit.pytest_plugin"]` in the top conftest.py."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from acmez_testkit.behaviour import Behaviour
from acmez_testkit.ca import EmbeddedCA

if TYPE_CHECKING:
    from acmez.plugins import PluginManager
    from acmez_testkit.fake_dns import FakeDNS


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for --strict-markers."""
    config.addinivalue_line("markers", "acme_ca(**fields): fields of acmez_testkit.Behaviour for the fixture acme_ca")


@pytest.fixture
def acme_ca(request: pytest.FixtureRequest) -> Iterator[EmbeddedCA]:
    """A started CA that validates at free loopback ports (`acme_ca.behaviour.http_port`, `.tls_port`).

    `@pytest.mark.acme_ca(async_finalize=True)` sets fields of its Behaviour, on a module, a class or
    a test, the nearest one last; an indirect parameter is a mapping of fields, or a whole Behaviour.
    It fails the test at its end if the CA itself had an error.
    """
    with _reserved() as http_port, _reserved() as tls_port, EmbeddedCA(_behaviour(request, http_port, tls_port)) as ca:
        yield ca
    if ca.internal_errors:
        raise ExceptionGroup("errors of the embedded CA itself", list(ca.internal_errors))


@pytest.fixture
def fake_dns() -> Iterator[FakeDNS]:
    """An authoritative DNS server at a free loopback port (`fake_dns.address`), with the zone example.com."""
    from acmez_testkit.fake_dns import FakeDNS

    with FakeDNS("example.com") as server:
        yield server
    if server.internal_errors:
        raise ExceptionGroup("errors of the DNS server itself", list(server.internal_errors))


@pytest.fixture
def plugin_manager(monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    """A manager that knows what acmez brings and what the test registers, whatever is installed or blocked."""
    from acmez.plugins import BLOCK_VARIABLE, PluginManager

    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    return PluginManager(discover=False)


def _behaviour(request: pytest.FixtureRequest, http_port: int, tls_port: int) -> Behaviour:
    parameter: object = getattr(request, "param", {})
    if isinstance(parameter, Behaviour):
        return parameter
    if not isinstance(parameter, Mapping):
        raise pytest.UsageError(f"acme_ca: expected a Behaviour or a mapping of its fields, got {parameter!r}")
    fields: dict[str, object] = {"http_port": http_port, "tls_port": tls_port}
    for marker in reversed(list(request.node.iter_markers("acme_ca"))):
        fields.update(marker.kwargs)
    return Behaviour(**{**fields, **parameter})


@contextmanager
def _reserved() -> Iterator[int]:
    """Yield a free port that on Linux nobody else is given, though a server with SO_REUSEADDR can listen there."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port
