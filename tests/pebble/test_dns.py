"""The DNS that Pebble asks holds what a test sets, and remembers who asked."""

from __future__ import annotations

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.pebble.server import Pebble


@pytest.fixture
def lookup(pebble: Pebble):
    def ask(name: str, kind: str) -> list[str]:
        host, port = pebble.dns.address
        answer = dns.query.udp(dns.message.make_query(name, kind), host, port=port, timeout=5)
        if answer.rcode() != dns.rcode.NOERROR:
            return [dns.rcode.to_text(answer.rcode())]
        return sorted(str(record) for records in answer.answer for record in records)

    return ask


def test_every_name_is_on_loopback_and_has_no_ipv6_address(lookup):
    assert lookup("anything.example.test", "A") == ["127.0.0.1"]
    assert lookup("anything.example.test", "AAAA") == []


def test_txt_values_add_up_until_cleared(pebble: Pebble, lookup):
    name = "_acme-challenge.txt.example.test"
    pebble.dns.set_txt(name, "one")
    pebble.dns.set_txt(f"{name}.", "two")
    assert lookup(name, "TXT") == ['"one"', '"two"']
    pebble.dns.clear_txt(name)
    assert lookup(name, "TXT") == []


def test_addresses_can_be_set_and_cleared(pebble: Pebble, lookup):
    pebble.dns.add_a("addresses.example.test", ["127.0.0.2", "127.0.0.3"])
    pebble.dns.add_aaaa("addresses.example.test", ["::1"])
    assert lookup("addresses.example.test", "A") == ["127.0.0.2", "127.0.0.3"]
    assert lookup("addresses.example.test", "AAAA") == ["::1"]
    pebble.dns.clear_a("addresses.example.test")
    pebble.dns.clear_aaaa("addresses.example.test")
    assert lookup("addresses.example.test", "A") == ["127.0.0.1"]
    assert lookup("addresses.example.test", "AAAA") == []


def test_aliases_are_followed(pebble: Pebble, lookup):
    pebble.dns.set_cname("_acme-challenge.alias.example.test", "target.example.test")
    pebble.dns.set_txt("target.example.test", "there")
    assert lookup("_acme-challenge.alias.example.test", "TXT") == ['"there"', "target.example.test."]
    pebble.dns.clear_cname("_acme-challenge.alias.example.test")
    assert lookup("_acme-challenge.alias.example.test", "TXT") == []


def test_caa_records_are_served(pebble: Pebble, lookup):
    pebble.dns.add_caa("caa.example.test", [("issue", "ca.example")])
    assert lookup("caa.example.test", "CAA") == ['0 issue "ca.example"']
    pebble.dns.clear_caa("caa.example.test")
    assert lookup("caa.example.test", "CAA") == []


def test_a_name_can_be_broken_and_mended(pebble: Pebble, lookup):
    pebble.dns.set_servfail("broken.example.test")
    assert lookup("broken.example.test", "TXT") == ["SERVFAIL"]
    pebble.dns.clear_servfail("broken.example.test")
    assert lookup("broken.example.test", "TXT") == []


def test_queries_are_remembered_until_forgotten(pebble: Pebble, lookup):
    lookup("history.example.test", "TXT")
    (query,) = pebble.dns.request_history("history.example.test")
    question = query["Question"]
    assert isinstance(question, dict)
    assert question["Qtype"] == dns.rdatatype.TXT
    pebble.dns.clear_request_history("history.example.test")
    assert pebble.dns.request_history("history.example.test") == []
