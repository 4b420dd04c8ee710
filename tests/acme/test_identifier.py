from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from acmez.acme import AcmeError, Identifier, IdentifierType, InputError, MalformedAnswer
from tests.acme.answers import URL, Raw, members


def test_a_dns_name_is_taken_as_it_is():
    assert Identifier.dns("*.Example.com").to_json() == {"type": "dns", "value": "*.Example.com"}


def test_an_ancestor_domain_is_sent_only_if_there_is_one():
    identifier = Identifier.dns("foo.bar.example.org", ancestor_domain="example.org")

    # RFC 9444 §4.1
    assert identifier.to_json() == {"type": "dns", "value": "foo.bar.example.org", "ancestorDomain": "example.org"}


@pytest.mark.parametrize(("text", "value"), [("192.0.2.1", "192.0.2.1"), ("2001:DB8:0::0:1", "2001:db8::1")])
def test_addresses_are_written_as_rfc_5952_says(text: str, value: str):
    assert Identifier.ip(text).to_json() == {"type": "ip", "value": value}


@pytest.mark.parametrize("text", ["", "example.com", "192.0.2.256", "192.0.2.0/24"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(InputError, match=f"^'{text}': not an IP address$"):
        Identifier.ip(text)


def test_what_a_server_sent_is_kept():
    raw: Raw = {"type": "x-custom", "value": "v", "extra": 1}

    identifier = Identifier.from_json(raw, URL)

    assert (identifier.type, identifier.value, identifier.raw) == ("x-custom", "v", raw)


@pytest.mark.parametrize("raw", [{}, {"type": "dns"}, {"value": "a.example"}, {"type": "dns", "value": ""}])
def test_type_and_value_must_be_there(raw: Raw):
    with pytest.raises(MalformedAnswer, match=r"identifier\.(type|value): expected a string"):
        Identifier.from_json(raw, URL)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Identifier.dns("Example.COM."), Identifier.dns("example.com")),
        (Identifier("ip", "2001:DB8:0:0::1"), Identifier.ip("2001:db8::1")),
        (Identifier("dns", "a.example", raw={"a": 1}), Identifier.dns("a.example", ancestor_domain="example")),
    ],
)
def test_two_spellings_have_one_key(one: Identifier, other: Identifier):
    assert one.key == other.key


def test_keys_of_different_identifiers_differ():
    keys = {
        Identifier(IdentifierType.IP, "not an address").key,
        Identifier.ip("192.0.2.1").key,
        Identifier.dns("192.0.2.1").key,
        Identifier(IdentifierType.EMAIL, "A@example.com").key,
        Identifier(IdentifierType.EMAIL, "a@example.com").key,
    }
    assert len(keys) == 5


def test_it_prints_as_its_value_without_terminal_tricks():
    assert str(Identifier.dns("a.example")) == "a.example"
    assert str(Identifier.dns("a\x1b[31m")) == "a\ufffd[31m"


@given(members("type", "value", "ancestorDomain"))
def test_reading_raises_nothing_else(raw: Raw):
    with contextlib.suppress(AcmeError):
        str(Identifier.from_json(raw, URL).key)
