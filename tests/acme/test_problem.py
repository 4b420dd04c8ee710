from __future__ import annotations

import re

import pytest
from hypothesis import given

from acmez.acme import (
    AccountDoesNotExist,
    AlreadyReplaced,
    AlreadyRevoked,
    BadNonce,
    BadSignatureAlgorithm,
    Conflict,
    ErrorType,
    ExternalAccountRequired,
    Identifier,
    InvalidProfile,
    OrderNotReady,
    Problem,
    ProblemError,
    RateLimited,
    RejectedIdentifier,
    UserActionRequired,
)
from acmez.acme.problem import PREFIX, problem_error
from tests.acme.answers import URL, Raw, bodies, members, response

REGISTERED = """
    accountDoesNotExist alreadyReplaced alreadyRevoked autoRenewalCanceled autoRenewalCancellationInvalid
    autoRenewalExpired autoRenewalRevocationNotSupported badAttestationStatement badCSR badNonce badPublicKey
    badRevocationReason badSignatureAlgorithm caa compound conflict connection dns externalAccountRequired
    incorrectResponse invalidContact invalidProfile malformed onionCAARequired orderNotReady rateLimited
    rejectedIdentifier serverInternal tls unauthorized unknownDelegation unsupportedContact unsupportedIdentifier
    userActionRequired
""".split()  # noqa: SIM905

#: RFC 8555 §6.7.1
COMPOUND: Raw = {
    "type": "urn:ietf:params:acme:error:malformed",
    "detail": "Some of the identifiers requested were rejected",
    "subproblems": [
        {
            "type": "urn:ietf:params:acme:error:malformed",
            "detail": 'Invalid underscore in DNS name "_example.org"',
            "identifier": {"type": "dns", "value": "_example.org"},
        },
        {
            "type": "urn:ietf:params:acme:error:rejectedIdentifier",
            "detail": 'This CA will not issue for "example.net"',
            "identifier": {"type": "dns", "value": "example.net"},
        },
    ],
}


def test_every_registered_type_has_a_name():
    assert sorted(member.removeprefix(PREFIX) for member in ErrorType) == sorted(REGISTERED)


def test_subproblems_name_their_identifiers():
    problem = Problem.from_json(COMPOUND, URL)

    assert problem.type == ErrorType.MALFORMED
    assert [sub.identifier for sub in problem.subproblems] == [
        Identifier.dns("_example.org"),
        Identifier.dns("example.net"),
    ]
    assert [sub.code for sub in problem.subproblems] == ["malformed", "rejectedIdentifier"]
    assert str(problem) == (
        "malformed: Some of the identifiers requested were rejected\n"
        '  _example.org: malformed: Invalid underscore in DNS name "_example.org"\n'
        '  example.net: rejectedIdentifier: This CA will not issue for "example.net"'
    )
    assert problem.raw == COMPOUND


def test_subproblems_have_no_subproblems():
    nested: Raw = {"subproblems": [{"type": "a", "subproblems": [{"type": "b"}]}, "x", None]}

    (sub,) = Problem.from_json(nested, URL).subproblems

    assert (sub.type, sub.subproblems) == ("a", ())


@pytest.mark.parametrize("raw", [{}, {"type": None, "detail": 3, "status": "x", "subproblems": {}, "identifier": []}])
def test_every_member_may_be_missing_or_odd(raw: Raw):
    problem = Problem.from_json(raw, URL)

    assert (problem.type, problem.detail, problem.status, problem.subproblems) == ("about:blank", "", None, ())
    assert problem.identifier is None
    assert str(problem) == "no reason given"


@pytest.mark.parametrize(
    ("status", "read"),
    [(403, 403), (True, None), (99, None), (600, None), (-1e308, None), (10**50, None), (403.0, None)],
)
def test_the_status_is_an_http_status(status: object, read: int | None):
    assert Problem.from_json({"status": status}, URL).status == read  # type: ignore[dict-item]


def test_an_unknown_type_is_kept():
    problem = Problem.from_json({"type": "urn:keyon:expired", "title": "Expired"}, URL)

    assert (problem.type, problem.code, problem.detail) == ("urn:keyon:expired", "urn:keyon:expired", "Expired")


def test_what_a_server_writes_plays_no_tricks_on_a_terminal():
    problem = Problem.from_json(
        {"type": "a\x1b", "detail": "\x1b[2Jx\ny", "identifier": {"type": "dns", "value": "\u202ea"}}, URL
    )

    assert str(problem) == "\ufffda: a\ufffd: \ufffd[2Jx y"


