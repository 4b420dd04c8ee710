"""What a real server holds before, between and after: BIND, Knot and PowerDNS."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import pytest
from acmez_dns_rfc2136 import Rfc2136Solver, UpdateError

from acmez.acme.challenge import Challenge
from acmez.acme.challenges import txt_record
from acmez.acme.errors import Cancelled, InputError
from acmez.acme.identifier import Identifier
from acmez.dns import DnsOptions, NoAnswerError
from acmez.options import Secret
from acmez.protocols import CancelScope
from tests.dns.contract import DnsSolverContract
from tests.dns.scripted import ScriptedServer, answer, silent
from tests.dns.servers import SECRET, DnsServer, PowerDns

ChallengeFor = Callable[..., Challenge]


def solver_for(server: DnsServer, **options: object) -> Rfc2136Solver:
    key: dict[str, object] = {"key_name": "acme-key", "key_secret": Secret(SECRET)}
    return Rfc2136Solver(server=server.where, **key | options)  # type: ignore[arg-type]


@pytest.fixture
def solver(server: DnsServer) -> Rfc2136Solver:
    return solver_for(server)


@pytest.fixture
def provider(server: DnsServer) -> DnsServer:
    return server


class TestContract(DnsSolverContract):
    @pytest.fixture(params=["tcp", "udp"])
    def solver(self, server: DnsServer, request: pytest.FixtureRequest) -> Rfc2136Solver:
        return solver_for(server, transport=request.param)


def value_of(challenge: Challenge) -> str:
    return f'"{txt_record(challenge).value}"'


def name_of(challenge: Challenge) -> str:
    return txt_record(challenge).name


def test_values_of_others_and_their_ttl_are_kept(server, solver, challenge_for, scope):
    before = server.dump("example.test")
    challenge = challenge_for("shared.example.test")
    handle = solver.present(challenge, scope)
    during = server.dump("example.test")
    assert set(during) - set(before) == {f"_acme-challenge.shared 120 TXT {value_of(challenge)}"}
    assert set(before) <= set(during)
    solver.clean_up(challenge, handle, scope)
    assert server.dump("example.test") == before


def test_records_of_several_zones_go_to_their_zones(server, solver, challenge_for, scope):
    challenges = [challenge_for(f"n{n}.{zone}") for n in range(20) for zone in ("example.test", "sub.example.test")]
    handles = solver.present_many(challenges, scope)
    assert [handle["zone"] for handle in handles] == ["example.test", "sub.example.test"] * 20
    assert all(server.ask(name_of(each)) == [value_of(each)] for each in challenges[:4])
    assert len([line for line in server.dump("sub.example.test") if " TXT " in line]) == 20
    solver.clean_up_many(challenges, handles, scope)
    assert not [line for line in server.dump("sub.example.test") if " TXT " in line]


def test_where_no_zone_can_be_found_nothing_was_touched(challenge_for, scope):
    with ScriptedServer(lambda query: [answer(query, rcode="SERVFAIL")]).running() as failing:
        options = DnsOptions(resolvers=[failing.where])
        solver = Rfc2136Solver(server=failing.where, dns=options)
        with pytest.raises(NoAnswerError, match="no resolver knows") as caught:
            solver.present(challenge_for("www.example.test"), scope)
    assert caught.value.untouched


@pytest.mark.parametrize("verify", [True, False])
def test_what_is_refused_touches_nothing_unless_another_zone_took_its_part(server, challenge_for, scope, verify):
    zones = DnsOptions(cname="never", zones=["example.test", "other.test"])
    solver = solver_for(server, dns=zones, verify=verify)
    taken, refused = challenge_for("taken.example.test"), challenge_for("www.other.test")
    with pytest.raises(UpdateError) as caught:
        solver.present_many([refused], scope)
    # An unsigned answer to an update proves nothing; to a question that came before the update, it need not.
    assert caught.value.untouched == (verify or "unsigned" not in str(caught.value))
    with pytest.raises(UpdateError) as caught:
        solver.present_many([refused, taken], scope)
    assert not caught.value.untouched
    assert server.ask(name_of(taken)) == [value_of(taken)]
    solver.clean_up(taken, None, scope)


@pytest.mark.parametrize(("rcode", "untouched"), [("REFUSED", True), ("SERVFAIL", False)])
def test_after_a_server_failed_nobody_knows_whether_it_has_changed(challenge_for, scope, rcode, untouched):
    with ScriptedServer(lambda query: [answer(query, rcode=rcode)]).running() as failing:
        zones = DnsOptions(cname="never", zones=["example.test"])
        solver = Rfc2136Solver(server=failing.where, dns=zones, verify=False)
        with pytest.raises(UpdateError, match=rcode) as caught:
            solver.present(challenge_for("www.example.test"), scope)
    assert caught.value.untouched == untouched


def test_the_records_of_many_names_go_in_one_update(server, solver, challenge_for, scope):
    serial = server.ask("example.test", "SOA")[0].split()[2]
    challenges = [challenge_for(f"batch{n}.example.test") for n in range(50)]
    handles = solver.present_many(challenges, scope)
    solver.clean_up_many(challenges, handles, scope)
    assert int(server.ask("example.test", "SOA")[0].split()[2]) - int(serial) == 2


@pytest.mark.parametrize("algorithm", ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"])
def test_every_algorithm_is_spoken(server, challenge_for, scope, algorithm):
    solver = solver_for(server, key_name=f"key-{algorithm}", key_algorithm=algorithm)
    challenge = challenge_for("algorithm.example.test")
    handle = solver.present(challenge, scope)
    assert server.ask(name_of(challenge)) == [value_of(challenge)]
    solver.clean_up(challenge, handle, scope)


class TestAliases:
    def test_the_record_is_put_where_an_alias_leads(self, server, solver, challenge_for, scope):
        challenge = challenge_for("alias.example.test")
        handle = solver.present(challenge, scope)
        assert handle["name"] == "x.acme.test"
        assert server.ask("x.acme.test") == [value_of(challenge)]
        solver.clean_up(challenge, handle, scope)
        assert server.ask("x.acme.test") == []

    def test_a_server_that_ignores_the_record_of_an_alias_is_caught(self, server, challenge_for, scope):
        solver = solver_for(server, dns=DnsOptions(cname="never"))
        with pytest.raises(UpdateError) as caught:
            solver.present(challenge_for("alias.example.test"), scope)
        if isinstance(server, PowerDns):
            assert "REFUSED" in str(caught.value)
        else:
            assert str(caught.value) == (
                f"{server.where}: '_acme-challenge.alias.example.test': the server ignored the record: "
                "it is an alias of 'x.acme.test' (follow it, or remove the CNAME)"
            )

    def test_an_alias_of_a_wildcard_is_not_followed(self, server, solver, challenge_for, scope):
        challenge = challenge_for("any.wild.example.test")
        handle = solver.present(challenge, scope)
        assert server.ask("_acme-challenge.any.wild.example.test") == [value_of(challenge)]
        solver.clean_up(challenge, handle, scope)
        assert server.ask("_acme-challenge.any.wild.example.test", "CNAME") == ["www.example.test."]

    def test_a_table_says_where_to_put_a_record(self, server, challenge_for, scope):
        table = {"_acme-challenge.mapped.example.test": "mapped.acme.test"}
        solver = solver_for(server, dns=DnsOptions(cname=table, zones=["acme.test"]))
        challenge = challenge_for("mapped.example.test")
        handle = solver.present(challenge, scope)
        assert server.ask("mapped.acme.test") == [value_of(challenge)]
        solver.clean_up(challenge, handle, scope)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "bind", "knot", "powerdns"),
        [
            (
                {"key_name": "", "key_secret": None},
                "REFUSED: an update that is not signed may not change it",
                "NOTAUTH: the server is no primary of the zone, or takes no updates of it by an update that is not",
                "REFUSED: an update that is not signed may not change it",
            ),
            (
                {"key_name": "unknown"},
                "BADKEY: the server does not know key 'unknown'",
                "BADKEY: the server does not know key 'unknown'",
                "unsigned: the server does not know key 'unknown'",
            ),
            (
                {"key_secret": Secret("d3Jvbmc=")},
                "BADSIG: 'key_secret' is not the server's for key 'acme-key'",
                "BADSIG: 'key_secret' is not the server's for key 'acme-key'",
                "unsigned: the server does not know key 'acme-key', its secret is another",
            ),
        ],
        ids=["unsigned", "unknown key", "wrong secret"],
    )
    @pytest.mark.parametrize("verify", [True, False])
    def test_a_key_that_is_not_accepted(self, server, challenge_for, scope, options, bind, knot, powerdns, verify):
        before = server.dump("example.test")
        solver = solver_for(server, verify=verify, **options)
        with pytest.raises(UpdateError) as caught:
            solver.present(challenge_for("www.example.test"), scope)
        message = str(caught.value)
        assert message.startswith(f"{server.where}: zone 'example.test': ")
        assert {"named": bind, "knotd": knot, "pdns_server": powerdns}[server.program] in message
        assert SECRET not in message
        assert server.dump("example.test") == before

    def test_a_zone_that_is_not_served(self, server, challenge_for, scope):
        solver = solver_for(server, dns=DnsOptions(zones=["other.test"], cname="never"))
        with pytest.raises(UpdateError, match=r"zone 'other.test': (REFUSED|NOTAUTH|refused with \w+, unsigned)"):
            solver.present(challenge_for("www.other.test"), scope)

    def test_a_name_outside_of_the_zone(self, server, scope):
        solver = solver_for(server)
        record = {"zone": "example.test", "name": "www.example.test", "value": "x"}
        with pytest.raises(InputError, match="the handle is not one of a DNS solver"):
            solver.clean_up(challenge_of("example.test"), record | {"name": "www.other.test"}, scope)


def challenge_of(name: str) -> Challenge:
    return Challenge("dns-01", "", "pending", Identifier.dns(name))


def test_a_server_that_does_not_answer_is_told(server, challenge_for):
    solver = solver_for(server, timeout=0.3, dns=DnsOptions(cname="never", zones=["example.test"]))
    with server.stopped(), pytest.raises(NoAnswerError, match=f"{server.where}: no answer over TCP"):
        solver.present(challenge_for("www.example.test"), CancelScope(30))


@pytest.mark.parametrize(
    ("rcode", "told"), [("SERVFAIL", "SERVFAIL: the server failed, and its log says why"), ("NOTIMP", "NOTIMP: ")]
)
def test_a_server_that_fails_is_told(challenge_for, scope, rcode, told):
    def failing(query: dns.message.Message) -> list[dns.message.Message]:
        return [answer(query, rcode=rcode)]

    with ScriptedServer(failing).running() as server:
        solver = Rfc2136Solver(server.where, verify=False, dns=DnsOptions(cname="never", zones=["example.test"]))
        with pytest.raises(UpdateError) as caught:
            solver.present(challenge_for("www.example.test"), scope)
    assert str(caught.value).startswith(f"{server.where}: zone 'example.test': {told}")


def test_a_server_that_hangs_keeps_nobody_who_is_cancelled(challenge_for, soon_cancelled):
    with ScriptedServer(silent).running() as server:
        solver = Rfc2136Solver(server.where, transport="udp", dns=DnsOptions(cname="never", zones=["example.test"]))
        with pytest.raises(Cancelled):
            solver.present(challenge_for("www.example.test"), soon_cancelled)
