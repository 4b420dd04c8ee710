"""What a real server holds before, between and after, with Lexicon in between."""

from __future__ import annotations

import socket

import pytest
from acmez_dns_lexicon import LexiconError, LexiconSolver
from acmez_dns_lexicon.providers import provider_names

from acmez.acme.errors import Cancelled
from acmez.options import Secret
from acmez.protocols import CancelScope
from tests.dns.contract import DnsSolverContract, value_of
from tests.dns.fake_api import FakeApi, Reply


class TestContract(DnsSolverContract):
    """The tests of every DNS solver."""


def test_every_provider_of_lexicon_can_be_named():
    names = provider_names()
    assert len(names) >= 80
    assert all(LexiconSolver(provider=name).provider == name for name in names)


def test_nothing_is_fetched_to_find_the_zone(solver, challenge_for, scope, monkeypatch):
    """Lexicon's own client would fetch the list of public suffixes."""
    real = socket.getaddrinfo

    def loopback_only(host: str, *args: int, **options: int) -> object:
        assert host == "127.0.0.1"
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", loopback_only)
    challenge = challenge_for("deep.below.example.test")
    handle = solver.present(challenge, scope)
    assert handle["zone"] == "example.test"
    solver.clean_up(challenge, handle, scope)


def test_records_of_several_zones_go_to_their_zones(provider, solver, challenge_for, scope):
    challenges = [challenge_for("a.example.test"), challenge_for("a.acme.test")]
    handles = solver.present_many(challenges, scope)
    assert provider.ask("_acme-challenge.a.acme.test") == [value_of(challenges[1])]
    solver.clean_up_many(challenges, handles, scope)
    assert provider.ask("_acme-challenge.a.acme.test") == []


class TestFailures:
    def told(self, solver, challenge, scope) -> str:
        with pytest.raises(LexiconError) as caught:
            solver.present(challenge, scope)
        return str(caught.value)

    def test_wrong_credentials(self, provider, make_solver, challenge_for, scope):
        before = provider.dump("example.test")
        credentials = {"auth_token": Secret("wrong-token"), "pdns_server": Secret(provider.api)}
        message = self.told(make_solver(credentials=credentials), challenge_for("example.test"), scope)
        assert message.startswith("zone 'example.test': 'powerdns': HTTPError: 401")
        assert "wrong-token" not in message
        assert provider.api not in message  # one of the credentials is taken for as secret as the other
        assert provider.dump("example.test") == before

    def test_missing_credentials(self, make_solver, challenge_for, scope):
        message = self.told(make_solver(credentials={}), challenge_for("example.test"), scope)
        assert "PowerDNS API endpoint not defined (pdns_server)" in message

    def test_a_zone_that_is_not_there(self, make_solver, challenge_for, scope):
        assert "'powerdns': HTTPError: 404" in self.told(make_solver(), challenge_for("other.test"), scope)

    def test_a_provider_whose_requirements_are_missing(self, make_solver, challenge_for, scope):
        solver = make_solver(
            provider="softlayer", credentials={"auth_username": Secret("me"), "auth_api_key": Secret("k3y")}
        )
        assert self.told(solver, challenge_for("example.test"), scope).endswith(
            "(pip install 'dns-lexicon[softlayer]')"
        )

    def test_a_server_that_fails(self, make_solver, challenge_for, scope):
        with FakeApi(lambda _: Reply(503, {"error": "t0p-secret is not known today"})).running() as server:
            credentials = {"auth_token": Secret("t0p-secret"), "pdns_server": Secret(server.url)}
            message = self.told(make_solver(credentials=credentials), challenge_for("example.test"), scope)
        assert message.startswith("zone 'example.test': 'powerdns': HTTPError: 503")
        assert "t0p-secret" not in message

    def test_a_server_that_hangs(self, provider, make_solver, challenge_for, scope):
        with provider.stopped():
            message = self.told(make_solver(timeout=0.3), challenge_for("example.test"), scope)
        assert message == "zone 'example.test': 'powerdns': did not come to an end within 0.3 s"

    def test_a_server_that_hangs_keeps_nobody_who_is_cancelled(self, provider, solver, challenge_for):
        with provider.stopped(), pytest.raises(Cancelled):
            solver.present(challenge_for("example.test"), CancelScope(0.3))
