"""What an earlier process presented is cleaned up by whoever comes next, or told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from acmez import CancelScope, Challenge, Client, InputError, Route
from acmez.events import ChallengeCleanedUp, Event
from acmez.journal import Journal
from acmez.protocols import Solver
from tests.solvers import Records, TxtSolver
from tests.test_journal import answered_by, begin, challenge

APEX, WILDCARD = challenge(), challenge(wildcard=True)


@pytest.fixture
def zone() -> Records:
    return Records({})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "acmez.journal") as opened:
        yield opened


def leave(journal: Journal, solver: Solver, challenges: Sequence[Challenge], *, label: str = "txt") -> None:
    """Present, and do no more."""
    entry = begin(journal)
    journal.presenting(entry, answered_by(label, *challenges))
    handles = [solver.present(each, CancelScope()) for each in challenges]
    journal.presented(entry, label, challenges, handles)
    journal.finish(entry, forget=False)


def client(journal: Journal, *solvers: Solver | Route, **settings: object) -> Client:
    return Client("https://ca.example/directory", solvers=solvers, journal=journal, **settings)  # type: ignore[arg-type]


def test_what_is_left_is_cleaned_up_with_its_handle_and_told(journal: Journal, zone: Records):
    leave(journal, TxtSolver(zone=zone), [APEX, WILDCARD])
    assert len(zone.records) == 1
    seen: list[Event] = []
    solver = TxtSolver(zone=zone)
    with client(journal, solver, on_event=seen.append) as sweeper:
        assert sweeper.sweep() == []
        assert sweeper.sweep() == []
    assert zone.records == {}
    assert solver.calls == [("clean_up", "example.org")] * 2
    cleaned = [event for event in seen if isinstance(event, ChallengeCleanedUp)]
    assert {(event.identifier, event.solver, event.error) for event in cleaned} == {
        ("example.org", "txt", None),
        ("*.example.org", "txt", None),
    }


def test_the_answer_to_a_persistent_challenge_is_forgotten_and_stays(journal: Journal, zone: Records):
    persistent = challenge(kind="dns-persist-01")
    solver = PersistentSolver(zone=zone)
    leave(journal, solver, [persistent], label="persistent")
    with client(journal, solver) as sweeper:
        assert sweeper.sweep() == []
    assert solver.calls == [("present", "example.org")]
    with client(journal) as sweeper:
        assert sweeper.sweep() == []  # which would tell that there is no such solver any more


def test_what_cannot_be_cleaned_up_stays_for_the_next_time(
    journal: Journal, zone: Records, caplog: pytest.LogCaptureFixture
):
    def refuse(challenge: Challenge, scope: CancelScope) -> None:
        raise OSError("the provider is down")

    leave(journal, TxtSolver(zone=zone), [APEX])
    with client(journal, TxtSolver(zone=zone, on_clean_up=refuse)) as sweeper:
        assert sweeper.sweep() == ["example.org by dns-01: txt: the provider is down"]
    assert "cleaning up with 'txt' failed: the provider is down" in caplog.text
    with client(journal, TxtSolver(zone=zone)) as sweeper:
        assert sweeper.sweep() == []
    assert zone.records == {}


def test_a_solver_that_is_gone_is_told(journal: Journal, zone: Records):
    leave(journal, TxtSolver(zone=zone), [APEX])
    for other in (Route(TxtSolver(zone=zone), "zone"), Route(HttpSolver(zone=zone), "txt")):
        with client(journal, other) as sweeper:
            told = "example.org by dns-01: txt: there is no solver 'txt' for dns-01 any more"
            assert sweeper.sweep() == [told]
    with client(journal, TxtSolver(zone=zone)) as sweeper:
        assert sweeper.sweep() == []


class PersistentSolver(TxtSolver):
    name = "persistent"
    challenge_type = "dns-persist-01"

    def show(self, challenge: Challenge) -> None:
        self.zone.add("_validation-persist.example.org", "it stays")


class HttpSolver(TxtSolver):
    challenge_type = "http-01"


def test_of_solvers_with_one_label_the_one_for_the_name_cleans_up(journal: Journal, zone: Records):
    leave(journal, TxtSolver(zone=zone), [APEX])
    wrong, right = TxtSolver(zone=Records({})), TxtSolver(zone=zone)
    with client(journal, Route(wrong, domains=("example.net",)), Route(right, domains=("example.org",))) as sweeper:
        assert sweeper.sweep() == []
    assert (wrong.calls, zone.records) == ([], {})


def test_a_solver_that_hangs_is_left_behind(journal: Journal, zone: Records):
    released = threading.Event()

    def hang(challenge: Challenge, scope: CancelScope) -> None:
        released.wait(10)

    leave(journal, TxtSolver(zone=zone), [APEX])
    with client(journal, TxtSolver(zone=zone, on_clean_up=hang), cleanup_timeout=0.05) as sweeper:
        assert sweeper.sweep() == ["example.org by dns-01: txt: deadline exceeded"]
        assert sweeper.sweep(scope=CancelScope(0)) == ["example.org by dns-01: txt: deadline exceeded"]
        released.set()


def test_more_answers_have_more_time(journal: Journal, zone: Records):
    def slowly(challenge: Challenge, scope: CancelScope) -> None:
        scope.sleep(0.1)

    challenges = [challenge(f"{number}.example.org") for number in range(4)]
    leave(journal, TxtSolver(zone=zone), challenges)
    with client(journal, TxtSolver(zone=zone, on_clean_up=slowly), cleanup_timeout=0.25, parallelism=1) as sweeper:
        assert sweeper.sweep() == []


def test_a_cancelled_sweep_leaves_the_rest(journal: Journal, zone: Records):
    scope = CancelScope()

    def cancel(challenge: Challenge, _: CancelScope) -> None:
        scope.cancel("enough")

    leave(journal, TxtSolver(zone=zone), [APEX, WILDCARD])
    with client(journal, TxtSolver(zone=zone, on_clean_up=cancel), parallelism=1) as sweeper:
        problems = sweeper.sweep(scope=scope)
    assert len(problems) == 1
    assert problems[0].endswith(": enough")
    with client(journal, TxtSolver(zone=zone)) as sweeper:
        assert sweeper.sweep() == []
    assert zone.records == {}


def test_without_a_journal_there_is_nothing_to_sweep():
    with Client("https://ca.example/directory") as sweeper, pytest.raises(InputError, match="no journal"):
        sweeper.sweep()


def test_with_nothing_left_nothing_is_done(journal: Journal, zone: Records):
    solver = TxtSolver(zone=zone)
    with client(journal, solver) as sweeper:
        assert sweeper.sweep() == []
    assert solver.calls == []
