"""The waiter asks whom a CA would ask, and says which server still shows what."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from types import SimpleNamespace

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from acmez import options
from acmez.acme.challenges import txt_record
from acmez.acme.errors import DeadlineExceeded, InputError
from acmez.acme.scope import CancelScope
from acmez.kinds import WAITER
from acmez.plugins import PluginManager
from acmez.protocols import Waiter
from acmez.waiters.dns import DnsPropagation
from tests.dns.propagating import (
    CHALLENGE,
    ENOUGH,
    NAME,
    RECORD,
    SOA,
    VALUE,
    challenge_for,
    failure,
    impatient,
    looking_once,
    scope,
    shows,
    start,
)
from tests.dns.scripted import Answer, answer, silent

__all__ = ["impatient", "scope", "start"]


class Clock:
    """Runs while a waiter sleeps, and then at once.

    Attributes:
        waited: seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waited = 0.0
        monkeypatch.setattr("acmez.waiters.dns.time", SimpleNamespace(monotonic=lambda: 1000 + self.waited))
        monkeypatch.setattr("acmez.waiters.dns.asyncio", SimpleNamespace(sleep=self._sleep))

    async def _sleep(self, seconds: float) -> None:
        self.waited += seconds


def test_it_is_a_waiter_that_is_found_by_its_name():
    as_protocol: Waiter = DnsPropagation()
    assert PluginManager(discover=False).find(WAITER, as_protocol.name) is DnsPropagation


class TestOptions:
    def test_every_one_can_be_written_in_a_file(self):
        table = {
            "timeout": 5.0,
            "quorum": 2,
            "ask": "both",
            "resolvers": ["192.0.2.1", "https://dns.example/dns-query"],
            "nameservers": {"example.net": ["192.0.2.2:5353", "ns1.example.net"]},
            "families": ["ipv4"],
        }
        made = options.build(DnsPropagation, table)
        assert made.nameservers == {"example.net": ["192.0.2.2:5353", "ns1.example.net"]}
        assert (made.quorum, made.families) == (2, ["ipv4"])

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"timeout": 0.0}, "timeout: 0 is not between 0 and 86400 seconds"),
            ({"quorum": 0}, "quorum: 0 servers prove nothing (write a number above 0, or 'all')"),
            ({"families": []}, "families: at least one of 'ipv4' and 'ipv6' is needed"),
            ({"min_delay": -1.0}, "min_delay: -1 is not between 0 and 86400 seconds"),
            ({"port": 0}, "port: 0 is not a port (1-65535)"),
            (
                {"resolvers": ["192.0.2"]},
                "resolvers: '192.0.2' is no name server (write 192.0.2.1, [2001:db8::1]:53 or a name)",
            ),
            ({"resolvers": ["192.0.2.1:0"]}, "resolvers: '192.0.2.1:0': '0' is not a port (1-65535)"),
            ({"resolvers": ["https://"]}, "resolvers: 'https://' is no URL"),
            (
                {"nameservers": ["https://dns.example/"]},
                (
                    "nameservers: 'https://dns.example/' is a URL, not a name server "
                    "(write 192.0.2.1, [2001:db8::1]:53 or a name)"
                ),
            ),
            ({"nameservers": {"a..b": ["192.0.2.1"]}}, "nameservers: 'a..b' is no domain name"),
        ],
    )
    def test_a_wrong_one_is_told(self, wrong, message):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
            DnsPropagation(**wrong)
        assert str(caught.value) == message


