"""Which challenge and which solver are tried first for a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from acmez import (
    CancelScope,
    Challenge,
    Identifier,
    PluginManager,
    Route,
    hookimpl,
)
from tests.solvers import (
    BlindWebSolver,
    Lab,
    TxtSolver,
    Watcher,
    WebSolver,
    fail,
    laboratory,
)

Start = Callable[..., Lab]
NAME = "www.example.org"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def first_choice(start: Start, **options: object) -> str:
    lab = start()
    watcher = Watcher()
    lab.client(WebSolver(web=lab.web), TxtSolver(zone=lab.zone), on_event=watcher, **options).obtain([NAME])
    (presented,) = watcher.presented()
    return presented


def test_the_users_order_of_solvers_decides_if_nothing_else_does(start: Start):
    assert first_choice(start) == "http-01"


def test_the_preferred_challenge_is_tried_first(start: Start):
    assert first_choice(start, preferred_challenges=["tls-alpn-01", "dns-01"]) == "dns-01"


def test_what_worked_before_is_tried_first(start: Start):
    lab = start()
    watcher = Watcher()
    client = lab.client(BlindWebSolver(web=lab.web), TxtSolver(zone=lab.zone), on_event=watcher)
    client.obtain([NAME])
    client.obtain(["example.org"])
    assert watcher.presented() == ["http-01", "dns-01", "dns-01"]


def test_a_failure_of_the_solver_says_nothing_about_the_challenge_type(start: Start):
    lab = start()
    watcher = Watcher()
    once = iter([fail])

    def fail_once(challenge: Challenge, scope: CancelScope) -> None:
        next(once, lambda *_: None)(challenge, scope)

    client = lab.client(WebSolver(web=lab.web, on_present=fail_once), TxtSolver(zone=lab.zone), on_event=watcher)
    client.obtain([NAME])
    assert watcher.presented() == ["dns-01"]


def test_a_solver_for_the_name_comes_before_those_for_every_name(start: Start):
    lab = start()
    watcher = Watcher()
    specific = Route(TxtSolver(zone=lab.zone), domains=("*.example.org",))
    lab.client(WebSolver(web=lab.web), specific, on_event=watcher).obtain([NAME])
    assert watcher.presented() == ["dns-01"]


def test_each_name_has_the_solver_that_is_for_it(start: Start):
    lab = start()
    web, txt = WebSolver(web=lab.web), TxtSolver(zone=lab.zone)
    routes = [Route(web, domains=("example.org",)), Route(txt, domains=("*.example.org",))]
    lab.client(*routes).obtain(["example.org", "*.example.org", NAME])
    assert web.called("present") == ["example.org"]
    assert sorted(txt.called("present")) == ["example.org", NAME]


class Chooser:
    """A plugin that wants one type, and remembers what it was asked."""

    def __init__(self, wanted: str | None) -> None:
        self.wanted = wanted
        self.asked: list[tuple[str, list[str]]] = []

    @hookimpl
    def acmez_choose_challenge(self, identifier: Identifier, challenges: Sequence[Challenge]) -> Challenge | None:
        self.asked.append((str(identifier), [challenge.type for challenge in challenges]))
        return next((challenge for challenge in challenges if challenge.type == self.wanted), None)


@pytest.mark.parametrize(("wanted", "presented"), [("dns-01", "dns-01"), ("http-01", "http-01"), (None, "http-01")])
def test_a_plugin_chooses_before_everything_else(start: Start, wanted: str | None, presented: str):
    plugins = PluginManager(discover=False).register(Chooser(wanted))
    assert first_choice(start, plugins=plugins, preferred_challenges=["http-01"]) == presented


def test_a_plugin_is_asked_about_what_can_be_answered_best_first(start: Start):
    chooser = Chooser(None)
    plugins = PluginManager(discover=False).register(chooser)
    first_choice(start, plugins=plugins, preferred_challenges=["dns-01"])
    assert chooser.asked == [(NAME, ["dns-01", "http-01"])]


def test_a_plugin_is_not_asked_about_what_failed_before(start: Start):
    lab = start()
    chooser = Chooser(None)
    plugins = PluginManager(discover=False).register(chooser)
    lab.client(BlindWebSolver(web=lab.web), TxtSolver(zone=lab.zone), plugins=plugins).obtain([NAME])
    assert chooser.asked == [(NAME, ["http-01", "dns-01"]), (NAME, ["dns-01"])]
