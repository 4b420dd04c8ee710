"""Only active plugins decide and watch, one by one, and none of them can hurt another."""

from __future__ import annotations

import logging
import pickle
import sys
from dataclasses import dataclass

import pytest

from acmez.acme.certificate import Chain
from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier
from acmez.errors import PluginError
from acmez.events import Event, OrderReady
from acmez.hookspecs import hookimpl
from acmez.plugins import KEY_PROVIDER, SOLVER, PluginManager

from .conftest import SOLVER as SOURCE
from .conftest import Site

EXAMPLE = Identifier.dns("example.com")


@dataclass
class Picks:
    """Decides for one place of the list; `None` has no opinion."""

    index: int | None

    @hookimpl
    def acmez_choose_challenge(self, challenges: list[Challenge]) -> Challenge | None:
        return None if self.index is None else challenges[self.index]

    @hookimpl
    def acmez_choose_chain(self, chains: list[Chain]) -> Chain | None:
        return None if self.index is None else chains[self.index]


class Watches:
    def __init__(self) -> None:
        self.seen: list[Event] = []

    @hookimpl
    def acmez_event(self, event: Event) -> None:
        self.seen.append(event)


class Fails:
    @hookimpl
    def acmez_event(self) -> None:
        raise RuntimeError("boom")

    @hookimpl
    def acmez_choose_challenge(self) -> None:
        raise RuntimeError("boom")


@pytest.fixture
def manager() -> PluginManager:
    return PluginManager(discover=False)


def test_nobody_has_an_opinion(manager: PluginManager, challenges: list[Challenge]):
    manager.register(Picks(None))
    assert manager.choose_challenge(EXAMPLE, challenges) is None
    assert manager.choose_chain([]) is None


def test_the_newest_opinion_counts(manager: PluginManager, challenges: list[Challenge]):
    manager.register(Picks(0)).register(Picks(1)).register(Picks(None))
    assert manager.choose_challenge(EXAMPLE, challenges) is challenges[1]


def test_chains_are_chosen_the_same_way(manager: PluginManager):
    chains = [Chain("https://ca.example/1", b"1"), Chain("https://ca.example/2", b"2")]
    assert manager.register(Picks(1)).choose_chain(chains) is chains[1]


def test_code_outranks_configuration_whichever_came_first(
    manager: PluginManager, site: Site, challenges: list[Challenge]
):
    site.write(
        "acmez_test_first",
        """
        from acmez.hookspecs import hookimpl
        @hookimpl
        def acmez_choose_challenge(challenges): return challenges[0]
        """,
    )
    manager.register(Picks(1)).load("acmez_test_first")
    assert manager.choose_challenge(EXAMPLE, challenges) is challenges[1]


def test_a_choice_that_was_not_offered_is_refused(manager: PluginManager, challenges: list[Challenge]):
    class Invents:
        @hookimpl
        def acmez_choose_challenge(self, challenges: list[Challenge]) -> str:
            return challenges[0].type

    manager.register(Invents(), "mine")
    with pytest.raises(
        PluginError, match="plugin 'mine': acmez_choose_challenge chose 'dns-01', which was not offered"
    ):
        manager.choose_challenge(EXAMPLE, challenges)


def test_an_exception_in_a_decision_tells_whose_it_is(manager: PluginManager, challenges: list[Challenge]):
    manager.register(Fails(), "mine")
    with pytest.raises(RuntimeError, match="boom") as caught:
        manager.choose_challenge(EXAMPLE, challenges)
    assert caught.value.__notes__ == ["raised by acmez_choose_challenge of plugin 'mine'"]


def test_every_observer_hears_every_event(manager: PluginManager, caplog: pytest.LogCaptureFixture):
    first, last = Watches(), Watches()
    manager.register(first).register(Fails(), "mine").register(last)
    event = OrderReady()
    with caplog.at_level(logging.ERROR):
        manager.emit(event)
    assert first.seen == last.seen == [event]
    assert "plugin 'mine' failed on order-ready" in caplog.text
    assert "RuntimeError: boom" in caplog.text


def test_ctrl_c_in_an_observer_is_not_swallowed(manager: PluginManager):
    class Interrupted:
        @hookimpl
        def acmez_event(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.register(Interrupted()).emit(OrderReady())


def test_whether_anybody_watches_is_known_beforehand(manager: PluginManager):
    assert not manager.hooks_active("acmez_event")
    manager.register(Picks(0))
    assert not manager.hooks_active("acmez_event")
    manager.register(Watches(), "audit")
    assert manager.hooks_active("acmez_event")
    manager.block("audit")
    assert not manager.hooks_active("acmez_event")


def test_managers_share_nothing(challenges: list[Challenge]):
    one, other = PluginManager(discover=False), PluginManager(discover=False)
    one.register(Picks(0))
    assert one.choose_challenge(EXAMPLE, challenges) is challenges[0]
    assert other.choose_challenge(EXAMPLE, challenges) is None


def test_installed_is_not_active(site: Site):
    watching = """
SEEN = []
@hookimpl
def acmez_event(event): SEEN.append(event)
"""
    module = site.add("acmez-audit", "audit", SOURCE.format(name="audit") + watching)
    manager, event = PluginManager(), OrderReady()
    manager.find(SOLVER, "audit")
    manager.emit(event)
    seen = sys.modules[module].SEEN
    assert seen == []
    manager.load("audit").emit(event)
    assert seen == [event]


def test_a_manager_goes_along_to_another_process(site: Site, challenges: list[Challenge]):
    site.write("acmez_test_away", SOURCE.format(name="dns-away"))
    here = PluginManager(block=["file"], discover=False).load("acmez_test_away").register(Picks(1))
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - our own bytes
    assert there.choose_challenge(EXAMPLE, challenges) == challenges[1]
    assert there.find(SOLVER, "dns-away").__module__ == "acmez_test_away"
    with pytest.raises(PluginError, match="key provider 'file' is blocked in this configuration"):
        there.find(KEY_PROVIDER, "file")