class TestSeen:
    @pytest.mark.parametrize("kind", ["dns-01", "dns-account-01", "dns-persist-01"])
    def test_it_returns_when_the_value_is_there(self, start, scope, kind):
        challenge = challenge_for(kind=kind)
        record = txt_record(challenge)
        server = start(shows(f'{record.name}. 60 IN TXT "{record.value}"'))
        DnsPropagation(nameservers=[server.where]).wait(challenge, scope)
        assert server.asked == [f"{record.name} TXT"]

    def test_other_values_at_the_name_and_pieces_of_the_value_do_not_matter(self, start, scope):
        server = start(shows(f'{NAME}. 60 IN TXT "other"', f'{NAME}. 60 IN TXT "{VALUE[:9]}" "{VALUE[9:]}"'))
        DnsPropagation(nameservers=[server.where]).wait(CHALLENGE, scope)

    def test_it_asks_again_until_the_value_is_there(self, start, scope):
        def late(query: dns.message.Message) -> list[dns.message.Message]:
            return [answer(query, *([RECORD] if len(server.asked) > 2 else []))]

        server = start(late)
        DnsPropagation(nameservers=[server.where], interval=0.01).wait(CHALLENGE, scope)
        assert server.asked == [f"{NAME} TXT"] * 3

    @pytest.mark.parametrize(("late", "noticed"), [(5.0, 6.0), (60.0, 72.0), (90.0, 108.0)])
    def test_what_is_late_is_noticed_soon_after(self, start, scope, monkeypatch, late, noticed):
        """By a clock of our own: a second later, or a fifth of the time that it took."""
        clock = Clock(monkeypatch)
        server = start(lambda query: [answer(query, *([RECORD] if clock.waited >= late else []))])
        DnsPropagation(nameservers=[server.where]).wait(CHALLENGE, scope)
        assert late <= clock.waited <= noticed
        assert len(server.asked) < 25

    def test_every_server_must_have_it(self, start):
        first, second = start(shows(RECORD)), start(shows(f"{NAME}. 60 IN TXT old"))
        message = failure(looking_once(first, second))
        assert message == (f"{NAME}: the record is not everywhere after 0.05 s: {second.where}: only 'old'")

    def test_a_quorum_is_enough(self, start, scope):
        servers = [start(shows(RECORD)), start(shows(RECORD)), start(shows())]
        looking_once(*servers, quorum=2).wait(CHALLENGE, scope)
        assert "no TXT record" in failure(looking_once(*servers, quorum=3))

    def test_the_nameservers_of_the_smallest_zone_count(self, start, scope):
        right, wrong = start(shows(RECORD)), start(silent)
        table = {".": [wrong.where], "test": [wrong.where], "example.test": [right.where]}
        DnsPropagation(nameservers=table).wait(CHALLENGE, scope)
        assert wrong.asked == []

    def test_a_further_delay_is_waited_when_it_is_seen(self, start):
        server = start(shows(RECORD))
        with pytest.raises(DeadlineExceeded):
            DnsPropagation(nameservers=[server.where], min_delay=60.0).wait(CHALLENGE, CancelScope(0.3))
        assert server.asked

    def test_ipv6_servers_are_asked(self, start, scope):
        server = start(shows(RECORD), address="::1")
        DnsPropagation(nameservers=[server.where]).wait(CHALLENGE, scope)

    def test_servers_can_be_given_by_name(self, start, scope):
        server = start(shows(RECORD))
        DnsPropagation(nameservers=[f"localhost:{server.port}"], dead_after=0.01, interval=0.01).wait(CHALLENGE, scope)


