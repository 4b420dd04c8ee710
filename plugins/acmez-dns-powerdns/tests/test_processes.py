"""Several processes change the values at one name of a real server at once, and none is lost."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading

import pytest
from acmez_dns_powerdns import PowerDnsSolver

from acmez.dns import DnsOptions
from acmez.dns.api import ApiError
from acmez.options import Secret
from tests.dns.fake_api import Reply
from tests.dns.processes import Process

from .newer_server import NewerServer

PROCESSES = 3
THREADS = 4

WORK = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from acmez_dns_powerdns import PowerDnsSolver
from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier
from acmez.dns import DnsOptions
from acmez.options import Secret
from acmez.protocols import CancelScope

url, key, number, threads = sys.argv[1:]
solver = PowerDnsSolver(url, Secret(key), dns=DnsOptions(cname="never", zones=["example.test"]))
challenges = [
    Challenge("dns-01", "", "pending", Identifier.dns("busy.example.test"), token=f"t{number}-{n}", thumbprint="x")
    for n in range(int(threads))
]
scope = CancelScope(60)
with ThreadPoolExecutor(len(challenges)) as pool:
    print("ready", flush=True)
    sys.stdin.readline()
    handles = list(pool.map(lambda each: solver.present(each, scope), challenges))
    print(json.dumps([handle["value"] for handle in handles]), flush=True)
    sys.stdin.readline()
    list(pool.map(solver.clean_up, challenges, handles, [scope] * len(challenges)))
"""


@pytest.mark.parametrize("apart", [False, True], ids=["one machine", "two machines"])
def test_each_value_is_there_until_its_process_removes_it(provider, tmp_path, monkeypatch, *, apart):
    """Processes whose temporary directories are different have no lock in common, as if on several machines."""
    before = provider.dump("example.test")
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(PROCESSES):
            directory = tmp_path / str(number if apart else 0)
            directory.mkdir(exist_ok=True)
            monkeypatch.setenv("TMPDIR", str(directory))
            running.append(Process(stack, WORK, provider.api, provider.api_key, str(number), str(THREADS)))
        assert [each.hear() for each in running] == ["ready"] * PROCESSES
        for each in running:
            each.go_on()
        values = [value for each in running for value in json.loads(each.hear())]
        assert len({*values}) == PROCESSES * THREADS
        assert provider.ask("_acme-challenge.busy.example.test") == sorted(f'"{value}"' for value in values)
        for each in running:
            each.go_on()
        assert [each.end() for each in running] == [0] * PROCESSES
    assert provider.dump("example.test") == before


class TestUndone:
    """An older server, where a process without our lock replaces what is at a name."""

    @pytest.fixture
    def server(self):
        with NewerServer("example.test", single_values=False).running() as server:
            yield server

    @pytest.fixture
    def solver(self, server) -> PowerDnsSolver:
        return PowerDnsSolver(
            server.url, Secret("secret-of-the-tests"), dns=DnsOptions(cname="never", zones=["example.test"])
        )

    def undoing(self, server: NewerServer, times: int) -> None:
        """Let another process put back what it had read, after each of the next changes."""
        answer = server.answer
        left = threading.Semaphore(times)

        def undo(request) -> Reply:
            reply = answer(request)
            replaced = request.method == "PATCH" and server.patched[-1] == ["REPLACE"]
            if replaced and left.acquire(blocking=False):
                server.put("example.test", "_acme-challenge.example.test", '"of another process"')
            return reply

        server.answer = undo

    def test_a_change_that_was_undone_is_made_again(self, server, solver, challenge_for, scope):
        self.undoing(server, 2)
        handle = solver.present(challenge_for("example.test"), scope)
        found = server.ask("_acme-challenge.example.test")
        assert found == sorted(['"of another process"', f'"{handle["value"]}"'])

    def test_one_that_is_undone_each_time_is_told(self, server, solver, challenge_for, scope):
        self.undoing(server, 1000)
        with pytest.raises(ApiError, match=r"somebody undoes each change of '_acme-challenge\.example\.test'"):
            solver.present(challenge_for("example.test"), scope)


def test_where_no_lock_file_can_be_made_it_goes_on_without(provider, solver, challenge_for, scope, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/none")
    challenge = challenge_for("unlocked.example.test")
    handle = solver.present(challenge, scope)
    assert provider.ask("_acme-challenge.unlocked.example.test") == [f'"{handle["value"]}"']
    solver.clean_up(challenge, handle, scope)
