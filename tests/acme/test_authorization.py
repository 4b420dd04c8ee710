from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given

from acmez.acme import (
    Account,
    AcmeError,
    Authorization,
    AuthorizationStatus,
    Identifier,
    MalformedAnswer,
    Problem,
    SigningKey,
)
from acmez.acme.authorization import FINAL
from tests.acme.answers import URL, Raw, bodies, response
from tests.acme.keys import P256

ACCOUNT = Account("https://ca.example/acct/1", SigningKey(P256))

#: RFC 8555 §7.1.4
EXAMPLE: Raw = {
    "status": "valid",
    "expires": "2018-09-09T14:09:01.13Z",
    "identifier": {"type": "dns", "value": "www.example.org"},
    "challenges": [
        {
            "url": "https://example.com/acme/chall/prV_B7yEyA4",
            "type": "http-01",
            "status": "valid",
            "validated": "2014-12-01T12:05:13.72Z",
            "token": "IlirfxKKXAsHtmzK29Pj8A",
        }
    ],
}


def read(raw: object, **fields: str) -> Authorization:
    return Authorization.from_response(response(raw, 200, **fields), ACCOUNT, URL)


def test_an_authorization_is_read():
    authorization = read({**EXAMPLE, "subdomainAuthAllowed": True}, retry_after="5")

    assert authorization.url == URL
    assert authorization.identifier == Identifier.dns("www.example.org")
    assert authorization.status == AuthorizationStatus.VALID
    assert authorization.expires == datetime(2018, 9, 9, 14, 9, 1, 130000, tzinfo=UTC)
    assert authorization.subdomain_auth_allowed
    assert authorization.retry_after == 5.0
    assert (authorization.wildcard, authorization.name) == (False, "www.example.org")
    (challenge,) = authorization.challenges
    assert (challenge.type, challenge.token) == ("http-01", "IlirfxKKXAsHtmzK29Pj8A")
    assert challenge.identifier == authorization.identifier
    assert (challenge.thumbprint, challenge.account_url) == (ACCOUNT.key.thumbprint, ACCOUNT.url)


@pytest.mark.parametrize(
    "raw",
    [
        {"identifier": {"type": "dns", "value": "example.org"}, "wildcard": True},
        {"identifier": {"type": "dns", "value": "*.example.org"}},
        {"identifier": {"type": "dns", "value": "*.example.org"}, "wildcard": True},
    ],
)
def test_a_wildcard_is_one_with_or_without_its_prefix(raw: Raw):
    authorization = read({**raw, "challenges": [{"type": "dns-01"}]})

    assert authorization.identifier.value == "example.org"
    assert (authorization.wildcard, authorization.name) == (True, "*.example.org")
    assert authorization.challenges[0].wildcard


def test_it_may_lack_all_but_its_identifier():
    authorization = read({"identifier": {"type": "dns", "value": "a.example"}})

    assert authorization == Authorization(URL, Identifier.dns("a.example"), "pending")
    assert authorization.problem is None


@pytest.mark.parametrize(
    "raw", [{}, {"identifier": None}, {"identifier": "a.example"}, {"identifier": {"type": "dns"}}]
)
def test_without_an_identifier_it_is_malformed(raw: Raw):
    with pytest.raises(MalformedAnswer, match="identifier"):
        read(raw)


def test_a_challenge_without_type_is_left_out_and_unknown_ones_are_kept():
    challenges = [{"url": "/1"}, {"type": "x-new-01", "url": "/2", "extra": 1}]

    (challenge,) = read({**EXAMPLE, "challenges": challenges}).challenges

    assert (challenge.type, challenge.url, challenge.status) == ("x-new-01", "https://ca.example/2", "pending")
    assert challenge.raw["extra"] == 1


def test_a_hundred_challenges_are_read_and_more_refused():
    challenges = [{"type": "http-01", "url": f"/{number}"} for number in range(101)]

    assert len(read({**EXAMPLE, "challenges": challenges[:100]}).challenges) == 100
    with pytest.raises(MalformedAnswer, match=r"the authorization has 101 challenges \(limit: 100\)"):
        read({**EXAMPLE, "challenges": challenges})


def test_the_first_challenge_with_an_error_tells_the_problem():
    # step-ca: errors while still pending
    challenges = [{"type": "dns-01"}, {"type": "http-01", "error": {"type": "about:blank", "detail": "refused"}}]

    assert read({**EXAMPLE, "status": "pending", "challenges": challenges}).problem == Problem("about:blank", "refused")


def test_a_new_authorization_must_say_where_it_is():
    with pytest.raises(MalformedAnswer, match="the answer to newAuthz has no Location"):
        Authorization.from_response(response(EXAMPLE), ACCOUNT)
    assert Authorization.from_response(response(EXAMPLE, location="/1"), ACCOUNT).url == "https://ca.example/1"


def test_from_pending_and_from_unknown_states_it_can_become_valid():
    assert "pending" not in FINAL
    assert "processing" not in FINAL  # Sectigo, Actalis
    assert set(AuthorizationStatus) - FINAL == {"pending"}


@given(bodies(*EXAMPLE, "wildcard", "subdomainAuthAllowed"))
def test_reading_raises_nothing_else(body: bytes):
    with contextlib.suppress(AcmeError):
        authorization = read(body)
        assert authorization.name
        str(authorization.problem)