class TestNameservers:
    """They are found by SOA and NS records; one scripted server is resolver and name server, told apart by RD."""

    def zone(self, *, addresses: dict[str, str], aa: bool = True) -> Answer:
        def script(query: dns.message.Message) -> list[dns.message.Message]:
            name, kind = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
            if not query.flags & dns.flags.RD:
                return [answer(query, RECORD, aa=aa)]
            match kind:
                case "NS":
                    return [answer(query, *(f"{name} 60 IN NS {host}." for host in addresses))]
                case "A" | "AAAA":
                    address = addresses[name.to_text(omit_final_dot=True)]
                    matches = (":" in address) == (kind == "AAAA")
                    return [answer(query, *([f"{name} 60 IN {kind} {address}"] if matches else []))]
            return [answer(query, authority=[SOA])]

        return script

    def test_every_address_is_asked(self, start, scope):
        server = start(self.zone(addresses={"ns1.test": "127.0.0.1", "ns2.test": "::1"}))
        other = start(self.zone(addresses={}), address="::1", port=server.port)
        DnsPropagation(resolvers=[server.where], port=server.port).wait(CHALLENGE, scope)
        assert other.asked == [f"{NAME} TXT"]

    def test_families_can_be_left_out(self, start, scope):
        server = start(self.zone(addresses={"ns1.test": "127.0.0.1", "ns2.test": "::1"}))
        DnsPropagation(resolvers=[server.where], port=server.port, families=["ipv4"]).wait(CHALLENGE, scope)
        assert "ns2.test AAAA" not in server.asked

    def test_one_that_does_not_serve_the_zone_is_told(self, start):
        server = start(self.zone(addresses={"ns1.test": "127.0.0.1"}, aa=False))
        message = failure(DnsPropagation(resolvers=[server.where], port=server.port, timeout=0.05))
        assert message.endswith(f"ns1.test (127.0.0.1:{server.port}): does not serve the zone")

    def test_a_zone_without_any_is_told(self, start):
        server = start(self.zone(addresses={}))
        message = failure(DnsPropagation(resolvers=[server.where], timeout=0.05))
        assert message.endswith("example.test: no address of its name servers is known (NS records: none)")

    def test_those_of_a_zone_below_are_asked_and_those_above_it_are_not(self, start, scope):
        """The zone cut is where an SOA record tells it, which no part of the name shows."""
        name = "_acme-challenge.www.sub.example.test."

        def script(query: dns.message.Message) -> list[dns.message.Message]:
            asked = query.question[0].name.to_text()
            match dns.rdatatype.to_text(query.question[0].rdtype):
                case "NS":
                    host = "below" if asked == "sub.example.test." else "above"
                    return [answer(query, f"{asked} 60 IN NS {host}.test.")]
                case "A":
                    address = "127.0.0.1" if asked == "below.test." else "127.0.0.2"
                    return [answer(query, f"{asked} 60 IN A {address}")]
                case "TXT":
                    return [answer(query, f"{name} 60 IN TXT {VALUE}")]
            return [answer(query, authority=[f"sub.{SOA}"])]

        server = start(script)
        above = start(silent, address="127.0.0.2", port=server.port)
        waiter = DnsPropagation(resolvers=[server.where], port=server.port)
        waiter.wait(challenge_for("www.sub.example.test"), scope)
        assert "sub.example.test NS" in server.asked
        assert "example.test NS" not in server.asked
        assert above.asked == []

    def test_a_zone_that_is_copied_often_is_looked_at_often(self, start, scope, monkeypatch):
        """By a clock of our own: its secondary servers look every 20 s, so every 2 s is often enough."""
        clock = Clock(monkeypatch)
        zone = self.zone(addresses={"ns1.test": "127.0.0.1"})

        def late(query: dns.message.Message) -> Sequence[dns.message.Message | bytes]:
            if query.flags & dns.flags.RD:
                is_soa = query.question[0].rdtype == dns.rdatatype.SOA
                return [answer(query, authority=[SOA.replace(" 3600 ", " 20 ")])] if is_soa else zone(query)
            return [answer(query, *([RECORD] if clock.waited >= 90 else []))]

        server = start(late)
        DnsPropagation(resolvers=[server.where], port=server.port).wait(CHALLENGE, scope)
        assert 90 <= clock.waited <= 92


