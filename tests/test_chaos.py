"""The harness itself: that faults happen where they should, and that nothing is counted as good which is not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chaos import effects
from chaos.cells import Cell, cells
from chaos.faults import PASSING, Fault, FaultAt
from chaos.ours import plan_for, run_proxied
from chaos.outcome import Case, Outcome
from chaos.report import markdown, summary
from chaos.running import sample, seed_of
from chaos.world import World
from tests.pebble.install import Binaries

GOOD = Outcome(
    case=Case("Pebble", "answer lost", "newOrder"),
    client="acmez",
    seed=1,
    error=None,
    seconds=1.0,
    duplicates=0,
    answers=0,
    pending=0,
    requests=12,
    struck=2,
)
HOPELESS = replace(GOOD, case=Case("Pebble", "500 for ever", "order", error="HTTP 500"), error="ProblemError: HTTP 500")


@pytest.fixture(scope="module")
def world(pebble_binaries: Binaries) -> Iterator[World]:
    with World() as started:
        yield started


def run(world: World, fault: str, step: str) -> Outcome:
    found = next(other for other in PASSING if other.name == fault)
    case = Case("Pebble", fault, step)
    return run_proxied(world, case, lambda seed: plan_for(found, step, seed), seed=7)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("connection refused", "newOrder"),
        ("TLS handshake failure", "authorization"),
        ("reset before delivery", "challenge"),
        ("answer lost", "newOrder"),
        ("answer truncated in its body", "certificate"),
        ("502 with HTML, yet the CA acted", "finalize"),
        ("chunked", "order"),
        ("no Replay-Nonce, at times", "newNonce"),
    ],
)
def test_a_fault_happens_and_a_certificate_is_had_all_the_same(world: World, fault: str, step: str):
    outcome = run(world, fault, step)

    assert outcome.misses == []
    assert outcome.struck


def test_a_fault_for_ever_is_told(world: World):
    fault = Fault("dead", effects.reset_before, times=None, spreads=True, error="closed|reset")
    case = Case("Pebble", fault.name, "finalize", fault.error, fault.reaches_ca("finalize"))

    outcome = run_proxied(world, case, lambda seed: plan_for(fault, "finalize", seed), seed=7)

    assert outcome.misses == []
    assert outcome.error is not None


@pytest.mark.parametrize(
    ("outcome", "miss"),
    [
        (replace(GOOD, error="LostAnswer: gone"), "failed: LostAnswer: gone"),
        (replace(GOOD, duplicates=1), "1 duplicate orders"),
        (replace(GOOD, answers=1), "left 1 answers and 0 pending authorizations"),
        (replace(GOOD, pending=2), "left 0 answers and 2 pending authorizations"),
        (replace(GOOD, seconds=60.0), "took 60.0 s"),
        (replace(GOOD, struck=0), "the fault never happened"),
        (replace(HOPELESS, error=None), "got a certificate that cannot be had"),
        (replace(HOPELESS, error="OrderFailed: ?"), "the error does not say 'HTTP 500': OrderFailed: ?"),
        (replace(HOPELESS, error="unexpected KeyError: HTTP 500"), "the error is none of the library's"),
    ],
)
def test_what_goes_wrong_is_a_miss(outcome: Outcome, miss: str):
    (told,) = outcome.misses

    assert told.startswith(miss)


def test_what_goes_well_is_none():
    assert GOOD.misses == HOPELESS.misses == []
    unreachable = replace(HOPELESS.case, reachable=False)
    assert replace(HOPELESS, case=unreachable, pending=2).misses == []


def test_the_last_line_holds_the_sum():
    outcomes = [GOOD, HOPELESS, replace(GOOD, error="gone", duplicates=2)]

    assert summary(outcomes) == "runs 3, successes 1/2, duplicates 2, leftovers 0, misses 1"


def test_the_report_names_every_fault_and_every_miss():
    report = markdown({"acmez": {"seed": "7"}}, [GOOD, HOPELESS, replace(GOOD, client="lego", error="gone")])

    assert "| answer lost | Pebble | 1/1 | 0/1 |" in report
    assert "| 500 for ever | Pebble | 1/1 | 1.0 s | 0 | ProblemError: HTTP 500 |" in report
    assert report.endswith("None.")


def test_a_sample_is_repeatable_and_takes_each_case_before_any_again():
    assert sample(7, 5, seed=1) == sample(7, 5, seed=1)
    assert sorted(sample(5, 5, seed=2)) == [0, 1, 2, 3, 4]
    assert seed_of(1, GOOD.case) == seed_of(1, GOOD.case) != seed_of(2, GOOD.case)


def test_a_plan_strikes_as_often_as_it_says():
    plan = FaultAt(Fault("lost", effects.lost, times=(2, 2)), "order", random.Random(1))

    assert plan.on_request("newOrder") is None
    assert [plan.on_request("order") for _ in range(3)] == [effects.lost, effects.lost, None]
    assert plan.struck == 2


def test_every_case_is_there_once():
    matrix: list[Cell] = cells()

    assert len({str(cell.case) for cell in matrix}) == len(matrix)
