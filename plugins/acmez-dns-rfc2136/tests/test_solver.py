"""What a real server holds before, between and after: BIND, Knot and PowerDNS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from acmez_dns_rfc2136 import Rfc2136Solver, UpdateError

from acmez.acme.challenge import Challenge
from acmez.acme.challenges import txt_record
from acmez.acme.errors import InputError
from acmez.acme.identifier import Identifier
from acmez.dns import DnsOptions, NoAnswerError
from acmez.options import Secret
from acmez.protocols import Batching, CancelScope, Solver
from tests.dns.servers import SECRET, DnsServer, PowerDns

ChallengeFor = Callable[..., Challenge]


def solver_for(server: DnsServer, **options: object) -> Rfc2136Solver:
    key: dict[str, object] = {"key_name": "acme-key", "key_secret": Secret(SECRET)}
    return Rfc2136Solver(server=server.where, **key | options)  # type: ignore[arg-type]


@pytest.fixture
def solver(server: DnsServer) -> Rfc2136Solver:
    return solver_for(server)


def value_of(challenge: Challenge) -> str:
    return f'"{txt_record(challenge).value}"'


def name_of(challenge: Challenge) -> str:
    return txt_record(challenge).name


def test_it_is_a_solver_of_every_dns_challenge(solver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("dns-rfc2136", "dns-01")
    assert solver.other_types == ("dns-account-01", "dns-persist-01")
    assert isinstance(solver, Batching)


@pytest.mark.parametrize("kind", ["dns-01", "dns-account-01"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_zone_is_as_before_when_it_is_cleaned_up(server, challenge_for: ChallengeFor, scope, kind, transport):
    solver = solver_for(server, transport=transport)
    before = server.dump("example.test")
    challenge = challenge_for("www.example.test", kind)
    handle = solver.present(challenge, scope)
    assert server.ask(name_of(challenge)) == [value_of(challenge)]
    solver.clean_up(challenge, handle, scope)
    assert server.dump("example.test") == before


def test_a_persistent_record_stays(server, solver, challenge_for, scope):
    challenge = challenge_for("keep.example.test", "dns-persist-01")
    handle = solver.present(challenge, scope)
    solver.clean_up(challenge, handle, scope)
    solver.present(challenge, scope)
    assert server.ask("_validation-persist.keep.example.test") == [value_of(challenge)]


def test_apex_and_wildcard_have_two_values_at_one_name(server, solver, challenge_for, scope):
    challenges = [challenge_for("example.test"), challenge_for("example.test", wildcard=True)]
    handles = solver.present_many(challenges, scope)
    assert server.ask("_acme-challenge.example.test") == sorted(map(value_of, challenges))
    solver.clean_up(challenges[0], handles[0], scope)
    assert server.ask("_acme-challenge.example.test") == [value_of(challenges[1])]
    solver.clean_up(challenges[1], handles[1], scope)
    assert server.ask("_acme-challenge.example.test") == []


def test_values_of_others_and_their_ttl_are_kept(server, solver, challenge_for, scope):
    before = server.dump("example.test")
    challenge = challenge_for("shared.example.test")
    handle = solver.present(challenge, scope)
    during = server.dump("example.test")
    assert set(during) - set(before) == {f"_acme-challenge.shared 120 TXT {value_of(challenge)}"}
    assert set(before) <= set(during)
    solver.clean_up(challenge, handle, scope)
    assert server.dump("example.test") == before


def test_presenting_and_cleaning_up_twice_changes_nothing_more(server, solver, challenge_for, scope):
    before = server.dump("example.test")
    challenge = challenge_for("twice.example.test")
    handles = [solver.present(challenge, scope), solver.present(challenge, scope)]
    assert server.ask(name_of(challenge)) == [value_of(challenge)]
    for handle in (*handles, None):
        solver.clean_up(challenge, handle, scope)
        assert server.dump("example.test") == before


def test_what_was_never_presented_is_cleaned_up_without_a_word(server, solver, challenge_for, scope):
    before = server.dump("example.test")
    solver.clean_up(challenge_for("never.example.test"), None, scope)
    assert server.dump("example.test") == before


def test_records_of_several_zones_go_to_their_zones(server, solver, challenge_for, scope):
    challenges = [challenge_for(f"n{n}.{zone}") for n in range(20) for zone in ("example.test", "sub.example.test")]
    handles = solver.present_many(challenges, scope)
    assert [handle["zone"] for handle in handles] == ["example.test", "sub.example.test"] * 20
    assert all(server.ask(name_of(each)) == [value_of(each)] for each in challenges[:4])
    assert len([line for line in server.dump("sub.example.test") if " TXT " in line]) == 20
    solver.clean_up_many(challenges, handles, scope)
    assert not [line for line in server.dump("sub.example.test") if " TXT " in line]


def test_the_records_of_many_names_go_in_one_update(server, solver, challenge_for, scope):
    serial = server.ask("example.test", "SOA")[0].split()[2]
    challenges = [challenge_for(f"batch{n}.example.test") for n in range(50)]
    handles = solver.present_many(challenges, scope)
    solver.clean_up_many(challenges, handles, scope)
    assert int(server.ask("example.test", "SOA")[0].split()[2]) - int(serial) == 2


def test_many_threads_at_one_name_lose_no_value(server, solver, challenge_for, scope):
    challenges = [challenge_for("busy.example.test") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(lambda each: solver.present(each, scope), challenges))
        assert server.ask("_acme-challenge.busy.example.test") == sorted(map(value_of, challenges))
        list(pool.map(lambda pair: solver.clean_up(*pair, scope), zip(challenges, handles, strict=True)))
    assert server.ask("_acme-challenge.busy.example.test") == []


CLEAN_UP = """
import json, sys
from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier
from acmez.options import Secret
from acmez.protocols import CancelScope
from acmez_dns_rfc2136 import Rfc2136Solver

server, name, secret, handle = sys.argv[1:]
challenge = Challenge("dns-01", "", "pending", Identifier.dns(name))
solver = Rfc2136Solver(server=server, key_name="acme-key", key_secret=Secret(secret))
solver.clean_up(challenge, json.loads(handle), CancelScope(30))
"""


def test_after_a_crash_the_handle_is_enough_for_another_process(server, solver, challenge_for, scope):
    before = server.dump("example.test")
    challenge = challenge_for("crash.example.test")
    handle = json.dumps(solver.present(challenge, scope))
    script = [sys.executable, "-c", CLEAN_UP, server.where, "crash.example.test", SECRET, handle]
    subprocess.run(script, check=True, timeout=30)
    assert server.dump("example.test") == before


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

    def test_a_handle_of_somebody_else(self, server, scope):
        with pytest.raises(InputError, match="the handle is not one of a DNS solver"):
            solver_for(server).clean_up(challenge_of("example.test"), {"record": "42"}, scope)


def challenge_of(name: str) -> Challenge:
    return Challenge("dns-01", "", "pending", Identifier.dns(name))


def test_a_server_that_does_not_answer_is_told(server, challenge_for):
    solver = solver_for(server, timeout=0.3, dns=DnsOptions(cname="never", zones=["example.test"]))
    with server.stopped(), pytest.raises(NoAnswerError, match=f"{server.where}: no answer over TCP"):
        solver.present(challenge_for("www.example.test"), CancelScope(30))
