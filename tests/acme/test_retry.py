from __future__ import annotations

import threading
from typing import Any, ClassVar, cast

import pytest

from acmez.acme import (
    AcmeError,
    Cancelled,
    CancelScope,
    ConnectError,
    DeadlineExceeded,
    DefaultRetry,
    Failure,
    FailureKind,
    InputError,
    LostAnswer,
    MalformedAnswer,
)
from acmez.acme.errors import Stage
from acmez.acme.problem import PREFIX, problem_error
from acmez.acme.retry import failure_kind, repeat, settle
from tests.acme.answers import URL, response

LOST = LostAnswer("lost", method="POST", url=URL)
UNREACHED = ConnectError("refused", method="POST", url=URL)
MALFORMED = MalformedAnswer("odd", url=URL)
TIMED_OUT = LostAnswer("late", method="POST", url=URL, timed_out=True)


class Clock(CancelScope):
    """A monotonic clock that moves when somebody sleeps, and the scope to sleep in."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def refused(status: int, code: str = "", *, method: str = "POST", **fields: str) -> AcmeError:
    body = {"type": PREFIX + code} if code else "<html>"
    return problem_error(response(body, status, method=method, **fields))


def failure(kind: FailureKind, attempt: int = 1, *, elapsed: float = 0.0, asked: float | None = None) -> Failure:
    return Failure(kind, "order", attempt, attempt, elapsed, None, asked, LOST)


class TestKinds:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (refused(400, "badNonce"), FailureKind.BAD_NONCE),
            (refused(429), FailureKind.RATE_LIMITED),
            (refused(429, "rateLimited", retry_after="1"), FailureKind.RATE_LIMITED),
            (refused(503), FailureKind.RATE_LIMITED),
            (refused(503, "rateLimited"), FailureKind.RATE_LIMITED),
            (UNREACHED, FailureKind.CONNECT),
            (ConnectError("slow", method="POST", url=URL, timed_out=True), FailureKind.TIMEOUT),
            (ConnectError("half", method="POST", url=URL, stage=Stage.SEND), FailureKind.SEND),
            (ConnectError("late", method="POST", url=URL, stage=Stage.SEND, timed_out=True), FailureKind.TIMEOUT),
            (ConnectError("lost", method="GET", url=URL, stage=Stage.ANSWER), FailureKind.LOST_ANSWER),
        ],
    )
    def test_what_the_server_did_not_act_on_may_always_be_tried_again(self, error: AcmeError, kind: FailureKind):
        assert failure_kind(error, repeatable=True) is kind
        assert failure_kind(error, repeatable=False) is kind

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (refused(500), FailureKind.SERVER_ERROR),
            (refused(504, "serverInternal"), FailureKind.SERVER_ERROR),
            (LOST, FailureKind.LOST_ANSWER),
            (TIMED_OUT, FailureKind.TIMEOUT),
            (refused(409), FailureKind.CONFLICT),
            (refused(409, "conflict"), FailureKind.CONFLICT),
            (MALFORMED, FailureKind.MALFORMED),
        ],
    )
    def test_what_it_may_have_acted_on_only_if_that_does_no_harm(self, error: AcmeError, kind: FailureKind):
        assert failure_kind(error, repeatable=True) is kind
        assert failure_kind(error, repeatable=False) is None

    def test_a_get_on_the_way_to_a_post_does_no_harm(self):
        assert failure_kind(refused(500, method="HEAD"), repeatable=False) is FailureKind.SERVER_ERROR

    @pytest.mark.parametrize(
        "error",
        [
            refused(400, "malformed"),
            refused(403, "unauthorized"),
            refused(404),
            refused(301, location="/"),
            refused(501),
            refused(409, "alreadyReplaced"),  # RFC 9773 §5
            refused(409, "alreadyRevoked"),
            refused(429, "rateLimited"),  # a limit of hours, or a paused account
            InputError("x"),
            Cancelled("x"),
            DeadlineExceeded("x"),
        ],
    )
    def test_the_rest_is_final(self, error: AcmeError):
        assert failure_kind(error, repeatable=True) is None


class TestDefaultPolicy:
    def test_pauses_grow_and_are_jittered_and_capped(self):
        policy = DefaultRetry(attempts=100, first_delay=1.0, max_delay=8.0, budget=1e9)

        for attempt, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (20, 8.0)):
            delays = {policy.next_delay(failure(FailureKind.SERVER_ERROR, attempt)) for _ in range(50)}
            assert len(delays) == 50
            assert all(delay is not None and most / 2 <= delay <= most for delay in delays)

    def test_it_gives_up_after_so_many_tries(self):
        policy = DefaultRetry(attempts=3)

        assert policy.next_delay(failure(FailureKind.CONNECT, 2)) is not None
        assert policy.next_delay(failure(FailureKind.CONNECT, 3)) is None

    def test_a_server_that_is_away_for_15_seconds_is_waited_for(self):
        policy, waited, attempt = DefaultRetry(), 0.0, 1
        while (delay := policy.next_delay(failure(FailureKind.CONNECT, attempt, elapsed=waited))) is not None:
            waited, attempt = waited + delay, attempt + 1

        assert waited > 15.0

    def test_nonces_cost_no_waiting_and_have_tries_of_their_own(self):
        policy = DefaultRetry(attempts=1, nonce_attempts=5)

        assert policy.next_delay(failure(FailureKind.BAD_NONCE, 4)) == 0.0
        assert policy.next_delay(failure(FailureKind.BAD_NONCE, 5)) is None
        assert policy.next_delay(failure(FailureKind.BAD_NONCE, 4, elapsed=91.0)) is None

    def test_what_the_server_asks_for_wins_up_to_the_cap(self):
        policy = DefaultRetry(max_retry_after=60.0)

        assert policy.next_delay(failure(FailureKind.RATE_LIMITED, asked=30.0)) == 30.0
        assert policy.next_delay(failure(FailureKind.RATE_LIMITED, asked=60.0)) == 60.0
        assert policy.next_delay(failure(FailureKind.RATE_LIMITED, asked=61.0)) is None
        delay = policy.next_delay(failure(FailureKind.RATE_LIMITED, asked=0.0))
        assert delay is not None
        assert 0 <= delay <= 0.25

    def test_nothing_is_tried_again_beyond_the_budget(self):
        policy = DefaultRetry(budget=90.0)

        assert policy.next_delay(failure(FailureKind.RATE_LIMITED, elapsed=50.0, asked=30.0)) == 30.0
        assert policy.next_delay(failure(FailureKind.RATE_LIMITED, elapsed=70.0, asked=30.0)) is None

    def test_what_still_collides_the_third_time_is_no_accident(self):
        policy = DefaultRetry()

        assert policy.next_delay(failure(FailureKind.CONFLICT, 2)) is not None
        assert policy.next_delay(failure(FailureKind.CONFLICT, 3)) is None

    @pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind is not FailureKind.BAD_NONCE])
    def test_other_failures_cost_no_tries_and_no_patience(self, kind: FailureKind):
        first_of_its_kind = Failure(kind, "order", 100, 1, 5.0, None, None, LOST)

        delay = DefaultRetry(first_delay=0.25).next_delay(first_of_its_kind)

        assert delay is not None
        assert delay <= 0.25

    @pytest.mark.parametrize("option", ["attempts", "nonce_attempts", "conflict_attempts"])
    def test_there_is_at_least_one_try(self, option: str):
        with pytest.raises(ValueError, match="at least 1"):
            DefaultRetry(**{option: 0})


class Policy:
    """Hands out the given delays and keeps what it was asked."""

    name: ClassVar[str] = "test"

    def __init__(self, *delays: float | None) -> None:
        self.delays = list(delays)
        self.asked: list[Failure] = []

    def next_delay(self, failure: Failure) -> float | None:
        self.asked.append(failure)
        return self.delays.pop(0)


class Work:
    """Raises the given errors, one after the other, then returns the try's number."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)

    def __call__(self, number: int) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return number


