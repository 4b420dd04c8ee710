"""Where records go: zones are found by their SOA records, aliases are followed, through a real resolver."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acmez.acme.errors import Cancelled, InputError
from acmez.acme.scope import CancelScope
from acmez.dns import DnsError, DnsOptions, NoAnswerError, RecordFinder, ZoneError, ZoneRecord, by_zone
from acmez.dns.servers import parse
from tests.dns.fixtures import start_server, starting
from tests.dns.propagating import challenge_for
from tests.dns.scripted import ScriptedServer, answer
from tests.dns.servers import Bind, Unbound, Zone

__all__ = ["start_server"]

RECORDS = [
    "www CNAME web.other.test.",
    "_acme-challenge.alias CNAME first.example.test.",
    "first CNAME x.other.test.",
    "_acme-challenge.loop CNAME loop",
    "loop CNAME _acme-challenge.loop",
    "_acme-challenge.lost CNAME nowhere.lame.test.",
    "*.wild CNAME web.other.test.",
    "_acme-challenge.explicit.wild CNAME x.other.test.",
    "moved DNAME other.test.",
    "sub NS ns1",
]


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    """A resolver that sees example.test, its child sub.example.test on the same server, and other.test."""
    folder = tmp_path_factory.mktemp("dns")
    with starting() as start:
        port, resolver_port = start.ports(2)
        zones = [Zone("example.test", RECORDS), Zone("sub.example.test"), Zone("other.test")]
        server = start(Bind(folder, port, zones))
        stubs = {zone.name: [server.where] for zone in zones} | {"lame.test": [server.where]}
        yield start(Unbound(folder, resolver_port, stubs=stubs))


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(30)


def place_of(resolver: Unbound, name: str, **options: object) -> tuple[str, str]:
    """Return zone and name of the record for dns-01."""
    given = DnsOptions(resolvers=[resolver.where], **options)  # type: ignore[arg-type]
    record = RecordFinder(given).find(challenge_for(name), CancelScope(30))
    return record.zone, record.name


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("example.test", "example.test"),
        ("a.b.c.example.test", "example.test"),
        ("sub.example.test", "sub.example.test"),
        ("a.sub.example.test", "sub.example.test"),
        ("www.example.test", "example.test"),
    ],
)
def test_the_zone_is_the_one_that_holds_the_name(resolver, name, zone):
    assert place_of(resolver, name) == (zone, f"_acme-challenge.{name}")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("dns-account-01", "_tvfzwo6j7wxyjk2y._acme-challenge.example.test"),
        ("dns-persist-01", "_validation-persist.example.test"),
    ],
)
def test_every_challenge_of_the_dns_has_its_place(resolver, scope, kind, name):
    finder = RecordFinder(DnsOptions(resolvers=[resolver.where]))
    record = finder.find(challenge_for("example.test", kind), scope)
    assert record.zone == "example.test"
    assert record.name.endswith(name.partition(".")[2])
    assert record.persistent == (kind == "dns-persist-01")


class TestAliases:
    def test_they_are_followed_to_their_end(self, resolver):
        assert place_of(resolver, "alias.example.test") == ("other.test", "x.other.test")

    def test_a_dname_is_one(self, resolver):
        assert place_of(resolver, "a.moved.example.test") == ("other.test", "_acme-challenge.a.other.test")

    def test_those_of_a_wildcard_are_not(self, resolver):
        assert place_of(resolver, "a.wild.example.test") == ("example.test", "_acme-challenge.a.wild.example.test")

    def test_one_beside_a_wildcard_is(self, resolver):
        assert place_of(resolver, "explicit.wild.example.test") == ("other.test", "x.other.test")

    def test_they_need_not_be_followed(self, resolver):
        assert place_of(resolver, "alias.example.test", cname="never") == (
            "example.test",
            "_acme-challenge.alias.example.test",
        )

    def test_a_table_says_where_a_record_goes(self, resolver):
        table = {"_acme-challenge.EXAMPLE.test.": "Y.other.test"}
        assert place_of(resolver, "example.test", cname=table) == ("other.test", "y.other.test")
        assert place_of(resolver, "alias.example.test", cname=table)[1] == "_acme-challenge.alias.example.test"

    def test_a_loop_is_told(self, resolver):
        with pytest.raises(DnsError):
            place_of(resolver, "loop.example.test")

    def test_one_that_leads_nowhere_is_told(self, resolver):
        with pytest.raises(NoAnswerError, match=r"lost.example.test: no resolver knows: .*: SERVFAIL"):
            place_of(resolver, "lost.example.test")


def test_known_zones_are_not_looked_up(scope):
    options = DnsOptions(cname="never", zones=["example.test", "Sub.example.test."], resolvers=["127.0.0.1:1"])
    record = RecordFinder(options).find(challenge_for("a.sub.example.test"), scope)
    assert (record.zone, record.relative) == ("sub.example.test", "_acme-challenge.a")


def test_names_in_known_zones_are_found_without_a_resolver(scope):
    options = DnsOptions(zones=["example.test"], resolvers=["127.0.0.1:1"])
    record = RecordFinder(options).find(challenge_for("a.example.test"), scope)
    assert (record.zone, record.name) == ("example.test", "_acme-challenge.a.example.test")
    with pytest.raises(NoAnswerError, match=r"^_acme-challenge\.other\.test: no resolver knows: "):
        RecordFinder(options).find(challenge_for("other.test"), scope)


def test_aliases_in_known_zones_are_followed(resolver):
    place = place_of(resolver, "alias.example.test", zones=["example.test", "x.other.test"])
    assert place == ("x.other.test", "x.other.test")


def test_a_zone_that_is_told_is_not_looked_for(scope):
    with ScriptedServer(lambda query: [answer(query)]).running() as server:
        finder = RecordFinder(DnsOptions(zones=["example.test"], resolvers=[server.where]))
        assert finder.find(challenge_for("a.example.test"), scope).zone == "example.test"
        assert server.asked == ["_acme-challenge.a.example.test SOA"]


def test_a_preferred_server_that_knows_nothing_is_passed_over(resolver, scope):
    with ScriptedServer(lambda query: [answer(query, rcode="REFUSED")]).running() as refusing:
        finder = RecordFinder(DnsOptions(resolvers=[resolver.where]), prefer=[parse(refusing.where)])
        assert finder.find(challenge_for("example.test"), scope).zone == "example.test"
        assert refusing.asked


def test_a_referral_of_a_preferred_server_is_no_answer(resolver, scope):
    """An authoritative server that delegated the name tells the zone above, and would be wrong."""

    def refer(query: object) -> list[object]:
        message = answer(query, authority=["sub.example.test. 60 IN NS ns1.sub.example.test."], aa=False)  # type: ignore[arg-type]
        message.flags &= ~0x0080  # no recursion available
        return [message]

    with ScriptedServer(refer).running() as referring:  # type: ignore[arg-type]
        finder = RecordFinder(DnsOptions(resolvers=[resolver.where]), prefer=[parse(referring.where)])
        assert finder.find(challenge_for("a.sub.example.test"), scope).zone == "sub.example.test"


def test_a_hundred_names_are_found_at_once(resolver, scope):
    finder = RecordFinder(DnsOptions(resolvers=[resolver.where]))
    records = finder.find_many([challenge_for(f"n{n}.example.test") for n in range(100)], scope)
    assert [record.relative for record in records] == [f"_acme-challenge.n{n}" for n in range(100)]


def test_what_was_found_is_kept(scope):
    soa = "example.test. 60 IN SOA ns1.example.test. root.example.test. 1 3600 600 86400 30"
    with ScriptedServer(lambda query: [answer(query, authority=[soa])]).running() as server:
        finder = RecordFinder(DnsOptions(resolvers=[server.where]))
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: finder.find(challenge_for("example.test"), scope), range(10)))
        finder.find(challenge_for("example.test"), scope)
        assert server.asked == ["_acme-challenge.example.test SOA"]


@pytest.mark.parametrize(
    "soa",
    ["other.test. 60 IN SOA a. b. 1 2 3 4 5", "x._acme-challenge.example.test. 60 IN SOA a. b. 1 2 3 4 5", None],
)
def test_no_soa_record_but_one_above_the_name_is_believed(scope, soa):
    with ScriptedServer(lambda query: [answer(query, authority=[soa] if soa else [])]).running() as server:
        with pytest.raises(ZoneError, match="no zone is told by any SOA record"):
            RecordFinder(DnsOptions(resolvers=[server.where])).find(challenge_for("example.test"), scope)
        assert server.asked[-1] == ". SOA"


def test_looking_ends_with_the_scope():
    with ScriptedServer(lambda _: []).running() as server, pytest.raises(Cancelled):
        RecordFinder(DnsOptions(resolvers=[server.where])).find(challenge_for("example.test"), CancelScope(0.1))


class TestCleaningUp:
    def test_a_handle_is_enough(self, scope):
        record = ZoneRecord("example.test", "_acme-challenge.example.test", "value")
        finder = RecordFinder(DnsOptions(resolvers=["127.0.0.1:1"]))
        assert finder.to_remove([challenge_for("example.test")], [record.handle(id="42")], scope) == [record]

    def test_without_one_the_record_is_found_anew(self, resolver, scope):
        finder = RecordFinder(DnsOptions(resolvers=[resolver.where]))
        challenge = challenge_for("example.test")
        assert finder.to_remove([challenge], [None], scope) == [finder.find(challenge, scope)]

    def test_persistent_records_stay(self, scope):
        challenge = challenge_for("example.test", "dns-persist-01")
        finder = RecordFinder(DnsOptions(resolvers=["127.0.0.1:1"]))
        assert finder.to_remove([challenge, challenge], [None, {"zone": "a", "name": "b.a", "value": "v"}], scope) == []

    @pytest.mark.parametrize(
        "handle", [{}, {"zone": "a.test", "name": "b.test", "value": "v"}, {"zone": "a", "name": "x.a", "value": 1}]
    )
    def test_a_handle_of_somebody_else_is_refused(self, scope, handle):
        finder = RecordFinder(DnsOptions(resolvers=["127.0.0.1:1"]))
        with pytest.raises(InputError, match="the handle is not one of a DNS solver"):
            finder.to_remove([challenge_for("example.test")], [handle], scope)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resolvers": ["dns:x"]}, "resolvers: 'dns:x': 'x' is not a port (1-65535)"),
        ({"zones": ["a..b"]}, "zones: 'a..b' is no domain name"),
        ({"zones": ["bücher.test"]}, "zones: 'bücher.test' is no domain name (write its A-labels, xn--...)"),
        ({"cname": {"a.test": "."}}, "cname: '.' is no domain name"),
    ],
)
def test_a_wrong_option_is_told(wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        DnsOptions(**wrong)
    assert str(caught.value) == message


def test_records_are_grouped_by_zone_each_once_and_in_parts():
    a, b, c = (ZoneRecord("a.test", f"{label}.a.test", "v") for label in "abc")
    other = ZoneRecord("b.test", "x.b.test", "v")
    assert by_zone([a, other, b, a, c]) == [("a.test", [a, b, c]), ("b.test", [other])]
    assert by_zone([a, other, b, c], 2) == [("a.test", [a, b]), ("a.test", [c]), ("b.test", [other])]
    assert by_zone([]) == []


def test_a_record_knows_how_zone_files_write_it():
    record = ZoneRecord("example.test", "example.test", 'a"\\' + "x" * 300)
    assert record.relative == ""
    assert record.quoted == '"a\\"\\\\' + "x" * 252 + '" "' + "x" * 48 + '"'
