from __future__ import annotations

import copy
import pickle

import pytest

from acmez.acme import (
    AcmeError,
    Cancelled,
    ConnectError,
    DeadlineExceeded,
    InputError,
    LostAnswer,
    MalformedAnswer,
    PollTimeout,
    ProblemError,
    RateLimited,
    StateError,
    TransportError,
    UnsupportedError,
)
from acmez.acme.problem import problem_error
from tests.acme.answers import URL, response

ERRORS = [
    InputError("x"),
    UnsupportedError("x"),
    ConnectError("x", method="GET", url=URL),
    LostAnswer("x", method="POST", url=URL, location="/1"),
    MalformedAnswer("x", url=URL),
    PollTimeout("x", url=URL, status="pending", retry_after=3.0),
    StateError("x", url=URL, status="invalid"),
    Cancelled("x"),
    DeadlineExceeded("x"),
    ProblemError(problem_error(response("", 400)).problem, status=400, method="POST", url=URL),
    problem_error(
        response({"type": "urn:ietf:params:acme:error:rateLimited"}, 429, retry_after="3", link="</>;rel=up")
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_everything_descends_from_one_root(error: AcmeError):
    assert isinstance(error, AcmeError)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_an_error_survives_the_way_to_another_process(error: AcmeError, copied):
    again = copied(error)

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__


def test_what_the_server_cannot_have_acted_on_is_told_apart_from_what_it_may_have():
    assert issubclass(ConnectError, TransportError)
    assert issubclass(LostAnswer, TransportError)
    assert not issubclass(LostAnswer, ConnectError)


def test_an_input_error_is_a_value_error_and_a_passed_deadline_a_cancellation():
    assert issubclass(InputError, ValueError)
    assert issubclass(DeadlineExceeded, Cancelled)
    assert issubclass(RateLimited, ProblemError)


def test_messages_begin_with_the_request():
    assert str(ERRORS[2]) == f"GET {URL}: x"
    assert str(ERRORS[4]) == f"{URL}: x"


def test_an_error_names_the_page_that_explains_it_or_its_kind():
    class Odd(ConnectError):
        pass

    assert ConnectError("x", method="GET", url=URL).page == "ConnectError"
    assert Odd("x", method="GET", url=URL).page == "ConnectError"