class TestDeadServers:
    def test_one_that_answers_nobody_is_ignored_after_a_while(self, start, scope, impatient):
        alive, dead = start(shows(RECORD)), start(silent)
        waiter = DnsPropagation(nameservers=[alive.where, dead.where], dead_after=0.1, interval=0.05)
        waiter.wait(CHALLENGE, scope)
        asked = len(dead.asked)
        waiter.wait(challenge_for(), scope)
        assert len(dead.asked) == asked, "a server that is known to be dead holds up nobody else"

    def test_one_where_nothing_listens_is_ignored_after_a_while(self, start, scope):
        alive = start(shows(RECORD))
        waiter = DnsPropagation(nameservers=[alive.where, "127.0.0.1:1"], dead_after=0.05, interval=0.02)
        waiter.wait(CHALLENGE, scope)

    def test_one_that_refuses_everybody_is_ignored_after_a_while(self, start, scope):
        alive, lame = start(shows(RECORD)), start(lambda query: [answer(query, rcode="REFUSED")])
        DnsPropagation(nameservers=[alive.where, lame.where], dead_after=0.05, interval=0.02).wait(CHALLENGE, scope)

    def test_one_that_fails_for_one_name_and_not_for_others_is_not(self, start):
        def failing(query: dns.message.Message) -> list[dns.message.Message]:
            failed = "failing" in query.question[0].name.to_text()
            return [answer(query, *([] if failed else [RECORD]), rcode="SERVFAIL" if failed else "NOERROR")]

        right = start(shows(RECORD, f"_acme-challenge.failing.test. 60 IN TXT {VALUE}"))
        wrong = start(failing)
        waiter = DnsPropagation(nameservers=[right.where, wrong.where], dead_after=3600.0, timeout=0.05)
        waiter.wait(CHALLENGE, CancelScope(ENOUGH))
        assert failure(waiter, challenge_for("failing.test")).endswith(f"{wrong.where}: SERVFAIL")

    def test_a_family_that_cannot_be_reached_is_ignored_at_once(self, start, scope, monkeypatch):
        real = asyncio.BaseEventLoop.create_datagram_endpoint

        async def without_ipv6(loop, protocol, remote_addr):
            if ":" in remote_addr[0]:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            return await real(loop, protocol, remote_addr=remote_addr)

        monkeypatch.setattr(asyncio.BaseEventLoop, "create_datagram_endpoint", without_ipv6)
        alive = start(shows(RECORD))
        waiter = DnsPropagation(nameservers=[alive.where, "2001:db8::1"], timeout=0.05, dead_after=3600.0)
        waiter.wait(CHALLENGE, scope)

    def test_if_all_are_dead_they_are_asked_at_each_look(self, start, scope, impatient):
        def late(query: dns.message.Message) -> list[dns.message.Message]:
            return [answer(query, RECORD)] if len(server.asked) > 4 else []

        server = start(late)
        waiter = DnsPropagation(nameservers=[server.where], dead_after=0.01, interval=0.01, timeout=20.0)
        waiter.wait(CHALLENGE, scope)
        assert len(server.asked) == 5, "two looks with two datagrams each, and a third look"

    def test_if_all_are_dead_that_is_told(self, start, impatient):
        dead = start(silent)
        waiter = DnsPropagation(nameservers=[dead.where], dead_after=0.01, timeout=0.05)
        assert failure(waiter).endswith(f"{dead.where}: no answer (ignored)")


class TestHostileAnswers:
    def test_what_does_not_answer_the_question_is_not_heard(self, start, scope):
        def forged(query: dns.message.Message) -> list[dns.message.Message | bytes]:
            other_id = answer(query, RECORD)
            other_id.id ^= 1
            other_name = answer(dns.message.make_query("other.test", "TXT", id=query.id), RECORD)
            return [b"\0" * 12, b"junk", other_id, other_name, query, answer(query, f"{NAME}. 60 IN TXT old")]

        assert failure(looking_once(start(forged))).endswith("only 'old'")

    def test_records_at_other_names_are_not_believed(self, start):
        server = start(shows(f"other.example.test. 60 IN TXT {VALUE}"))
        assert failure(looking_once(server)).endswith("no TXT record")

    def test_a_truncated_answer_is_fetched_over_tcp(self, start, scope):
        def truncated(query: dns.message.Message) -> list[dns.message.Message]:
            short = answer(query)
            short.flags |= dns.flags.TC
            return [short]

        server = start(truncated, shows(RECORD))
        DnsPropagation(nameservers=[server.where]).wait(CHALLENGE, scope)
        assert server.asked == [f"{NAME} TXT", f"{NAME} TXT/tcp"]

    def test_a_huge_answer_is_read_and_told_in_short(self, start):
        many = [f'{NAME}. 60 IN TXT "{number:05} {"x" * 200}"' for number in range(250)]

        def truncated(query: dns.message.Message) -> list[dns.message.Message]:
            short = answer(query)
            short.flags |= dns.flags.TC
            return [short]

        message = failure(looking_once(start(truncated, shows(*many))))
        assert message.endswith(" and 246 more")
        assert len(message) < 500

    @pytest.mark.parametrize("length", [0, 5, 300])
    def test_half_an_answer_over_tcp_is_none(self, start, length):
        def truncated(query: dns.message.Message) -> list[dns.message.Message]:
            short = answer(query)
            short.flags |= dns.flags.TC
            return [short]

        server = start(truncated, lambda query: [(query.to_wire()[:2] + b"\x81" * 300)[:length]])
        assert failure(looking_once(server)).endswith(("a malformed answer", "an answer to something else"))

    @pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NXDOMAIN"])
    def test_a_failure_is_told(self, start, rcode):
        server = start(lambda query: [answer(query, rcode=rcode)])
        assert failure(looking_once(server)).endswith({"NXDOMAIN": "no such name"}.get(rcode, rcode))

    def test_a_value_is_shown_without_what_a_terminal_would_obey(self, start):
        server = start(shows(f'{NAME}. 60 IN TXT "\\027[31m\\200"'))
        assert failure(looking_once(server)).endswith(r"only '\x1b[31m\\xc8'")


