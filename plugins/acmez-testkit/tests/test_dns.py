"""dns-01 and dns-account-01, with TXT records set by the test and with a real DNS server."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from acmez_testkit.validation import account_label

from .raw import b64
from .responders import Http01


class NameServer:
    """Answers over UDP from `records`: (name, type) -> texts; follows no alias."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        reply = dns.message.make_response(query, recursion_available=True)
        for asked in (kind, "CNAME"):
            if texts := self.records.get((name, asked)):
                reply.answer.append(dns.rrset.from_text(question.name, 1, "IN", asked, *texts))
                return reply
        if name not in {known for known, _ in self.records}:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()


@pytest.fixture
def name_server():
    with closing(NameServer()) as server:
        yield server


def attempt(raw, publish, name="example.com", kind="dns-01"):
    """Respond after `publish(digest)`; return the challenge."""
    (authorization,) = raw.authorizations(raw.order(name)[1])
    challenge = raw.challenge(authorization, kind)
    publish(b64(raw.digest(challenge)))
    return raw.challenge(raw.respond(authorization, kind), kind)


@pytest.mark.parametrize("name", ["example.com", "*.example.com"])
def test_one_of_several_values_is_enough(client, name):
    raw = client()

    def publish(digest):
        raw.ca.txt_records["_acme-challenge.example.com"] = ["another", digest]

    assert attempt(raw, publish, name)["status"] == "valid"


def test_a_wildcard_is_issued_with_its_base_name(client):
    raw = client()
    url, order = raw.order("example.com", "*.example.com")
    wildcards = []
    for authorization in raw.authorizations(order):
        assert authorization["identifier"]["value"] == "example.com"
        wildcards.append(authorization.get("wildcard", False))
        challenge = raw.challenge(authorization, "dns-01")
        values = raw.ca.txt_records.setdefault("_acme-challenge.example.com", [])
        values.append(b64(raw.digest(challenge)))
        assert raw.respond(authorization, "dns-01")["status"] == "valid"
    assert wildcards == [False, True]
    assert raw.until(url, "ready")["identifiers"][1]["value"] == "*.example.com"


@pytest.mark.parametrize(("values", "reason"), [([], "no TXT record at"), (["wrong"], "right value")])
def test_without_the_value_the_name_is_unauthorized(client, values, reason):
    raw = client()
    failed = attempt(raw, lambda _: raw.ca.txt_records.update({"_acme-challenge.example.com": values}))
    assert failed["error"]["type"].endswith(":unauthorized")
    assert reason in failed["error"]["detail"]


def test_dns_account_01_is_looked_up_at_the_label_of_the_account(client):
    raw = client()
    name = f"{account_label(raw.kid)}._acme-challenge.example.com"
    found = attempt(raw, lambda digest: raw.ca.txt_records.update({name: [digest]}), kind="dns-account-01")
    assert found["status"] == "valid"


def test_the_label_of_an_account_is_that_of_the_draft():
    assert account_label("https://example.com/acme/acct/ExampleAccount") == "_ujmmovf2vn55tgye"


class TestResolver:
    def test_txt_records_come_from_the_server(self, client, name_server):
        raw = client(resolver=name_server.address)

        def publish(digest):
            name_server.records["_acme-challenge.example.com", "TXT"] = ["wrong", f'"{digest[:9]}" "{digest[9:]}"']

        assert attempt(raw, publish)["status"] == "valid"

    def test_aliases_are_followed_from_zone_to_zone(self, client, name_server):
        raw = client(resolver=name_server.address)
        name_server.records["_acme-challenge.example.com", "CNAME"] = ["a.other.example."]
        name_server.records["a.other.example", "CNAME"] = ["b.third.example."]
        found = attempt(raw, lambda digest: name_server.records.update({("b.third.example", "TXT"): [digest]}))
        assert found["status"] == "valid"

    def test_aliases_are_not_followed_for_ever(self, client, name_server):
        raw = client(resolver=name_server.address)
        name_server.records["_acme-challenge.example.com", "CNAME"] = ["a.example."]
        name_server.records["a.example", "CNAME"] = ["_acme-challenge.example.com."]
        assert attempt(raw, lambda _: None)["error"]["type"].endswith(":dns")

    def test_a_name_that_does_not_exist_is_a_problem_of_dns(self, client, name_server):
        failed = attempt(client(resolver=name_server.address), lambda _: None)
        assert failed["error"]["type"].endswith(":dns")
        assert "NXDOMAIN" in failed["error"]["detail"]

    def test_a_name_without_the_record_is_unauthorized(self, client, name_server):
        name_server.records["_acme-challenge.example.com", "A"] = ["127.0.0.1"]
        failed = attempt(client(resolver=name_server.address), lambda _: None)
        assert failed["error"]["type"].endswith(":unauthorized")

    def test_a_server_that_does_not_answer_is_a_problem_of_dns(self, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            raw = client(resolver=silent.getsockname(), validation_timeout=0.1)
            assert attempt(raw, lambda _: None)["error"]["type"].endswith(":dns")

    def test_addresses_come_from_the_server_ipv6_first(self, client, name_server, http01):
        with closing(Http01(socket.AF_INET6, port=http01.port)) as six:
            raw = client(resolver=name_server.address, http_port=http01.port)
            name_server.records["example.com", "A"] = ["127.0.0.1"]
            name_server.records["example.com", "AAAA"] = ["::1"]
            six.answers = http01.answers
            raw.ready(http01, "example.com")
            assert (len(six.seen), len(http01.seen)) == (2, 0)

    def test_ipv4_is_used_when_ipv6_does_not_connect(self, client, name_server, http01):
        raw = client(resolver=name_server.address, http_port=http01.port)
        name_server.records["example.com", "A"] = ["127.0.0.1"]
        name_server.records["example.com", "AAAA"] = ["::1"]
        raw.ready(http01, "example.com")
        assert len(http01.seen) == 2

    def test_only_loopback_addresses_are_validated(self, client, name_server):
        raw = client(resolver=name_server.address)
        name_server.records["example.com", "A"] = ["192.0.2.1"]
        failed = attempt(raw, lambda _: None, kind="http-01")
        assert "not a loopback address" in failed["error"]["detail"]

    def test_a_name_without_address_is_a_problem_of_dns(self, client, name_server):
        name_server.records["example.com", "TXT"] = ["x"]
        failed = attempt(client(resolver=name_server.address), lambda _: None, kind="http-01")
        assert failed["error"]["type"].endswith(":dns")
