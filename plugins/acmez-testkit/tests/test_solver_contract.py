"""A good solver keeps the contract; for each rule there is one that breaks it, and is caught."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from acmez_testkit.contracts import SolverContract
from acmez_testkit.contracts import solver as solver_module

from acmez import AcmezError, Secret, hookimpl
from acmez.acme.challenges import txt_record
from acmez.protocols import CancelScope, Challenge, Handle, Solver

ZONES: dict[str, list[str]] = {}
ZONE_LOCK = threading.Lock()


def add(name: str, value: str) -> None:
    with ZONE_LOCK:
        ZONES.setdefault(name, []).append(value)


def remove(name: str, value: str) -> None:
    with ZONE_LOCK:
        ZONES[name] = [each for each in ZONES.get(name, []) if each != value]


@dataclass
class GoodSolver:
    """Answers with TXT records in memory.

    Attributes:
        api_token: nobody needs it.
        reachable: whether records can be set.
    """

    name: ClassVar[str] = "dns-good"
    challenge_type: ClassVar[str] = "dns-01"
    other_types: ClassVar[tuple[str, ...]] = ("dns-account-01", "dns-persist-01")
    concurrency: ClassVar[int] = 4

    api_token: Secret
    reachable: bool = True

    def __post_init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        scope.check()
        record = txt_record(challenge)
        if not self.reachable:
            raise AcmezError(f"{record.name}: the API cannot be reached")
        add(record.name, record.value)
        return {"name": record.name, "value": record.value}

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        if handle is not None:
            remove(str(handle["name"]), str(handle["value"]))
        elif challenge.token is not None:
            record = txt_record(challenge)
            remove(record.name, record.value)

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        return [self.present(challenge, scope) for challenge in challenges]

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        for challenge, handle in zip(challenges, handles, strict=True):
            self.clean_up(challenge, handle, scope)

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        scope.sleep(3600)

    def payload(self, challenge: Challenge) -> dict[str, Any]:
        return {}

    def lock_key(self, challenge: Challenge) -> str:
        return str(challenge.identifier)

    def validated(self, challenge: Challenge) -> threading.Event:
        return self._events.setdefault(challenge.url, threading.Event())


class Offering:
    """A plugin with one solver."""

    def __init__(self, solver: type[Solver]) -> None:
        self.solver = solver

    @hookimpl
    def acmez_solvers(self) -> Iterator[type[Solver]]:
        yield self.solver


class InMemory(SolverContract[Any]):
    """The contract for solvers that put TXT records into memory."""

    component: type[Any] = GoodSolver

    @property
    def plugin(self) -> object:  # type: ignore[override]
        return Offering(self.component)

    def make(self) -> Any:
        return self.component(Secret("not-a-real-token"))

    def make_failing(self) -> Any:
        return self.component(Secret("not-a-real-token"), reachable=False)

    def visible(self, challenge: Challenge) -> list[str] | None:
        return list(ZONES.get(txt_record(challenge).name, []))

    def plant(self, challenge: Challenge) -> str | None:
        add(txt_record(challenge).name, "somebody-else's")
        return "somebody-else's"


@pytest.fixture(autouse=True)
def empty_zones() -> Iterator[None]:
    ZONES.clear()
    yield
    ZONES.clear()


class TestGoodSolver(InMemory):
    pass


# One rule each -> what breaks it.


class ForgetsOthers(GoodSolver):
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        ZONES.pop(txt_record(challenge).name, None)


class ReplacesOthers(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        ZONES.pop(txt_record(challenge).name, None)
        return super().present(challenge, scope)


class RemovesNothing(GoodSolver):
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        pass


class ShowsNothing(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        return None


class RefusesOtherTypes(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        return super().present(challenge, scope) if challenge.type == "dns-01" else None


class FailsOnTheSecond(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        if txt_record(challenge).value in ZONES.get(txt_record(challenge).name, []):
            raise AcmezError("the record exists")
        return super().present(challenge, scope)


class KeepsOneOfTwo(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        number = len(ZONES.get(txt_record(challenge).name, []))
        super().present(challenge, scope)
        return {"record": number}

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        if handle is not None:
            del ZONES[txt_record(challenge).name][int(str(handle["record"]))]


class NeedsItsHandle(GoodSolver):
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        if handle is not None:
            super().clean_up(challenge, handle, scope)


class FailsWithoutPresent(GoodSolver):
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        record = txt_record(challenge)
        ZONES[record.name].remove(record.value)


class KeepsBytes(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        super().present(challenge, scope)
        return {"value": b"bytes"}


class KeepsTuples(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        return {**(super().present(challenge, scope) or {}), "ids": (1, 2)}


class WritesItsTokenDown(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        return {**(super().present(challenge, scope) or {}), "token": self.api_token}


class RemembersInMemory(GoodSolver):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.known: set[str] = set()

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        self.known.add(challenge.url)
        return super().present(challenge, scope)

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        if challenge.url in self.known:
            super().clean_up(challenge, handle, scope)


class FailsInAnotherProcess(RemembersInMemory):
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        self.known.remove(challenge.url)
        super().clean_up(challenge, handle, scope)


class LosesUpdates(GoodSolver):
    concurrency: ClassVar[int] = 32

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        record = txt_record(challenge)
        before = ZONES.get(record.name, [])
        scope.sleep(0.01)
        ZONES[record.name] = [*before, record.value]
        return {"name": record.name, "value": record.value}

    def lock_key(self, challenge: Challenge) -> str:
        return challenge.url


class Locks(LosesUpdates):
    """Is right, because acmez does not call it twice at once for a name."""

    def lock_key(self, challenge: Challenge) -> str:
        return str(challenge.identifier)


class Deaf(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        if scope.cancelled:
            threading.Event().wait(3)
        return super().present(challenge, scope)


class LeavesHalf(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        record = txt_record(challenge)
        add(record.name, record.value)
        scope.check()
        return {"name": record.name, "value": record.value}

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        scope.check()
        if handle is not None:
            super().clean_up(challenge, handle, scope)


class TakesAnything(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        return super().present(challenge, scope) if challenge.token is not None else None


class Stumbles(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        scope.check()
        assert challenge.token is not None
        add(challenge.identifier.value, challenge.token + "x")
        return super().present(challenge, scope)


class Succeeds(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        self.reachable = True
        return super().present(challenge, scope)


class Raises(GoodSolver):
    error: ClassVar[Exception]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        if not self.reachable:
            raise self.error
        return super().present(challenge, scope)


class RaisesKeyError(Raises):
    error = KeyError("result")


class RaisesNothing(Raises):
    error = AcmezError("")


class RaisesTheToken(Raises):
    error = AcmezError("GET /?token=not-a-real-token: 403")


class RaisesTheTokenBelow(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        if not self.reachable:
            try:
                raise ValueError(str(self.api_token))
            except ValueError as error:
                raise AcmezError("no") from error
        return super().present(challenge, scope)


class Talks(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        logging.getLogger("talks").debug("answering with %s", challenge.key_authorization)
        return super().present(challenge, scope)


class ShowsItsToken(GoodSolver):
    def __repr__(self) -> str:
        return f"<solver with {self.api_token}>"


class IsSlow(GoodSolver):
    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        threading.Event().wait(2)
        return super().present(challenge, scope)


@dataclass
class HasUndocumented(GoodSolver):
    ttl: int = 60


class OddType(GoodSolver):
    challenge_type: ClassVar[str] = "dns01"


class OddName(GoodSolver):
    name: ClassVar[str] = "dns_good"


class Other(GoodSolver):
    pass


class HasNoScope(GoodSolver):
    def present(self, challenge: Challenge) -> Handle | None:  # type: ignore[override]
        return None


class ListsWhenMade(GoodSolver):
    def providers(self) -> Sequence[str]:
        return ["example"]


class WaitsWithoutScope(GoodSolver):
    def wait(self, challenge: Challenge) -> None:  # type: ignore[override]
        pass


@dataclass
class TakesAnObject(GoodSolver):
    session: threading.Thread = field(kw_only=True)


class PlainClass(GoodSolver):
    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(Secret("not-a-real-token"))


class LosesHandles(GoodSolver):
    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        return list(super().present_many(challenges, scope))[:1]


class ForgetsSome(GoodSolver):
    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        self.clean_up(challenges[0], handles[0], scope)


class NewEvents(GoodSolver):
    def validated(self, challenge: Challenge) -> threading.Event:
        return threading.Event()


class OddPayload(GoodSolver):
    def payload(self, challenge: Challenge) -> dict[str, Any]:
        return {"at": (1, 2)}


class OddKey(GoodSolver):
    def lock_key(self, challenge: Challenge) -> str:
        return str(time.monotonic_ns())


class OddConcurrency(GoodSolver):
    concurrency: ClassVar[int] = 0


class DeafWait(GoodSolver):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        threading.Event().wait(3)


BROKEN: Sequence[tuple[str, type[Any], str]] = [
    ("it_is_offered_under_its_name", Other, "not <class '.*Other'>"),
    ("its_name_is_a_word_for_a_configuration", OddName, "'dns_good' is not kebab case"),
    ("it_has_what_acmez_calls", HasNoScope, r"is called as present\(challenge, scope\), but has present\(challenge\)"),
    ("its_options_can_be_set_in_a_file", PlainClass, "is no dataclass"),
    ("its_options_are_documented", HasUndocumented, "says nothing about 'ttl'"),
    ("its_secrets_are_not_shown", ShowsItsToken, "the repr shows a secret"),
    ("its_challenge_type_is_one", OddType, "'dns01' is no challenge type .did you mean 'dns-01'"),
    ("its_further_methods_are_as_acmez_calls_them", WaitsWithoutScope, r"wait\(challenge, scope\)"),
    ("its_further_methods_are_as_acmez_calls_them", ListsWhenMade, "providers is called on the class: write @class"),
    ("present_soon_shows_the_answer", ShowsNothing, "the answer is not visible after present"),
    ("present_soon_shows_the_answer", RemovesNothing, "the answer is still visible after clean_up"),
    ("present_soon_shows_the_answer", RefusesOtherTypes, "the answer is not visible after present"),
    ("present_soon_shows_the_answer", IsSlow, r"present .* was still running after 0.5 s"),
    ("presenting_twice_is_presenting_once", FailsOnTheSecond, "a second present raised AcmezError: the record exists"),
    ("cleaning_up_twice_is_cleaning_up_once", FailsWithoutPresent, "a second clean_up raised ValueError"),
    ("cleaning_up_needs_no_present", FailsWithoutPresent, "clean_up without present raised KeyError"),
    ("cleaning_up_needs_no_handle", NeedsItsHandle, "still visible after clean_up without the handle"),
    ("two_answers_at_one_name_are_both_kept", ReplacesOthers, "not visible after another answer was presented"),
    ("two_answers_at_one_name_are_both_kept", ForgetsOthers, "not visible after another answer .* was cleaned up"),
    ("two_answers_at_one_name_are_both_kept", KeepsOneOfTwo, "clean_up raised IndexError"),
    ("what_others_put_there_stays", ForgetsOthers, "what somebody else had put there is gone"),
    ("the_handle_is_plain_json", KeepsBytes, "the handle is no plain JSON data"),
    ("the_handle_is_plain_json", KeepsTuples, "the handle's 'ids' come back from JSON as something else"),
    ("the_handle_is_plain_json", WritesItsTokenDown, "the handle, which is written to disk, shows a secret"),
    ("another_process_can_clean_up", RemembersInMemory, "still visible after clean_up by another instance"),
    ("another_process_can_clean_up", FailsInAnotherProcess, "another instance raised KeyError"),
    ("many_threads_can_use_it_at_once", LosesUpdates, "the answer is not visible after 32 presents at once"),
    ("many_threads_can_use_it_at_once", ReplacesOthers, "the answer is not visible after 32 presents at once"),
    ("it_ends_with_its_scope", Deaf, "present was still running 1 s after its scope was cancelled"),
    ("it_ends_with_its_scope", LeavesHalf, "still visible after a present that was cancelled"),
    ("a_challenge_without_a_token_is_refused", TakesAnything, "answered a challenge without a token"),
    ("a_challenge_without_a_token_is_refused", Stumbles, "given no token, raised AssertionError"),
    ("a_failure_is_told_in_words", Succeeds, r"present succeeded with the instance of make_failing\(\)"),
    ("a_failure_is_told_in_words", RaisesKeyError, "present raised KeyError: raise an error that descends"),
    ("a_failure_is_told_in_words", RaisesNothing, "raised AcmezError without a message"),
    ("a_failure_is_told_in_words", RaisesTheToken, "the AcmezError that present raised shows a secret"),
    ("a_failure_is_told_in_words", RaisesTheTokenBelow, "the AcmezError that present raised shows a secret"),
    ("nothing_secret_is_logged", Talks, "the log shows a secret"),
    ("nothing_secret_is_logged", ShowsItsToken, "the repr of a solver that was used shows a secret"),
    ("many_are_answered_in_one_call_like_one", LosesHandles, "returned 1 handles for 2"),
    ("many_are_answered_in_one_call_like_one", ForgetsSome, "still visible after clean_up_many"),
    ("what_it_says_of_a_challenge_is_usable", NewEvents, "two events for one challenge"),
    ("what_it_says_of_a_challenge_is_usable", OddPayload, "no JSON object"),
    ("what_it_says_of_a_challenge_is_usable", OddKey, "lock_key is not always the same"),
    ("what_it_says_of_a_challenge_is_usable", OddConcurrency, "concurrency: 0 is no positive number"),
    ("its_own_wait_ends_with_the_scope", DeafWait, "wait was still running 1 s after"),
]


def contract(solver: type[Any]) -> InMemory:
    suite: InMemory = type("Contract", (InMemory,), {"component": solver})()
    return suite


@pytest.mark.parametrize(
    ("rule", "solver", "message"), [pytest.param(*each, id=f"{each[0]}-{each[1].__name__}") for each in BROKEN]
)
def test_a_solver_that_breaks_a_rule_is_caught(
    rule: str, solver: type[Any], message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(solver_module, "SOON", 0.5)
    suite = contract(solver)
    if solver is Other:
        suite.__class__.plugin = Offering(GoodSolver)  # type: ignore[assignment, method-assign]
    with pytest.raises(AssertionError, match=message) as caught:
        getattr(suite, f"test_{rule}")()
    assert "not-a-real-token" not in str(caught.value)


def test_every_rule_is_broken_by_somebody():
    rules = {name.removeprefix("test_") for name in dir(SolverContract) if name.startswith("test_")}
    assert {rule for rule, _, _ in BROKEN} == rules


def test_locks_that_a_solver_asks_for_are_held():
    contract(Locks).test_many_threads_can_use_it_at_once()


def test_an_option_of_a_type_that_no_file_holds_is_caught():
    suite = contract(TakesAnObject)
    suite.make = lambda: TakesAnObject(Secret("not-a-real-token"), session=threading.current_thread())  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="no file can hold option 'session'"):
        suite.test_its_options_can_be_set_in_a_file()


@pytest.mark.parametrize(
    ("token", "message"), [("", "make.. gives none of 'api_token'"), ("short", "at least 8 characters")]
)
def test_a_secret_that_could_not_be_recognised_is_asked_for(token: str, message: str):
    suite = contract(GoodSolver)
    suite.make = lambda: GoodSolver(Secret(token))  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match=message):
        suite.test_its_secrets_are_not_shown()


def test_a_solver_that_is_not_installed_is_told_how():
    class Installed(InMemory):
        plugin = None

    with pytest.raises(AssertionError, match="no installed distribution has the entry point 'dns-good'"):
        Installed().test_it_is_offered_under_its_name()


class TestWithoutHooks:
    """What cannot be looked at is skipped with a reason, not passed over."""

    class Blind(InMemory):
        def visible(self, challenge: Challenge) -> list[str] | None:
            return None

        def plant(self, challenge: Challenge) -> str | None:
            return None

        make_failing = SolverContract.make_failing

    @pytest.mark.parametrize(
        ("rule", "reason"),
        [
            ("present_soon_shows_the_answer", "Blind has no visible"),
            ("what_others_put_there_stays", "Blind has no plant"),
            ("a_failure_is_told_in_words", "Blind has no make_failing"),
        ],
    )
    def test_the_rule_is_skipped(self, rule: str, reason: str):
        with pytest.raises(pytest.skip.Exception, match=reason):
            getattr(self.Blind(), f"test_{rule}")()

    def test_the_others_still_look_for_exceptions(self):
        self.Blind().test_cleaning_up_twice_is_cleaning_up_once()


def test_a_contract_without_make_says_so():
    with pytest.raises(NotImplementedError, match="SolverContract: write make"):
        SolverContract[Any]().test_it_has_what_acmez_calls()


def test_the_answer_of_a_server_need_not_outlive_its_process():
    class Server(InMemory):
        component = RemembersInMemory
        outlives_process = False

    Server().test_another_process_can_clean_up()
