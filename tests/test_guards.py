"""Orders of one client do not tread on each other's challenges."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.errors import Cancelled, DeadlineExceeded
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.guards import Guards
from acmez.protocols import Handle

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"


@dataclass
class PlainSolver:
    name: ClassVar[str] = "plain"
    challenge_type: ClassVar[str] = "dns-01"

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None: ...
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None: ...


@dataclass
class ZoneSolver(PlainSolver):
    """Must not edit a zone twice at once."""

    def lock_key(self, challenge: Challenge) -> str:
        return challenge.identifier.value.partition(".")[2]


@dataclass
class FewSolver(PlainSolver):
    concurrency: object = 2


def challenge(name: str = "example.com", token: str | None = TOKEN, *, wildcard: bool = False) -> Challenge:
    return Challenge(
        type="dns-01",
        url=f"https://ca.example/chall/{name}/{wildcard}",
        status="pending",
        identifier=Identifier.dns(name),
        wildcard=wildcard,
        token=token,
    )


@pytest.fixture
def guards() -> Iterator[Guards]:
    """Guards that must have forgotten everybody at the end of a test."""
    guards = Guards()
    yield guards
    assert guards._turns == {}
    assert guards._presented == {}


def gets_in(guards: Guards, solver: PlainSolver, *challenges: Challenge) -> bool:
    with guards.exclusive(solver, challenges, CancelScope(30)):
        return True


def stays_out(guards: Guards, solver: PlainSolver, *challenges: Challenge) -> bool:
    """Whether nobody gets in, not even with a little patience."""
    with pytest.raises(DeadlineExceeded), guards.exclusive(solver, challenges, CancelScope(0.03)):
        pytest.fail("got in")
    return True


@contextmanager
def entered(guards: Guards, solver: PlainSolver, *challenges: Challenge) -> Iterator[None]:
    with guards.exclusive(solver, challenges, CancelScope()):
        yield


def on_threads(number: int, work: Callable[[int], None]) -> None:
    failed: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as exc:  # noqa: BLE001 - raised below
            failed.append(exc)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [thread for thread in threads if thread.is_alive()] == []
    assert failed == []


# Who may work at the same time


def test_one_answer_is_worked_on_by_one_at_a_time(guards: Guards):
    solver = PlainSolver()
    with entered(guards, solver, challenge()):
        assert stays_out(guards, solver, challenge())
        assert stays_out(guards, solver, challenge("example.org"), challenge())
        assert gets_in(guards, solver, challenge("example.org"))
        assert gets_in(guards, PlainSolver(), challenge())
    assert gets_in(guards, solver, challenge())


def test_apex_and_wildcard_are_one_answer_if_their_token_is_one(guards: Guards):
    solver = PlainSolver()
    with entered(guards, solver, challenge(), challenge(wildcard=True)):
        assert stays_out(guards, solver, challenge(wildcard=True))
        assert gets_in(guards, solver, challenge(token="another", wildcard=True))


def test_challenges_without_token_are_told_apart_by_their_url(guards: Guards):
    solver = PlainSolver()
    with entered(guards, solver, challenge(token=None)):
        assert stays_out(guards, solver, challenge(token=None))
        assert gets_in(guards, solver, challenge(token=None, wildcard=True))


def test_a_solver_gets_no_two_challenges_with_one_lock_key(guards: Guards):
    solver = ZoneSolver()
    with entered(guards, solver, challenge("a.example.com"), challenge("b.example.com")):
        assert stays_out(guards, solver, challenge("c.example.com"))
        assert gets_in(guards, solver, challenge("c.example.org"))
        assert gets_in(guards, ZoneSolver(), challenge("c.example.com"))


def test_a_solver_gets_as_many_calls_as_its_concurrency(guards: Guards):
    solver = FewSolver(concurrency=2)
    with entered(guards, solver, challenge("a.example")):
        assert gets_in(guards, solver, challenge("b.example"))
        with entered(guards, solver, challenge("b.example")):
            assert stays_out(guards, solver, challenge("c.example"))
            assert gets_in(guards, FewSolver(), challenge("c.example"))
        assert gets_in(guards, solver, challenge("c.example"))


@pytest.mark.parametrize("concurrency", [0, -1, None, "2"])
def test_a_concurrency_that_is_no_positive_number_is_no_limit(guards: Guards, concurrency: object):
    solver = FewSolver(concurrency=concurrency)
    with entered(guards, solver, challenge("a.example")):
        assert gets_in(guards, solver, challenge("b.example"))


def test_an_error_lets_the_next_one_in(guards: Guards):
    solver = FewSolver(concurrency=1)
    with pytest.raises(ValueError, match="broken"), entered(guards, solver, challenge()):
        raise ValueError("broken")
    assert gets_in(guards, solver, challenge())


# The scope ends


def test_nobody_gets_in_with_a_scope_that_has_ended(guards: Guards):
    scope = CancelScope()
    scope.cancel("enough")
    with pytest.raises(Cancelled, match="enough"), guards.exclusive(PlainSolver(), [challenge()], scope):
        pytest.fail("got in")


@pytest.mark.parametrize(
    ("solver", "waiting_for"),
    [
        (PlainSolver(), challenge()),
        (ZoneSolver(), challenge("www.com")),
        (FewSolver(concurrency=1), challenge("www.com")),
    ],
    ids=["answer", "lock-key", "concurrency"],
)
def test_who_waits_for_a_turn_is_cancelled(guards: Guards, solver: PlainSolver, waiting_for: Challenge):
    scope = CancelScope()
    raised: list[Cancelled] = []

    def wait() -> None:
        try:
            with guards.exclusive(solver, [waiting_for, challenge("a.zzz")], scope):
                pytest.fail("got in")
        except Cancelled as exc:
            raised.append(exc)

    with entered(guards, solver, challenge()):
        waiter = threading.Thread(target=wait)
        waiter.start()
        scope.cancel("enough")
        waiter.join(10)
        assert [str(exc) for exc in raised] == ["enough"]
    assert gets_in(guards, solver, waiting_for, challenge("a.zzz"))


# Who presents, who cleans up


def test_a_shared_answer_is_presented_by_the_first_and_cleaned_up_by_the_last(guards: Guards):
    solver, apex, wildcard = PlainSolver(), challenge(), challenge(wildcard=True)
    assert guards.claim(solver, apex)
    guards.presented(solver, apex, {"record": "42"})
    assert not guards.claim(solver, wildcard)
    assert guards.release(solver, apex) == (False, {"record": "42"})
    assert guards.release(solver, wildcard) == (True, {"record": "42"})
    assert guards.claim(solver, apex)
    assert guards.release(solver, apex) == (True, None)


def test_answers_that_are_not_the_same_are_not_shared(guards: Guards):
    solver, other = PlainSolver(), PlainSolver()
    different = [
        (solver, challenge()),
        (solver, challenge("example.org")),
        (solver, challenge(token="another")),
        (other, challenge()),
    ]
    assert [guards.claim(who, what) for who, what in different] == [True] * 4
    assert [guards.release(who, what) for who, what in different] == [(True, None)] * 4


def test_after_a_failure_to_present_the_next_one_tries(guards: Guards):
    solver = PlainSolver()
    assert guards.claim(solver, challenge())
    guards.not_presented(solver, challenge())
    assert guards.claim(solver, challenge())
    guards.presented(solver, challenge(), {"record": "43"})
    assert guards.release(solver, challenge()) == (False, {"record": "43"})
    assert not guards.claim(solver, challenge())
    assert guards.release(solver, challenge()) == (False, {"record": "43"})
    assert guards.release(solver, challenge()) == (True, {"record": "43"})


# Many at once


@dataclass
class World:
    """What is visible outside, and how often it was changed."""

    guards: Guards
    solver: PlainSolver
    failing: int = 0
    visible: set[str] = field(default_factory=set)
    presented: int = 0
    cleaned_up: int = 0
    busy: set[str] = field(default_factory=set)

    def edit(self, item: Challenge) -> None:
        """Change something, which must not happen twice at once."""
        zone = item.identifier.value.partition(".")[2]
        assert zone not in self.busy
        self.busy.add(zone)
        threading.Event().wait(0.0005)
        self.busy.remove(zone)

    def order(self, items: list[Challenge]) -> None:
        """Present, look, and clean up like an order does."""
        for item in items:
            with self.guards.exclusive(self.solver, [item], CancelScope()):
                if self.guards.claim(self.solver, item):
                    self.edit(item)
                    if self.failing:
                        self.failing -= 1
                        self.guards.not_presented(self.solver, item)
                        continue
                    assert item.identifier.value not in self.visible
                    self.visible.add(item.identifier.value)
                    self.presented += 1
                    self.guards.presented(self.solver, item, {"name": item.identifier.value})
                assert item.identifier.value in self.visible
        for item in items:
            with self.guards.exclusive(self.solver, [item], CancelScope()):
                unused, handle = self.guards.release(self.solver, item)
                if unused:
                    self.edit(item)
                    assert handle is None or handle == {"name": item.identifier.value}
                    if handle is not None:
                        self.visible.remove(item.identifier.value)
                        self.cleaned_up += 1


@pytest.mark.parametrize("failing", [0, 5])
def test_32_orders_for_the_same_names_share_what_is_visible(guards: Guards, failing: int):
    world = World(guards, ZoneSolver(), failing=failing)
    names = [f"{host}.{zone}.example" for zone in "xyz" for host in "ab"]

    def order(index: int) -> None:
        for _ in range(3):
            world.order([challenge(name) for name in random.Random(index).sample(names, 4)])

    on_threads(32, order)
    assert world.visible == set()
    assert world.presented == world.cleaned_up > 0
    assert world.failing == 0


def test_32_batches_that_overlap_do_not_wait_for_each_other_for_ever(guards: Guards):
    solver = FewSolver(concurrency=3)
    names = [f"{number}.example" for number in range(12)]
    busy: set[str] = set()

    def work(index: int) -> None:
        shuffled = random.Random(index)
        for _ in range(5):
            mine = shuffled.sample(names, 5)
            with guards.exclusive(solver, [challenge(name) for name in mine], CancelScope(30)):
                assert busy.isdisjoint(mine)
                busy.update(mine)
                busy.difference_update(mine)

    on_threads(32, work)
    assert busy == set()


def test_two_orders_with_the_same_answer_present_it_once_and_clean_it_up_once(guards: Guards):
    world = World(guards, PlainSolver())
    both_presented = threading.Barrier(2)

    def order(_: int) -> None:
        item = challenge()
        with guards.exclusive(world.solver, [item], CancelScope()):
            if guards.claim(world.solver, item):
                world.presented += 1
                guards.presented(world.solver, item, None)
        both_presented.wait(10)
        with guards.exclusive(world.solver, [item], CancelScope()):
            world.cleaned_up += guards.release(world.solver, item)[0]

    on_threads(2, order)
    assert (world.presented, world.cleaned_up) == (1, 1)
