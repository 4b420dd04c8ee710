"""Components are found by name, and nothing that nobody named is imported."""

from __future__ import annotations

import sys

import pytest

from acmez.errors import PluginConflictError, PluginLoadError, PluginNotFoundError
from acmez.plugins import KEY_PROVIDER, RETRY_POLICY, SOLVER, WAITER, PluginManager

from .conftest import SOLVER as SOURCE
from .conftest import Site

BROKEN = "raise ImportError(\"No module named 'sdk'\")"


def test_only_the_plugin_of_that_name_is_imported(site: Site):
    used = site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    unused = site.add("acmez-dns-y", "dns-y", SOURCE.format(name="dns-y"))
    broken = site.add("acmez-broken", "dns-broken", BROKEN)
    manager = PluginManager()
    assert used not in sys.modules
    assert manager.find(SOLVER, "dns-x").name == "dns-x"
    assert used in sys.modules
    assert unused not in sys.modules
    assert broken not in sys.modules


def test_a_plugin_of_another_name_is_found_when_nothing_else_answers(site: Site):
    site.add("acmez-many", "many", SOURCE.format(name="dns-x"))
    assert PluginManager().find(SOLVER, "dns-x").name == "dns-x"


def test_the_plugin_named_like_the_component_speaks_for_it(site: Site):
    site.add("acmez-a", "a", SOURCE.format(name="dns-x"))
    site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    manager = PluginManager()
    manager.installed()  # whatever was imported before
    assert sys.modules[manager.find(SOLVER, "dns-x").__module__].__name__ == site.modules[1]


def test_an_active_plugin_replaces_an_installed_one(site: Site):
    site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    site.write("acmez_test_in_house", SOURCE.format(name="dns-x"))
    found = PluginManager().load("acmez_test_in_house").find(SOLVER, "dns-x")
    assert found.__module__ == "acmez_test_in_house"


def test_built_in_components_are_found_like_any_other():
    manager = PluginManager(discover=False)
    assert manager.find(RETRY_POLICY, "default").__name__ == "DefaultRetry"
    assert manager.find(KEY_PROVIDER, "file").__name__ == "FileKey"
    assert manager.find(KEY_PROVIDER, "generated").__name__ == "GeneratedKey"
    assert manager.find(WAITER, "http-self-check").__name__ == "HttpSelfCheck"


def test_a_built_in_component_can_be_blocked_and_replaced(site: Site):
    manager = PluginManager(block=["default"], discover=False)
    with pytest.raises(PluginNotFoundError, match="retry policy 'default' is blocked in this configuration"):
        manager.find(RETRY_POLICY, "default")


def test_without_discovery_nothing_installed_is_seen(site: Site):
    site.add("acmez-pigeon", "pigeon", SOURCE.format(name="pigeon"))
    with pytest.raises(PluginNotFoundError, match="unknown solver 'pigeon'; installed: none"):
        PluginManager(discover=False).find(SOLVER, "pigeon")


def test_known_but_absent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acmez.catalogue.KNOWN_PLUGINS", {"dns-made": "acmez-dns-made"})
    with pytest.raises(PluginNotFoundError) as caught:
        PluginManager(discover=False).find(SOLVER, "dns-made", where="solver.corp.use")
    assert str(caught.value) == "solver.corp.use: solver 'dns-made' is not installed: pip install acmez-dns-made"


def test_nothing_made_up_is_ever_suggested_for_installation():
    with pytest.raises(PluginNotFoundError) as caught:
        PluginManager(discover=False).find(SOLVER, "dns-evil")
    assert "pip install" not in str(caught.value)


def test_misspelt(site: Site):
    site.add("acmez-dns-exoscale", "dns-exoscale", SOURCE.format(name="dns-exoscale"))
    with pytest.raises(PluginNotFoundError) as caught:
        PluginManager().find(SOLVER, "dns-exoscal")
    assert "unknown solver 'dns-exoscal'; did you mean 'dns-exoscale'? installed: " in str(caught.value)


def test_of_another_kind():
    with pytest.raises(PluginNotFoundError, match="unknown solver 'file'; it is a key provider; installed: none"):
        PluginManager(discover=False).find(SOLVER, "file")


def test_present_but_broken(site: Site):
    site.add("acmez-broken", "dns-broken", BROKEN)
    with pytest.raises(PluginLoadError) as caught:
        PluginManager().find(SOLVER, "dns-broken", where="solver.corp.use")
    assert str(caught.value) == (
        "solver.corp.use: plugin 'dns-broken' (acmez-broken 1.0) failed to load: No module named 'sdk'"
    )
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("import sys; sys.exit(1)", "SystemExit: 1"),
        ("def (:", "SyntaxError: invalid syntax"),
    ],
)
def test_broken_in_other_ways(site: Site, source: str, reason: str):
    site.add("acmez-broken", "dns-broken", source)
    with pytest.raises(PluginLoadError, match=r"'dns-broken' \(acmez-broken 1.0\) failed to load: ") as caught:
        PluginManager().find(SOLVER, "dns-broken")
    assert reason in str(caught.value)


def test_a_broken_plugin_breaks_only_itself(site: Site):
    site.add("acmez-broken", "dns-broken", BROKEN)
    site.add("acmez-many", "many", SOURCE.format(name="dns-x"))
    manager = PluginManager()
    assert manager.find(SOLVER, "dns-x").name == "dns-x"  # which looked into all of them
    with pytest.raises(PluginNotFoundError, match=r"; broken: 'dns-broken' \(acmez-broken 1.0\)$"):
        manager.find(SOLVER, "dns-other")


