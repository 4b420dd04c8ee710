"""The DNS server answers as an authoritative one does, and fails when it is told to."""

from __future__ import annotations

import socket

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from acmez_testkit.fake_dns import DnsQuery, FakeDNS


@pytest.fixture(params=["udp", "tcp"])
def ask(request, fake_dns):
    """Asks over UDP and over TCP; returns the answer."""
    over = dns.query.udp if request.param == "udp" else dns.query.tcp

    def ask(name: str, record_type: str = "TXT", timeout: float = 5) -> dns.message.Message:
        host, port = fake_dns.address
        return over(dns.message.make_query(name, record_type), host, port=port, timeout=timeout)

    return ask


def texts(message: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in message.answer for record in rrset]


def test_records_are_answered_with_authority_from_when_they_are_added_until_they_are_removed(fake_dns, ask):
    fake_dns.add("_acme-challenge.example.com", "TXT", "one")
    fake_dns.add("_acme-challenge.example.com", "TXT", "two")
    answer = ask("_ACME-challenge.Example.com.")
    assert answer.flags & dns.flags.AA
    assert sorted(texts(answer)) == ['"one"', '"two"']
    fake_dns.remove("_acme-challenge.example.com", "TXT", "one")
    assert texts(ask("_acme-challenge.example.com")) == ['"two"']
    assert fake_dns.values("_acme-challenge.example.com") == ["two"]
    fake_dns.remove("_acme-challenge.example.com", "TXT")
    assert ask("_acme-challenge.example.com").rcode() == dns.rcode.NXDOMAIN


def test_a_record_is_there_once_however_often_it_is_added(fake_dns, ask):
    for _ in range(2):
        fake_dns.add("a.example.com", "TXT", "same")
    assert texts(ask("a.example.com")) == ['"same"']


def test_what_is_not_there_can_be_removed(fake_dns):
    fake_dns.remove("a.example.com", "TXT", "never there")
    assert fake_dns.values("a.example.com") == []


def test_a_zone_has_an_soa_and_an_ns_whose_address_is_the_loopback(ask):
    assert texts(ask("example.com", "SOA"))[0].startswith("ns.example.com. hostmaster.example.com. ")
    assert texts(ask("example.com", "NS")) == ["ns.example.com."]
    assert texts(ask("ns.example.com", "A")) == ["127.0.0.1"]


def test_what_is_missing_is_denied_with_the_soa_of_its_zone(fake_dns, ask):
    fake_dns.add("a.b.example.com", "A", "192.0.2.1")
    for name, rcode in (("c.example.com", "NXDOMAIN"), ("b.example.com", "NOERROR"), ("a.b.example.com", "NOERROR")):
        answer = ask(name)
        assert (dns.rcode.to_text(answer.rcode()), answer.answer) == (rcode, [])
        assert [rrset.rdtype for rrset in answer.authority] == [dns.rdatatype.SOA]


def test_outside_of_its_zones_it_refuses(fake_dns, ask):
    assert ask("example.net").rcode() == dns.rcode.REFUSED
    with pytest.raises(ValueError, match=r"'example\.net': is in none of the zones"):
        fake_dns.add("example.net", "TXT", "x")


def test_the_closest_zone_answers(fake_dns, ask):
    fake_dns.add_zone("sub.example.com")
    assert texts(ask("sub.example.com", "NS")) == ["ns.sub.example.com."]
    assert str(ask("x.sub.example.com").authority[0].name) == "sub.example.com."


def test_an_alias_is_followed_within_the_zones_and_left_to_the_client_outside(fake_dns, ask):
    fake_dns.add_zone("example.org")
    fake_dns.add("_acme-challenge.example.com", "CNAME", "other.example.org.")
    fake_dns.add("other.example.org", "TXT", "value")
    assert texts(ask("_acme-challenge.example.com")) == ["other.example.org.", '"value"']
    fake_dns.remove("_acme-challenge.example.com", "CNAME")
    fake_dns.add("_acme-challenge.example.com", "CNAME", "elsewhere.example.net.")
    answer = ask("_acme-challenge.example.com")
    assert (texts(answer), answer.rcode()) == (["elsewhere.example.net."], dns.rcode.NOERROR)


