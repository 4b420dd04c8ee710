"""A server that adds and removes single values is asked for just that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from acmez_dns_powerdns import PowerDnsSolver

from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.contract import DnsSolverContract, value_of

from .newer_server import NewerServer

KNOWN = DnsOptions(cname="never", zones=["example.test"])


@pytest.fixture
def provider() -> Iterator[NewerServer]:
    server = NewerServer("example.test")
    server.put("example.test", "_acme-challenge.shared.example.test", '"foreign value"', '"another one" "in pieces"')
    with server.running():
        yield server


@pytest.fixture
def make_solver(provider: NewerServer) -> Callable[[], PowerDnsSolver]:
    return lambda: PowerDnsSolver(provider.url, Secret("secret-of-the-tests"), dns=KNOWN)


@pytest.fixture
def solver(make_solver: Callable[[], PowerDnsSolver]) -> PowerDnsSolver:
    return make_solver()


class TestContract(DnsSolverContract):
    """The tests of every DNS solver."""


def test_values_are_added_and_removed_one_by_one(provider, solver, challenge_for, scope):
    challenges = [challenge_for("shared.example.test"), challenge_for("shared.example.test", wildcard=True)]
    handles = solver.present_many(challenges, scope)
    solver.clean_up_many(challenges, handles, scope)
    assert provider.patched == [["EXTEND", "EXTEND"], ["PRUNE", "PRUNE"]]


def test_what_another_process_adds_between_reading_and_writing_stays(provider, solver, challenge_for, scope):
    answer = provider.answer
    name = "_acme-challenge.race.example.test"

    def racing(request):
        if request.method == "PATCH" and not provider.patched:
            provider.put("example.test", name, '"of another process"', ttl=60)
        return answer(request)

    provider.answer = racing
    challenge = challenge_for("race.example.test")
    solver.present(challenge, scope)
    assert provider.ask(name) == sorted(['"of another process"', value_of(challenge)])


def test_an_older_server_is_tried_once(provider, make_solver, challenge_for, scope):
    provider.single_values = False
    solver = make_solver()
    challenges = [challenge_for("example.test"), challenge_for("www.example.test")]
    for challenge in challenges:
        solver.present(challenge, scope)
    assert provider.patched == [["EXTEND"], ["REPLACE"], ["REPLACE"]]
    assert [provider.ask(f"_acme-challenge.{each.identifier}") for each in challenges] == [
        [value_of(each)] for each in challenges
    ]
