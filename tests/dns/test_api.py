"""Calls of a provider's API go through a retry policy, as requests to a CA do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from acmez.acme.retry import Failure
from acmez.acme.scope import CancelScope
from acmez.dns.api import Api, ApiError
from tests.dns.fake_api import FakeApi, Reply
from tests.dns.fixtures import scope

__all__ = ["scope"]

FINE = Reply(200, {"fine": True})


@dataclass
class Policy:
    """Allows two tries, and remembers what it was asked."""

    name: ClassVar[str] = "two"

    asked: list[Failure] = field(default_factory=list)

    def next_delay(self, failure: Failure) -> float | None:
        self.asked.append(failure)
        return 0.0 if failure.alike < 2 else None


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Policy:
    made = Policy()
    monkeypatch.setattr("acmez.dns.api.RETRY", made)
    return made


@pytest.fixture
def server() -> Iterator[FakeApi]:
    with FakeApi(lambda _: FINE).running() as running:
        yield running


def call(
    server: FakeApi, scope: CancelScope, method: str = "PUT", *, patient: bool = True, repeatable: bool | None = None
) -> object:
    with Api(server.url, headers={"authorization": "t0ken"}, timeout=0.3).connected(scope) as calls:
        return calls(method, "/thing?secret=1", {}, patient=patient, repeatable=repeatable)[1]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate-limited"), (503, "rate-limited"), (500, "server-error"), (504, "server-error")]
)
def test_what_may_pass_is_asked_again(server, policy, scope, status, kind):
    server.faults = [Reply(status, {"error": "later"}, {"Retry-After": "7"})]
    assert call(server, scope) == {"fine": True}
    (failure,) = policy.asked
    assert (failure.kind, failure.operation, failure.attempt, failure.retry_after) == (kind, "PUT /thing", 1, 7.0)
    assert str(failure.error) == f'{server.url}: HTTP status {status}: {{"error": "later"}}'


def test_until_the_policy_has_had_enough(server, policy, scope):
    server.faults = [Reply(503, {})] * 5
    with pytest.raises(ApiError, match="HTTP status 503"):
        call(server, scope)
    assert len(server.seen) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
def test_what_will_not_pass_is_not(server, policy, scope, status):
    server.faults = [Reply(status, {})]
    with pytest.raises(ApiError, match=f"HTTP status {status}"):
        call(server, scope)
    assert policy.asked == []


@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("PUT", 2), ("POST", 1)])
def test_a_server_that_does_not_answer_in_time_is_asked_again(server, policy, scope, method, tries):
    server.hang.clear()
    with pytest.raises(ApiError, match="no answer"):
        call(server, scope, method)
    assert len(server.seen) == tries
    assert {failure.kind for failure in policy.asked} == ({"timeout"} if tries > 1 else set())


def test_a_server_where_nothing_listens_is_asked_again(policy, scope):
    with Api("http://127.0.0.1:1", headers={}).connected(scope) as calls, pytest.raises(ApiError, match="no answer"):
        calls("POST", "/thing", {})
    assert [failure.kind for failure in policy.asked] == ["connect"] * 2


@pytest.mark.parametrize(
    ("status", "repeatable", "tries"), [(500, None, 1), (429, None, 2), (500, True, 2), (500, False, 1)]
)
def test_a_post_is_asked_again_if_nothing_was_done_or_that_harms_nobody(
    server, policy, scope, status, repeatable, tries
):
    server.faults = [Reply(status, {})] * 2
    with pytest.raises(ApiError):
        call(server, scope, "POST", repeatable=repeatable)
    assert len(server.seen) == tries


def test_a_call_without_patience_is_made_once(server, policy, scope):
    server.faults = [Reply(503, {})]
    with pytest.raises(ApiError):
        call(server, scope, patient=False)
    assert policy.asked == []


@pytest.mark.parametrize(
    ("methods", "last", "untouched"),
    [
        (["GET"], 403, True),
        (["PUT"], 403, True),
        (["PUT"], 500, False),
        (["HEAD", "GET"], 500, True),
        (["POST", "GET"], 403, False),
    ],
)
def test_an_error_tells_whether_anything_can_have_changed(server, policy, scope, methods, last, untouched):
    def present() -> None:
        with Api(server.url, headers={}).connected(scope) as calls:
            for method in methods:
                server.faults = [Reply(last, {})] * 2 if method is methods[-1] else []
                calls(method, "/thing", {})

    with pytest.raises(ApiError) as caught:
        present()
    assert caught.value.untouched == untouched


def test_what_never_arrived_changed_nothing(policy, scope):
    with pytest.raises(ApiError) as caught, Api("http://127.0.0.1:1", headers={}).connected(scope) as calls:
        calls("POST", "/thing", {})
    assert caught.value.untouched