def test_aliases_in_a_circle_have_an_end(fake_dns, ask):
    fake_dns.add("a.example.com", "CNAME", "b.example.com.")
    fake_dns.add("b.example.com", "CNAME", "a.example.com.")
    assert {"a.example.com.", "b.example.com."} == set(texts(ask("a.example.com")))


def test_a_long_text_is_split_and_read_back_whole(fake_dns, ask):
    fake_dns.add("a.example.com", "TXT", "x" * 300)
    assert texts(ask("a.example.com")) == [f'"{"x" * 255}" "{"x" * 45}"']
    assert fake_dns.values("a.example.com") == ["x" * 300]


@pytest.mark.parametrize(("records", "edns"), [(20, 0), (20, -1), (8, -1)])
def test_what_is_too_long_for_a_datagram_is_asked_for_again_over_tcp(fake_dns, records, edns):
    for number in range(records):
        fake_dns.add("a.example.com", "TXT", f"{number:0100}")
    host, port = fake_dns.address
    query = dns.message.make_query("a.example.com", "TXT", use_edns=edns)
    answer, over_tcp = dns.query.udp_with_fallback(query, host, port=port, timeout=5)
    assert over_tcp
    assert len(texts(answer)) == records
    question = ("a.example.com", "TXT")
    assert fake_dns.queries == [DnsQuery(*question, "udp"), DnsQuery(*question, "tcp")]


def test_what_fits_is_answered_at_once(fake_dns):
    for number in range(8):
        fake_dns.add("a.example.com", "TXT", f"{number:0100}")
    host, port = fake_dns.address
    query = dns.message.make_query("a.example.com", "TXT", use_edns=0, payload=4096)
    assert len(texts(dns.query.udp(query, host, port=port, timeout=5))) == 8


class TestTrouble:
    def test_so_many_questions_for_a_name_fail(self, fake_dns, ask):
        fake_dns.fail("SERVFAIL", name="a.example.com", times=2)
        names = ["a.example.com", "example.com", "A.example.com", "a.example.com"]
        codes = [dns.rcode.to_text(ask(name).rcode()) for name in names]
        assert codes == ["SERVFAIL", "NOERROR", "SERVFAIL", "NXDOMAIN"]

    def test_until_it_recovers(self, fake_dns, ask):
        fake_dns.fail("REFUSED", times=None)
        assert {ask("example.com").rcode() for _ in range(3)} == {dns.rcode.REFUSED}
        fake_dns.recover()
        assert ask("example.com").rcode() == dns.rcode.NOERROR

    def test_it_falls_silent(self, fake_dns, ask):
        fake_dns.fall_silent()
        with pytest.raises((dns.exception.Timeout, EOFError)):
            ask("example.com", timeout=0.1)
        assert ask("example.com").rcode() == dns.rcode.NOERROR

    def test_an_rcode_that_does_not_exist(self, fake_dns):
        with pytest.raises(dns.rcode.UnknownRcode):
            fake_dns.fail("SERVFALI")


def test_garbage_is_not_answered_and_does_no_harm(fake_dns, ask):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"garbage", fake_dns.address)
    with socket.create_connection(fake_dns.address, timeout=5) as connection:
        connection.sendall(b"\x00\x03abc")
        assert connection.recv(1) == b""
    assert ask("example.com").rcode() == dns.rcode.NOERROR


def test_it_is_gone_afterwards():
    with FakeDNS("example.com") as server:
        address = server.address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_the_plugin_manager_is_isolated(monkeypatch, request):
    monkeypatch.setenv("ACMEZ_BLOCK_PLUGINS", "file")
    manager = request.getfixturevalue("plugin_manager")
    infos = {info.name: info for info in manager.installed()}
    assert {info.distribution for info in infos.values()} == {"built in"}
    assert infos["file"].status == "available"
