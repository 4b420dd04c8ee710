"""Which solver is for which name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.errors import InputError
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.csr import identifier
from acmez.protocols import Handle
from acmez.routing import Route


@dataclass
class PlainSolver:
    name: ClassVar[str] = "plain"
    challenge_type: ClassVar[str] = "dns-01"

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None: ...
    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None: ...


@dataclass
class WaitingSolver(PlainSolver):
    def wait(self, challenge: Challenge, scope: CancelScope) -> None: ...


@dataclass
class VersatileSolver(PlainSolver):
    other_types: ClassVar[tuple[str, ...]] = ("dns-account-01", "dns-persist-01")


@dataclass
class PlainWaiter:
    name: ClassVar[str] = "waiter"

    def wait(self, challenge: Challenge, scope: CancelScope) -> None: ...


def covers(pattern: str, name: str) -> bool:
    """Whether a route for *pattern* is for *name*, "*." being the order's wildcard."""
    route = Route(PlainSolver(), domains=(pattern,))
    return route.matches(identifier(name.removeprefix("*.")), wildcard=name.startswith("*."))


def complaint(*patterns: str) -> str:
    with pytest.raises(InputError) as caught:
        Route(PlainSolver(), domains=patterns)
    return str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("example.com", "example.com"),
        ("Example.COM.", "example.com"),
        (" example.com ", "example.com"),
        ("*.example.com", "www.example.com"),
        ("*.example.com", "a.b.example.com"),
        ("*.example.com", "*.example.com"),
        ("*.example.com", "*.www.example.com"),
        ("*.Example.COM.", "www.example.com"),
        ("*.internal", "host.internal"),
        ("bücher.example", "bücher.example"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "www.bücher.example"),
        ("*.XN--BCHER-KVA.example", "*.bücher.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("*", "example.com"),
        ("*", "*.example.com"),
        ("*", "192.0.2.1"),
    ],
)
def test_a_pattern_covers_a_name(pattern: str, name: str):
    assert covers(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("example.com", "www.example.com"),
        ("example.com", "*.example.com"),
        ("example.com", "example.com.evil.example"),
        ("*.example.com", "example.com"),
        ("*.example.com", "badexample.com"),
        ("*.example.com", "*.com"),
        ("192.0.2.1", "192.0.2.11"),
        ("2001:db8::1", "2001:db8::11"),
    ],
)
def test_a_pattern_does_not_cover_more_than_it_says(pattern: str, name: str):
    assert not covers(pattern, name)


def test_a_route_without_patterns_is_for_every_name():
    for wildcard in (True, False):
        assert Route(PlainSolver()).matches(Identifier.dns("example.com"), wildcard=wildcard)


def test_a_star_among_the_patterns_is_as_good_as_none():
    assert Route(PlainSolver(), domains=("example.com", "*")) == Route(PlainSolver())


def test_a_route_with_several_patterns_is_for_what_any_of_them_covers():
    route = Route(PlainSolver(), domains=["a.example", "*.B.example"])  # type: ignore[arg-type]
    assert route.domains == ("a.example", "*.b.example")
    assert route.matches(Identifier.dns("A.Example."), wildcard=False)
    assert route.matches(Identifier.dns("www.b.example"), wildcard=False)
    assert not route.matches(Identifier.dns("c.example"), wildcard=False)


def test_an_e_mail_address_is_matched_as_it_is():
    route = Route(PlainSolver(), domains=("Alice@example.com",))
    assert route.matches(Identifier("email", "Alice@example.com"), wildcard=False)
    assert not route.matches(Identifier("email", "bob@example.com"), wildcard=False)
    assert not covers("*.example.com", "example.com")


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        ("", "domains: '': the name is empty"),
        ("https://example.com/", "(did you mean 'example.com'?)"),
        ("www*.example.com", "a wildcard is '*.' in front of a name, once"),
        ("*.*.example.com", "domains: '*.*.example.com': a wildcard is '*.' in front of a name, once"),
        ("*.192.0.2.1", "domains: '*.192.0.2.1': a wildcard is '*.' in front of a name, once"),
        ("example..com", "a label is empty"),
    ],
)
def test_a_pattern_that_could_never_match_is_refused(pattern: str, wrong: str):
    assert wrong in complaint(pattern)


def test_every_wrong_pattern_is_told_at_once():
    assert len(complaint("a..example", "ok.example", "b$.example").splitlines()) == 2


def test_one_text_is_not_a_list_of_patterns():
    with pytest.raises(InputError, match=r"domains: .*did you mean \['example.com'\]\?"):
        Route(PlainSolver(), domains="example.com")  # type: ignore[arg-type]


def test_a_route_is_called_what_the_user_calls_it_or_as_its_solver():
    assert Route(PlainSolver(), name="office").label == "office"
    assert Route(PlainSolver()).label == "plain"


def test_a_route_answers_what_its_solver_does_its_favourite_first():
    assert Route(PlainSolver()).challenge_types == ("dns-01",)
    assert Route(VersatileSolver()).challenge_types == ("dns-01", "dns-account-01", "dns-persist-01")


def test_the_waiter_is_the_one_given_or_the_solver_if_it_waits_itself_or_none():
    waiter, waiting = PlainWaiter(), WaitingSolver()
    assert Route(PlainSolver()).effective_waiter is None
    assert Route(waiting).effective_waiter is waiting
    assert Route(waiting, waiter=waiter).effective_waiter is waiter