def test_two_plugins_claim_a_name(site: Site):
    site.add("acmez-a", "a", SOURCE.format(name="dns-x"))
    site.add("acmez-b", "b", SOURCE.format(name="dns-x"), version="2.1")
    with pytest.raises(PluginConflictError) as caught:
        PluginManager().find(SOLVER, "dns-x")
    assert (
        str(caught.value) == "solver 'dns-x' comes from both 'a' (acmez-a 1.0) and 'b' (acmez-b 2.1); block one of them"
    )
    assert PluginManager(block=["b"]).find(SOLVER, "dns-x").name == "dns-x"


def test_a_conflict_hurts_nobody_who_names_neither(site: Site):
    site.add("acmez-a", "a", SOURCE.format(name="dns-x"))
    site.add("acmez-b", "b", SOURCE.format(name="dns-x"))
    site.add("acmez-c", "c", SOURCE.format(name="dns-y"))
    assert PluginManager().find(SOLVER, "dns-y").name == "dns-y"


def test_two_distributions_use_one_plugin_name(site: Site):
    site.add("acmez-a", "dns-x", SOURCE.format(name="dns-x"))
    site.add("acmez-b", "dns-x", SOURCE.format(name="dns-x"))
    with pytest.raises(PluginConflictError) as caught:
        PluginManager().find(SOLVER, "dns-x")
    assert str(caught.value) == "plugin 'dns-x' comes from both acmez-a 1.0 and acmez-b 1.0; uninstall one of them"


def test_blocked_by_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch):
    module = site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    monkeypatch.setenv("ACMEZ_BLOCK_PLUGINS", "dns-y, dns-x,")
    with pytest.raises(PluginNotFoundError, match="solver 'dns-x' is blocked by ACMEZ_BLOCK_PLUGINS"):
        PluginManager().find(SOLVER, "dns-x")
    assert module not in sys.modules


def test_an_offer_that_raises_breaks_its_plugin(site: Site):
    site.add("acmez-bad", "bad", SOURCE.format(name="x").replace("yield DnsSolver", "raise RuntimeError('no')"))
    with pytest.raises(PluginLoadError) as caught:
        PluginManager().find(SOLVER, "bad")
    assert str(caught.value) == "plugin 'bad' (acmez-bad 1.0): acmez_solvers failed: RuntimeError: no"


NO_NAME = "'DnsSolver' has no name that a configuration could use: write `name: ClassVar[str] = \"...\"`"
NO_SOLVER = "'DnsSolver' is no solver: "
CLEAN_UP = "clean_up(challenge, handle, scope)"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("yield DnsSolver", "yield DnsSolver()", "DnsSolver(api_token=Secret('***'), ttl=120) is not a class"),
        ("def clean_up(", "def cleanup(", f"{NO_SOLVER}it has no {CLEAN_UP}"),
        (
            "def clean_up(self, challenge, handle",
            "def clean_up(self, challenge",
            f"{NO_SOLVER}it is called as {CLEAN_UP}, but has clean_up(challenge, scope)",
        ),
        ("def present", "async def present", f"{NO_SOLVER}present is a coroutine, which acmez would not await"),
        ("challenge_type: ClassVar", "kind: ClassVar", f"{NO_SOLVER}it has no 'challenge_type'"),
        ("name: ClassVar[str] = ", "label: ClassVar[str] = ", NO_NAME),
        ("name: ClassVar[str]", "name: str", NO_NAME),
    ],
)
def test_an_offer_that_is_no_solver_breaks_its_plugin(site: Site, old: str, new: str, problem: str):
    source = SOURCE.format(name="bad")
    assert old in source
    site.add("acmez-bad", "bad", source.replace(old, new))
    with pytest.raises(PluginLoadError) as caught:
        PluginManager().find(SOLVER, "bad")
    assert str(caught.value) == f"plugin 'bad' (acmez-bad 1.0): acmez_solvers offers {problem}"


def test_an_abstract_class_is_no_solver(site: Site):
    source = SOURCE.format(name="bad").replace("class DnsSolver:", "class DnsSolver(ABC):")
    source = source.replace("def present", "@abstractmethod\n    def present")
    site.add("acmez-bad", "bad", source.replace("@dataclass", "from abc import ABC, abstractmethod\n@dataclass", 1))
    with pytest.raises(PluginLoadError, match="offers 'DnsSolver' is abstract: it has no present"):
        PluginManager().find(SOLVER, "bad")


def test_components_are_built_with_their_options(site: Site):
    site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    solver = PluginManager().build(SOLVER, "dns-x", {"api-token": "s3cret", "ttl": 60}, where="solver.corp")
    assert repr(solver) == "DnsSolver(api_token=Secret('***'), ttl=60)"


def test_a_component_whose_options_cannot_be_read_is_reported_as_a_bug_of_its_plugin(site: Site):
    source = SOURCE.format(name="dns-x").replace("ttl: int", "ttl: Seconds")
    site.add("acmez-dns-x", "dns-x", source)
    with pytest.raises(PluginLoadError) as caught:
        PluginManager().build(SOLVER, "dns-x", {}, where="solver.corp")
    assert str(caught.value) == (
        f"solver.corp.use: plugin 'dns-x' (acmez-dns-x 1.0): bug in {site.modules[0]}.DnsSolver: the types of its "
        "options cannot be read: name 'Seconds' is not defined "
        "(import them outside of `if TYPE_CHECKING:`, and at the top of the module)"
    )
