"""Which sockets there are for a host, and why there are none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from acmez_http_standalone import StandaloneError
from acmez_http_standalone.listening import listen

NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Run the test as a user without rights, where it is started by root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


def addresses(listeners: list[socket.socket]) -> list[tuple[str, int]]:
    """Return where they listen, and close them."""
    found = [listener.getsockname()[:2] for listener in listeners]
    for listener in listeners:
        listener.close()
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_has_one_socket(host):
    ((address, port),) = addresses(listen(host, 0))
    assert address == host
    assert port > 0


@pytest.mark.usefixtures("every_address")
def test_no_host_means_all_addresses_of_both_families_on_one_port():
    (first, port), (second, same) = addresses(listen("", 0))
    assert (first, second) == ("::1", "127.0.0.1")
    assert port == same


@pytest.mark.usefixtures("every_address")
def test_a_free_port_is_free_for_both_families(monkeypatch):
    create_server = socket.create_server
    with create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        given = iter([taken])  # what the system gives first for IPv6, where it is free

        def create(address, *, family: int, backlog: int):
            host, port = address
            return create_server((host, port or next(given, 0)), family=family, backlog=backlog)

        monkeypatch.setattr(socket, "create_server", create)
        (_, port), (_, same) = addresses(listen("", 0))
    assert port == same != taken


def test_a_machine_without_one_family_serves_the_other(every_address):
    every_address[0] = "2001:db8::1"  # not an address of this machine
    assert [host for host, _ in addresses(listen("", 0))] == ["127.0.0.1"]


@pytest.mark.usefixtures("every_address")
def test_the_port_of_one_family_in_use_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StandaloneError, match=f"^port {port}: is in use: "):
            listen("", port)
        socket.create_server(("::1", port), family=socket.AF_INET6).close()


def test_an_address_of_another_machine_is_told():
    with pytest.raises(StandaloneError, match=r"^'192\.0\.2\.1': is not an address of this machine$"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize("host", ["no such host", "a..b", "x" * 70 + ".test"])
def test_an_unknown_host_is_told(host):
    with pytest.raises(StandaloneError, match=f"^'{host}': no such host: "):
        listen(host, 0)


@pytest.mark.usefixtures("unprivileged")
def test_a_port_of_root_is_told_with_the_ways_out():
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    assert lowest > 1, "this machine gives every port to everybody"
    with pytest.raises(StandaloneError) as caught:
        listen("127.0.0.1", lowest - 1)
    assert str(caught.value).startswith(f"port {lowest - 1}: permission denied: run as root, ")
    assert "cap_net_bind_service" in str(caught.value)
    assert f"redirect port {lowest - 1} to it" in str(caught.value)
