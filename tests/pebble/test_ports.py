"""A reserved port can be listened on by the server it is meant for, and by nobody else by chance."""

from __future__ import annotations

import socket

import pytest

from tests.pebble.ports import LOOPBACK, ReservedPorts


def test_reserved_ports_are_distinct():
    with ReservedPorts(20) as ports:
        assert len(set(ports.numbers)) == 20


def test_a_server_can_listen_on_a_reserved_port_again_and_again():
    with ReservedPorts(1) as ports:
        for _ in range(2):
            with socket.create_server((LOOPBACK, ports.numbers[0])) as server:
                socket.create_connection(server.getsockname(), timeout=5).close()


def test_a_second_listener_is_refused():
    with (
        ReservedPorts(1) as ports,
        socket.create_server((LOOPBACK, ports.numbers[0])),
        pytest.raises(OSError, match="already in use"),
    ):
        socket.create_server((LOOPBACK, ports.numbers[0]))


def test_a_reserved_port_is_not_given_to_anyone_who_asks_for_a_free_one():
    with ReservedPorts(1) as ports, ReservedPorts(200) as others:
        assert ports.numbers[0] not in others.numbers