class TestAliases:
    def test_they_are_followed(self, start, scope):
        server = start(
            lambda query: [
                answer(query, f"{NAME}. 60 IN CNAME x.acme.test.")
                if str(query.question[0].name) == f"{NAME}."
                else answer(query, f"x.acme.test. 60 IN TXT {VALUE}")
            ]
        )
        DnsPropagation(nameservers=[server.where]).wait(CHALLENGE, scope)
        assert server.asked == [f"{NAME} TXT", "x.acme.test TXT"]

    def test_what_comes_along_of_another_zone_is_not_believed(self, start):
        first = start(shows(f"{NAME}. 60 IN CNAME x.acme.test.", f"x.acme.test. 60 IN TXT {VALUE}"))
        second = start(shows())
        waiter = DnsPropagation(nameservers={"example.test": [first.where], "acme.test": [second.where]}, timeout=0.05)
        assert failure(waiter).endswith(f"{second.where}: no TXT record")

    def test_a_dname_above_counts(self, start, scope):
        server = start(
            lambda query: [
                answer(query, "example.test. 60 IN DNAME acme.test.")
                if str(query.question[0].name) == f"{NAME}."
                else answer(query, f"_acme-challenge.acme.test. 60 IN TXT {VALUE}")
            ]
        )
        DnsPropagation(nameservers=[server.where]).wait(CHALLENGE, scope)

    def test_they_are_an_error_where_the_ca_does_not_follow_them(self, start):
        server = start(shows(f"{NAME}. 60 IN CNAME x.acme.test."))
        message = failure(looking_once(server, follow_cname=False))
        assert message.endswith(f"{NAME}: an alias of x.acme.test, which the CA does not follow")

    @pytest.mark.parametrize("target", [NAME, "_acme-challenge.EXAMPLE.test"])
    def test_a_loop_is_told(self, start, target):
        assert failure(looking_once(start(shows(f"{NAME}. 60 IN CNAME {target}.")))).endswith(": a loop")

    def test_an_endless_chain_is_told(self, start):
        server = start(
            lambda query: [answer(query, f"{query.question[0].name} 60 IN CNAME x.{query.question[0].name}")]
        )
        assert failure(looking_once(server)).endswith(": too many aliases")
        assert len(server.asked) < 40

    def test_servers_that_disagree_must_all_lead_to_the_value(self, start):
        right = start(shows(f"{NAME}. 60 IN CNAME x.acme.test."))
        old = start(shows(f"{NAME}. 60 IN CNAME old.acme.test."))
        behind = start(lambda query: [answer(query, f"x.acme.test. 60 IN TXT {VALUE}")])
        waiter = DnsPropagation(
            nameservers={"example.test": [right.where, old.where], "acme.test": [behind.where]}, timeout=0.05
        )
        assert failure(waiter).endswith(f"{behind.where}: no TXT record")


def test_a_challenge_of_another_type_is_refused(scope):
    with pytest.raises(InputError):
        DnsPropagation().wait(challenge_for(kind="http-01"), scope)
