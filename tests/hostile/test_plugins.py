"""Solvers and waiters that raise or return what they must not: the issuance ends in order, and cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from acmez_testkit import Problem

from acmez import AcmeError, Challenge, ChallengesFailed, InputError, KeyProviderError, Polling, ProblemError, Route
from acmez.acme import Failure, PrivateKey
from acmez.acme.scope import CancelScope
from acmez.protocols import Handle, Solver
from tests.hostile.answers import NAME, TRICKS, names, tricky
from tests.hostile.conftest import Start
from tests.solvers import BatchingTxtSolver, CallWaiter, TxtSolver, WatchingWebSolver, WebSolver, nothing

OTHER = "other.example.org"


class Odd(Exception):
    """An exception of a plugin's own, with nothing to say."""


def raising(error: BaseException) -> Callable[[Challenge, CancelScope], None]:
    def call(challenge: Challenge, scope: CancelScope) -> None:
        raise error

    return call


@pytest.mark.parametrize("error", [Odd(), KeyError("zone"), RuntimeError(TRICKS), RecursionError(), MemoryError()])
@pytest.mark.parametrize("what", ["present", "wait"])
def test_what_they_raise_fails_the_name_and_is_told(start: Start, what: str, error: Exception):
    lab = start()
    solver = WebSolver(web=lab.web, on_present=raising(error) if what == "present" else nothing)
    route = Route(solver, waiter=CallWaiter(raising(error)) if what == "wait" else None)
    with pytest.raises(ChallengesFailed, match=f"{what} by http-01 with 'web': {type(error).__name__}") as raised:
        lab.client(route).obtain([NAME])
    assert not tricky(str(raised.value))
    assert solver.left == set()


def test_a_solver_that_raises_to_clean_up_costs_no_certificate(start: Start):
    lab = start()
    solver = WebSolver(web=lab.web, on_clean_up=raising(Odd()))
    assert names(lab.client(solver).obtain([NAME])) == {NAME}
    lab.web.answers.clear()


@dataclass
class Returns(TxtSolver):
    """Returns whatever it was given."""

    what: Any = None

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        super().present(challenge, scope)
        return cast("Handle", self.what)

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        super().clean_up(challenge, None, scope)


@pytest.mark.parametrize("journal", [False, True], ids=["no journal", "journal"])
@pytest.mark.parametrize("what", [7, "text", object(), [1], {"a": object()}, {1: 2}, {"a": b"x"}, {"a": float("nan")}])
def test_a_handle_of_the_wrong_type_leaves_nothing_behind(start: Start, tmp_path: Path, what: object, *, journal: bool):
    lab = start()
    solver = Returns(zone=lab.zone, what=what)
    client = lab.client(solver, journal=tmp_path / "journal" if journal else None)
    with suppress(ChallengesFailed):
        assert names(client.obtain([NAME])) == {NAME}
    assert lab.ca.txt_records == {}
    assert solver.left == set()


@dataclass
class Miscounts(BatchingTxtSolver):
    """Returns too few handles, or none at all."""

    what: Any = None

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        super().present_many(challenges, scope)
        return cast("Sequence[Handle | None]", self.what)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        super().clean_up_many(challenges, [None] * len(challenges), scope)


@pytest.mark.parametrize("what", [None, [], [{}], [{}] * 9, 7, {}], ids=range(6))
def test_a_batch_that_is_miscounted_leaves_nothing_behind(start: Start, what: object):
    lab = start()
    solver = Miscounts(zone=lab.zone, what=what)
    client = lab.client(solver)
    with suppress(ChallengesFailed):
        assert names(client.obtain([NAME, OTHER])) == {NAME, OTHER}
    assert lab.ca.txt_records == {}


@dataclass
class Pays(WebSolver):
    """Has a payload of its own."""

    what: Any = None

    def payload(self, challenge: Challenge) -> Any:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


@pytest.mark.parametrize("what", [object(), {"a": object()}, {"a": float("nan")}, {"a": {1, 2}}, Odd()], ids=range(5))
def test_a_payload_that_is_no_json_is_not_sent(start: Start, what: object):
    lab = start()
    solver = Pays(web=lab.web, what=what)
    with pytest.raises((ChallengesFailed, AcmeError), match=r"respond by http-01|payload: cannot be written as JSON"):
        lab.client(solver).obtain([NAME])
    assert lab.requests()["challenge"] == 0
    assert solver.left == set()


@dataclass
class Provides:
    """Provides something else than a key."""

    name: ClassVar[str] = "odd"

    what: Any

    def get(self, purpose: str) -> PrivateKey:
        if isinstance(self.what, Exception):
            raise self.what
        return cast("PrivateKey", self.what)


@pytest.mark.parametrize("what", [7, None, b"x", "-----BEGIN PRIVATE KEY-----", object(), Odd()], ids=range(6))
@pytest.mark.parametrize("purpose", ["certificate", "account"])
def test_what_is_no_key_is_told_before_anything_is_sent(start: Start, purpose: str, what: object):
    lab = start()
    client = lab.stranger(account_key=Provides(what)) if purpose == "account" else lab.client()
    before = lab.requests()
    with pytest.raises((InputError, KeyProviderError), match=rf"^key: |^'odd': provides no {purpose} key: Odd"):
        client.register() if purpose == "account" else client.obtain([NAME], key=Provides(what))
    assert lab.requests() == before


@dataclass
class Decides:
    """A retry policy that says nonsense."""

    name: ClassVar[str] = "odd"

    what: Any

    def next_delay(self, failure: Failure) -> float | None:
        if isinstance(self.what, Exception):
            raise self.what
        return cast("float", self.what)


@pytest.mark.parametrize("what", ["soon", -1, float("nan"), float("inf"), [], Odd()], ids=range(6))
def test_a_retry_policy_that_says_nonsense_has_given_up_and_hides_no_error(start: Start, what: object):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=Decides(what))
    lab.ca.faults.add("new-order", Problem("serverInternal", "out of order", 500))
    with pytest.raises(ProblemError, match="out of order"):
        client.obtain([NAME])
    assert lab.requests()["new-order"] == 1


@dataclass
class Signals(WatchingWebSolver):
    """Cannot say when the CA came."""

    what: Any = None

    def validated(self, challenge: Challenge) -> Any:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


def test_a_signal_that_raises_costs_no_certificate(start: Start):
    lab = start()
    solver = Signals(web=lab.web, what=Odd())
    assert names(lab.client(solver, polling=Polling(first=0.001)).obtain([NAME])) == {NAME}


def test_a_solver_of_no_known_type_is_never_asked(start: Start):
    lab = start()

    @dataclass
    class Strange(WebSolver):
        challenge_type = TRICKS

    solver = Strange(web=lab.web)
    with pytest.raises(ChallengesFailed, match="no solver for its challenges") as raised:
        lab.client(cast("Solver", solver)).obtain([NAME])
    assert not tricky(str(raised.value))
    assert solver.calls == []
