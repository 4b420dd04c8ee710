from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given

from acmez.acme import AcmeError, Challenge, Identifier, MalformedAnswer, Problem
from tests.acme.answers import URL, Raw, bodies, response

#: RFC 7638 §3.1
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
#: RFC 8555 §8.3
EXAMPLE: Raw = {
    "type": "http-01",
    "url": "https://example.com/acme/chall/prV_B7yEyA4",
    "status": "pending",
    "token": "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0",
}


def read(raw: Raw, *, wildcard: bool = False) -> Challenge:
    identifier = Identifier.dns("a.example")
    return Challenge.from_json(
        raw, URL, identifier=identifier, wildcard=wildcard, thumbprint=THUMBPRINT, account_url="https://ca.example/1"
    )


def test_a_challenge_is_read():
    challenge = read({**EXAMPLE, "validated": "2014-12-01T12:05:13Z", "error": {"type": "x"}})

    assert (challenge.type, challenge.status, challenge.token) == ("http-01", "pending", EXAMPLE["token"])
    assert challenge.url == "https://example.com/acme/chall/prV_B7yEyA4"
    assert challenge.validated == datetime(2014, 12, 1, 12, 5, 13, tzinfo=UTC)
    assert challenge.error == Problem("x")


def test_the_key_authorization_joins_token_and_thumbprint():
    assert read(EXAMPLE).key_authorization == (
        "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0.NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


@pytest.mark.parametrize("token", ["../../etc/passwd", "a b", "a=", "", "ä", "a\n", "x" * 513, 7, None])
def test_a_token_outside_base64url_is_not_used(token: object):
    challenge = read({**EXAMPLE, "token": token})

    assert challenge.token is None
    with pytest.raises(MalformedAnswer, match=f"^{URL.replace('thing', '')}|the token is not base64url"):
        _ = challenge.key_authorization


def test_some_types_have_no_token():
    challenge = read({"type": "dns-persist-01", "url": "/1", "issuer-domain-names": ["ca.example"]})

    assert challenge.token is None
    with pytest.raises(MalformedAnswer, match=r"a.example: dns-persist-01: there is no token$"):
        _ = challenge.key_authorization
    assert challenge.raw["issuer-domain-names"] == ["ca.example"]


def test_url_and_status_may_be_missing():
    challenge = read({"type": "dns-01"})

    assert (challenge.url, challenge.status) == ("", "pending")


def test_an_answer_updates_it():
    challenge = read({**EXAMPLE, "error": {"type": "x"}})

    updated = challenge.updated(response({"status": "processing", "type": "dns-01", "token": "other"}))

    assert (updated.status, updated.error) == ("processing", None)
    assert (updated.type, updated.token) == ("http-01", EXAMPLE["token"])


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_answer_changes_nothing(body: bytes):
    challenge = read(EXAMPLE)
    assert challenge.updated(response(body)) == challenge


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_an_answer_that_tells_nothing_of_a_challenge_is_refused(body: bytes):
    with pytest.raises(MalformedAnswer):
        read(EXAMPLE).updated(response(body))


def test_it_prints_as_what_it_proves():
    assert str(read(EXAMPLE)) == "a.example by http-01"
    assert str(read({**EXAMPLE, "type": "dns-01"}, wildcard=True)) == "*.a.example by dns-01"


def test_its_repr_shows_nothing_that_answers_it():
    shown = repr(read(EXAMPLE))

    assert str(EXAMPLE["token"]) not in shown
    assert THUMBPRINT not in shown


@given(bodies(*EXAMPLE, "validated", "error"))
def test_updating_raises_nothing_else(body: bytes):
    with contextlib.suppress(MalformedAnswer):
        assert read(EXAMPLE).updated(response(body)).token == EXAMPLE["token"]


@given(bodies(*EXAMPLE))
def test_reading_raises_nothing_else(body: bytes):
    from acmez.acme.wire import parse_object

    with contextlib.suppress(AcmeError):
        challenge = read(dict(parse_object(body, URL)))
        str(challenge)
        _ = challenge.key_authorization


def test_only_a_persistent_answer_stays():
    assert read({**EXAMPLE, "type": "dns-persist-01"}).persistent
    assert not read(EXAMPLE).persistent
