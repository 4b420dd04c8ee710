from __future__ import annotations

import pytest

from acmez.acme import Identifier, InputError, MalformedAnswer
from acmez.acme.challenges import http_01
from tests.acme.challenges.making import THUMBPRINT, TOKEN, make


def test_the_key_authorization_is_served_below_the_well_known_path():
    answer = http_01.answer(make("http-01"))
    assert answer.path == f"/.well-known/acme-challenge/{TOKEN}"
    assert answer.body == f"{TOKEN}.{THUMBPRINT}"
    assert answer.url == f"http://example.com/.well-known/acme-challenge/{TOKEN}"


@pytest.mark.parametrize(
    ("value", "host"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "[2001:db8::1]"), ("2001:DB8:0:0::1", "[2001:db8::1]")],
)
def test_an_address_is_the_host_in_brackets_if_it_is_ipv6(value: str, host: str):
    answer = http_01.answer(make("http-01", Identifier("ip", value)))
    assert answer.host == host
    assert answer.url == f"http://{host}/.well-known/acme-challenge/{TOKEN}"


def test_names_are_asked_for_in_lower_case_without_a_trailing_dot():
    assert http_01.answer(make("http-01", "WWW.Example.COM.")).host == "www.example.com"


def test_neither_token_nor_key_authorization_is_in_the_repr():
    shown = repr(http_01.answer(make("http-01")))
    assert TOKEN not in shown
    assert THUMBPRINT not in shown


@pytest.mark.parametrize("token", ["../../etc/passwd", "a/b", "a b", "", "a=", "a\r\nb", 7, None])
def test_a_token_outside_the_alphabet_never_becomes_a_path(token: str | int | None):
    with pytest.raises(MalformedAnswer, match="token"):
        http_01.answer(make("http-01", token=token))


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier("ip", "fe80::1%eth0/../"),
        Identifier("ip", "192.0.2.256"),
        Identifier("ip", "example.com"),
        Identifier("email", "a@example.com"),
        Identifier("dns", "exa mple.com"),
        Identifier("dns", "example.com/path"),
        Identifier("dns", "user@example.com"),
        Identifier("dns", "\N{KELVIN SIGN}.example"),
        Identifier("dns", "a..example"),
        Identifier("dns", "-a.example"),
        Identifier("dns", "a" * 64 + ".example"),
        Identifier("dns", ".".join(["a" * 60] * 5)),
        Identifier("dns", ""),
        Identifier("dns", "example.com\n"),
    ],
    ids=lambda identifier: ascii(identifier.value)[:20],
)
def test_what_is_neither_a_name_nor_an_address_never_becomes_a_url(identifier: Identifier):
    with pytest.raises(MalformedAnswer, match="the identifier is"):
        http_01.answer(make("http-01", identifier))


def test_another_type_is_the_callers_mistake():
    with pytest.raises(InputError, match=r"expected a challenge of type 'http-01', got 'dns-01'"):
        http_01.answer(make("dns-01"))


def test_without_the_account_keys_thumbprint_there_is_no_answer():
    with pytest.raises(InputError, match="thumbprint"):
        http_01.answer(make("http-01", thumbprint=""))