class TestRepeating:
    def test_what_fails_is_tried_again_and_the_policy_knows_all_about_it(self):
        policy = Policy(0.0, 0.001)
        limited = refused(503, retry_after="7")
        with CancelScope(60) as scope:
            number = repeat(Work(LOST, limited), policy=policy, operation="order", scope=scope, repeatable=True)

        assert number == 3
        first, second = policy.asked
        assert (first.kind, first.operation, first.attempt) == (FailureKind.LOST_ANSWER, "order", 1)
        assert (first.alike, first.retry_after, first.error) == (1, None, LOST)
        assert (second.kind, second.attempt, second.retry_after) == (FailureKind.RATE_LIMITED, 2, 7.0)
        assert second.elapsed >= first.elapsed >= 0
        assert second.remaining is not None
        assert 50 < second.remaining < 60

    def test_the_policy_knows_how_many_tries_failed_alike(self):
        policy = Policy(0.0, 0.0, 0.0, 0.0)
        repeat(Work(LOST, UNREACHED, LOST, LOST), policy=policy, operation="x", scope=CancelScope(), repeatable=True)

        seen = [(failure.kind.value, failure.attempt, failure.alike) for failure in policy.asked]
        assert seen == [("lost-answer", 1, 1), ("connect", 2, 1), ("lost-answer", 3, 2), ("lost-answer", 4, 3)]

    def test_the_last_error_comes_out_when_the_policy_gives_up(self):
        policy = Policy(0.0, None)
        with pytest.raises(ConnectError):
            repeat(Work(LOST, UNREACHED), policy=policy, operation="x", scope=CancelScope(), repeatable=True)

    def test_what_must_not_be_tried_again_comes_out_at_once(self):
        policy = Policy()
        with pytest.raises(LostAnswer):
            repeat(Work(LOST), policy=policy, operation="x", scope=CancelScope(), repeatable=False)
        with pytest.raises(KeyError):
            repeat(Work(KeyError()), policy=policy, operation="x", scope=CancelScope(), repeatable=True)
        assert policy.asked == []

    def test_a_pause_beyond_the_deadline_is_not_begun(self):
        with pytest.raises(LostAnswer):
            repeat(Work(LOST), policy=Policy(10.0), operation="x", scope=CancelScope(5.0), repeatable=True)

    def test_a_pause_ends_with_the_scope(self):
        scope = CancelScope()
        timer = threading.Timer(0.05, scope.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            repeat(Work(LOST), policy=Policy(60.0), operation="x", scope=scope, repeatable=True)
        timer.join()

    def test_nothing_is_tried_under_a_scope_that_has_ended(self):
        with pytest.raises(DeadlineExceeded):
            repeat(Work(KeyError()), policy=Policy(), operation="x", scope=CancelScope(0), repeatable=True)


class Hostile:
    """Returns or raises whatever it was given."""

    name: ClassVar[str] = "hostile"

    def __init__(self, what: object) -> None:
        self.what = what

    def next_delay(self, failure: Failure) -> float | None:
        if isinstance(self.what, Exception):
            raise self.what
        return cast("float", self.what)


@pytest.mark.parametrize(
    "what", ["soon", -1.0, float("nan"), float("inf"), [], object(), KeyError("x"), RecursionError()]
)
@pytest.mark.parametrize("settling", [False, True], ids=["repeat", "settle"])
def test_a_policy_that_says_nonsense_has_given_up(what: object, *, settling: bool):
    lost = LostAnswer("lost", method="POST", url=URL)
    work = Work(lost, KeyError())
    told: dict[str, Any] = {"policy": Hostile(what), "operation": "x", "scope": CancelScope()}

    def send() -> object:
        return settle(lambda: work(1), lambda: None, **told) if settling else repeat(work, repeatable=True, **told)

    with pytest.raises(LostAnswer) as caught:
        send()
    assert caught.value is lost
    assert [note.partition("policy ")[2].split()[0] for note in lost.__notes__] == [
        "raised" if isinstance(what, Exception) else "returned"
    ]


class TestSettling:
    """What must not be acted on twice is sent again only if the server did not act."""

    @staticmethod
    def settle(policy: Policy, send: Work, look: Work, scope: CancelScope | None = None) -> int:
        def found() -> int | None:
            return look(2) or None

        return settle(lambda: send(1), found, policy=policy, operation="finalize", scope=scope or CancelScope())

    @pytest.mark.parametrize("doubt", [LOST, MALFORMED, refused(500), refused(502)])
    def test_what_the_server_acted_on_is_found(self, doubt: AcmeError):
        policy = Policy(0.0)

        assert self.settle(policy, Work(doubt, KeyError()), Work()) == 2
        assert (policy.asked[0].operation, policy.asked[0].attempt, policy.asked[0].error) == ("finalize", 1, doubt)

    def test_what_it_did_not_act_on_is_sent_again(self):
        nothing = iter([None, None])
        send = Work(LOST, refused(500))

        found = settle(
            lambda: send(1), lambda: next(nothing), policy=Policy(0.0, 0.0), operation="x", scope=CancelScope()
        )

        assert found == 1

    def test_a_last_look_is_taken_when_the_policy_gives_up(self):
        assert self.settle(Policy(None), Work(LOST), Work()) == 2
        with pytest.raises(LostAnswer):
            settle(lambda: Work(LOST)(1), lambda: None, policy=Policy(None), operation="x", scope=CancelScope())

    @pytest.mark.parametrize("slow", [TIMED_OUT, refused(504)], ids=["time-out", "gateway"])
    def test_a_server_that_was_too_slow_is_given_as_long_again(self, slow: AcmeError, monkeypatch: pytest.MonkeyPatch):
        clock = Clock()
        monkeypatch.setattr("acmez.acme.retry.time", clock)
        sent: list[float] = []

        def send() -> str:
            sent.append(clock.now)
            clock.now += 10
            raise slow

        def look() -> str | None:
            return "acted" if clock.now >= acts_at else None

        acts_at = 19.0
        assert settle(send, look, policy=Policy(1.0), operation="x", scope=clock) == "acted"
        assert sent == [0.0]

        sent.clear()
        clock.now, acts_at = 0.0, 21.0
        assert settle(send, look, policy=Policy(1.0, 1.0), operation="x", scope=clock) == "acted"
        assert sent == [0.0, 20.0]

    def test_a_malformed_answer_before_the_request_leaves_no_doubt(self):
        no_nonce = MalformedAnswer("no nonce", url=URL, acted=False)

        assert failure_kind(no_nonce, repeatable=False) is FailureKind.MALFORMED

    @pytest.mark.parametrize("plain", [UNREACHED, refused(503), refused(400), refused(429), refused(409)])
    def test_what_leaves_no_doubt_comes_out_at_once(self, plain: AcmeError):
        policy = Policy()
        with pytest.raises(type(plain)):
            self.settle(policy, Work(plain), Work(KeyError()))
        assert policy.asked == []
