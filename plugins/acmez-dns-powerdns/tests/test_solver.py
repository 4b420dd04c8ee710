"""What a real PowerDNS holds before, between and after."""

from __future__ import annotations

import pytest
from acmez_dns_powerdns import PowerDnsSolver

from acmez.acme.challenges import txt_record
from acmez.acme.errors import Cancelled
from acmez.acme.retry import DefaultRetry
from acmez.dns import DnsOptions
from acmez.dns.api import ApiError
from acmez.options import Secret
from acmez.protocols import CancelScope
from tests.dns.contract import DnsSolverContract, value_of
from tests.dns.fake_api import FakeApi, Reply, Request

from .newer_server import NewerServer


class TestContract(DnsSolverContract):
    """The tests of every DNS solver."""


def test_the_ttl_of_others_is_kept(provider, solver, challenge_for, scope):
    challenge = challenge_for("shared.example.test")
    handle = solver.present(challenge, scope)
    assert f"_acme-challenge.shared 120 TXT {value_of(challenge)}" in provider.dump("example.test")
    solver.clean_up(challenge, handle, scope)


def test_the_records_of_several_names_go_in_one_change(provider, solver, challenge_for, scope):
    serial = provider.ask("example.test", "SOA")[0].split()[2]
    challenges = [challenge_for(f"batch{n}.example.test") for n in range(30)]
    handles = solver.present_many(challenges, scope)
    assert {handle["zone"] for handle in handles} == {"example.test"}
    solver.clean_up_many(challenges, handles, scope)
    assert int(provider.ask("example.test", "SOA")[0].split()[2]) - int(serial) <= 2


def test_the_record_is_put_where_an_alias_leads(provider, solver, challenge_for, scope):
    challenge = challenge_for("alias.example.test")
    handle = solver.present(challenge, scope)
    assert provider.ask("x.acme.test") == [value_of(challenge)]
    solver.clean_up(challenge, handle, scope)
    assert provider.ask("x.acme.test") == []


class TestRefusals:
    def told(self, solver, challenge, scope) -> str:
        with pytest.raises(ApiError) as caught:
            solver.present(challenge, scope)
        return str(caught.value)

    def test_a_wrong_key(self, provider, make_solver, challenge_for, scope):
        before = provider.dump("example.test")
        message = self.told(make_solver(api_key=Secret("wrong-key")), challenge_for("www.example.test"), scope)
        assert message.startswith(f"zone 'example.test': {provider.api}/api/v1/servers/localhost: HTTP status 401")
        assert message.endswith("(the server refuses 'api_key')")
        assert "wrong-key" not in message
        assert provider.dump("example.test") == before

    def test_a_zone_that_is_not_there(self, make_solver, challenge_for, scope):
        solver = make_solver(dns=DnsOptions(cname="never", zones=["other.test"]))
        message = self.told(solver, challenge_for("www.other.test"), scope)
        assert message.endswith("(there is no such zone (or no such 'server_id'))")

    def test_a_name_that_is_an_alias(self, make_solver, challenge_for, scope):
        solver = make_solver(dns=DnsOptions(cname="never", zones=["example.test"]))
        message = self.told(solver, challenge_for("alias.example.test"), scope)
        assert "HTTP status 422" in message
        assert "Conflicts with pre-existing RRset" in message

    def test_a_server_where_nothing_listens(self, make_solver, challenge_for, scope, monkeypatch):
        monkeypatch.setattr("acmez.dns.api.RETRY", DefaultRetry(attempts=4, first_delay=0.01))
        message = self.told(make_solver(url="http://127.0.0.1:1"), challenge_for("www.example.test"), scope)
        assert "127.0.0.1:1" in message
        assert "no answer" in message

    def test_a_server_that_fails(self, make_solver, challenge_for, scope, monkeypatch):
        monkeypatch.setattr("acmez.dns.api.RETRY", DefaultRetry(attempts=4, first_delay=0.01))
        with FakeApi(lambda _: Reply(500, {"error": "backend down"})).running() as server:
            solver = make_solver(url=server.url, dns=DnsOptions(cname="never", zones=["example.test"]))
            message = self.told(solver, challenge_for("www.example.test"), scope)
        assert message.endswith('HTTP status 500: {"error": "backend down"}')
        assert len(server.seen) == 4

    def test_a_server_that_stands_still(self, provider, make_solver, challenge_for, scope, monkeypatch):
        monkeypatch.setattr("acmez.dns.api.RETRY", DefaultRetry(attempts=4, first_delay=0.01))
        solver = make_solver(timeout=0.2, dns=DnsOptions(cname="never", zones=["example.test"]))
        with provider.stopped():
            assert "no answer" in self.told(solver, challenge_for("www.example.test"), scope)

    def test_a_server_that_stands_still_keeps_nobody_who_is_cancelled(self, provider, make_solver, challenge_for):
        solver = make_solver(dns=DnsOptions(cname="never", zones=["example.test"]))
        with provider.stopped(), pytest.raises(Cancelled):
            solver.present(challenge_for("www.example.test"), CancelScope(0.2))


def test_values_of_one_name_that_two_zones_share_by_aliases_are_all_kept(provider, solver, challenge_for, scope):
    """Two names of one order that are aliases of one name: apex and wildcard behind one CNAME."""
    challenges = [challenge_for("alias.example.test"), challenge_for("alias.example.test", wildcard=True)]
    handles = solver.present_many(challenges, scope)
    assert provider.ask("x.acme.test") == sorted(f'"{txt_record(each).value}"' for each in challenges)
    solver.clean_up_many(challenges, handles, scope)
    assert provider.ask("x.acme.test") == []


def test_a_change_that_met_another_one_is_made_again(challenge_for, scope, monkeypatch):
    monkeypatch.setattr("acmez.dns.api.RETRY", DefaultRetry(attempts=4, first_delay=0.01))
    with NewerServer("example.test").running() as server:
        solver = PowerDnsSolver(
            server.url, Secret("secret-of-the-tests"), dns=DnsOptions(cname="never", zones=["example.test"])
        )
        real = server.answer

        def answer(request: Request) -> Reply:
            failing = request.method == "PATCH" and server.seen.count(server.seen[-1]) == 1
            return Reply(500, {"error": "Internal Server Error"}) if failing else real(request)

        server.answer = answer
        solver.present(challenge_for("www.example.test"), scope)
    assert [each.split()[0] for each in server.seen] == ["GET", "PATCH", "PATCH", "GET"]