@given(members("type", "detail", "title", "status", "instance", "identifier", "subproblems", "algorithms"))
def test_reading_raises_nothing(raw: Raw):
    str(Problem.from_json(raw, URL))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("accountDoesNotExist", AccountDoesNotExist),
        ("alreadyReplaced", AlreadyReplaced),
        ("alreadyRevoked", AlreadyRevoked),
        ("badNonce", BadNonce),
        ("badSignatureAlgorithm", BadSignatureAlgorithm),
        ("conflict", Conflict),
        ("externalAccountRequired", ExternalAccountRequired),
        ("invalidProfile", InvalidProfile),
        ("orderNotReady", OrderNotReady),
        ("rateLimited", RateLimited),
        ("rejectedIdentifier", RejectedIdentifier),
        ("userActionRequired", UserActionRequired),
        ("dns", ProblemError),
    ],
)
def test_types_that_a_caller_tells_apart_have_exceptions(code: str, kind: type[ProblemError]):
    error = problem_error(response({"type": PREFIX + code, "detail": "no"}, 400))

    assert type(error) is kind
    assert str(error) == f"POST {URL}: HTTP 400: {code}: no"


@pytest.mark.parametrize(
    "media",
    ["application/problem+json", "application/problem+json; charset=utf-8", "application/json", "text/plain", ""],
)
def test_the_content_type_does_not_matter(media: str):
    error = problem_error(response({"type": PREFIX + "badNonce"}, 400, content_type=media))

    assert isinstance(error, BadNonce)


def test_an_error_carries_what_the_answer_said():
    error = problem_error(
        response(
            {"type": PREFIX + "rateLimited", "detail": "too many", "status": 429},
            429,
            retry_after="60",
            link='<https://letsencrypt.org/docs/rate-limits>;rel="help"',
            location="/x",
        )
    )

    assert isinstance(error, RateLimited)
    assert (error.status, error.retry_after, error.method, error.url) == (429, 60.0, "POST", URL)
    assert error.links["help"] == ("https://letsencrypt.org/docs/rate-limits",)
    assert error.location == "https://ca.example/x"
    assert error.body.startswith(b'{"type"')


def test_the_kept_body_is_short():
    assert len(problem_error(response(b"x" * 10_000, 500)).body) == 4096


def test_new_terms_of_service_are_linked():
    error = problem_error(
        response(
            {"type": PREFIX + "userActionRequired", "detail": "agree", "instance": "/agreement"},
            403,
            link='</tos/2>;rel="terms-of-service"',
        )
    )

    assert isinstance(error, UserActionRequired)
    assert error.terms_of_service == "https://ca.example/tos/2"
    assert error.instance == "https://ca.example/agreement"
    bare = problem_error(response({"type": PREFIX + "userActionRequired"}, 403))
    assert isinstance(bare, UserActionRequired)
    assert (bare.terms_of_service, bare.instance) == (None, None)


def test_a_refused_algorithm_tells_the_accepted_ones():
    error = problem_error(response({"type": PREFIX + "badSignatureAlgorithm", "algorithms": ["ES256", 1]}, 400))

    assert isinstance(error, BadSignatureAlgorithm)
    assert error.algorithms == ("ES256",)


@pytest.mark.parametrize(
    ("status", "body", "fields", "told"),
    [
        (502, "<html>\n<h1>Bad Gateway</h1>", {}, "the answer is no problem document: '<html> <h1>Bad Gateway</h1>'"),
        (504, b"", {}, "empty answer"),
        (403, {"message": "Missing Authentication Token"}, {}, 'no problem document: \'{"message": "Missing'),
        (500, b"\xff\x00", {}, "no problem document: '\ufffd\ufffd'"),
        (500, b"[1]", {}, "no problem document: '[1]'"),
        (301, b"", {"location": "/dir"}, "it redirects to 'https://ca.example/dir', which is not followed"),
        (304, b"", {}, "empty answer"),
    ],
)
def test_an_answer_that_is_no_problem_document_is_told_as_it_is(
    status: int, body: object, fields: dict[str, str], told: str
):
    error = problem_error(response(body, status, **fields))

    assert type(error) is ProblemError
    assert error.problem.type == "about:blank"
    assert re.match(f"POST {URL}: HTTP {status}: .*{re.escape(told)}", str(error))
    assert "about:blank" not in str(error)


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("<html><TITLE>503 Service\nUnavailable</TITLE><h1>Sorry", "(text/html): '503 Service Unavailable'"),
        ("<title lang=en> Wartung &amp; Pflege </title>", "(text/html): 'Wartung & Pflege'"),
        ("<title>&#8238;\x1b[2J</title>", "(text/html): '\ufffd\ufffd[2J'"),
        ("<title> </title><h1>Sorry</h1>", "(text/html): '<title> </title><h1>Sorry</h1>'"),
        ("<title>" + 900 * "x" + "</title>", f"(text/html): '{200 * 'x'}...'"),
        ("<title>" * 9000, "(text/html): '<title><title>"),
    ],
)
def test_a_page_is_told_by_its_title(page: str, told: str):
    answer = response(page, 503, **{"content-type": "text/html; charset=utf-8"})

    assert f"HTTP 503: the answer is no problem document {told}" in str(problem_error(answer))


@given(bodies("type", "detail", "title", "status", "instance", "identifier", "subproblems", "algorithms"))
def test_every_body_makes_an_exception(body: bytes):
    assert isinstance(problem_error(response(body, 400, location="//[", retry_after="x", link="<[")), ProblemError)
