"""The contract of solvers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from acmez_http_standalone import StandaloneSolver
from acmez_testkit.contracts import SolverContract

from acmez.acme.challenges import http_01
from acmez.protocols import Challenge
from tests.pebble.ports import ReservedPorts


class TestStandaloneSolver(SolverContract[StandaloneSolver]):
    outlives_process = False
    test_what_others_put_there_stays = None  # type: ignore[assignment]  # nobody else has a place in this server

    @pytest.fixture(autouse=True)
    def _port(self) -> Iterator[None]:
        # The second port stays taken.
        with ReservedPorts(1) as free, socket.create_server(("127.0.0.1", 0)) as taken:
            (self.port,), self.taken = free.numbers, taken.getsockname()[1]
            yield

    def make(self) -> StandaloneSolver:
        return StandaloneSolver(host="127.0.0.1", port=self.port)

    def make_failing(self) -> StandaloneSolver:
        return StandaloneSolver(host="127.0.0.1", port=self.taken)

    def visible(self, challenge: Challenge) -> set[str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", http_01.answer(challenge).path)
            response = connection.getresponse()
            return {response.read().decode()} if response.status == 200 else set()
        except ConnectionRefusedError:
            return set()
        finally:
            connection.close()
