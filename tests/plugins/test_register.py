"""What is let in as a plugin, how it is named, and what is said about the rest."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from acmez.errors import PluginConflictError, PluginLoadError, PluginNotFoundError
from acmez.events import Event, OrderReady
from acmez.hookspecs import hookimpl
from acmez.plugins import SOLVER, PluginInfo, PluginManager

from .conftest import SOLVER as SOURCE
from .conftest import Site


@pytest.fixture
def manager() -> PluginManager:
    return PluginManager(discover=False)


def refusal(plugin: object) -> str:
    """Return why *plugin* is refused, after checking that nothing of it stays behind."""
    manager = PluginManager(discover=False)
    with pytest.raises(PluginLoadError) as caught:
        manager.register(plugin, "mine")
    assert not manager.hooks_active("acmez_event")
    assert [info.name for info in manager.installed() if info.name == "mine"] == []
    return str(caught.value)


class Observer:
    @hookimpl
    def acmez_event(self, event: Event) -> None: ...


def test_a_class():
    assert refusal(Observer) == "plugin 'mine': it is a class: register an instance of it"


def test_a_misspelt_hook():
    class Plugin:
        @hookimpl
        def acmez_solver(self) -> Iterator[type]:
            yield from ()

    assert refusal(Plugin()) == "plugin 'mine': unknown hook 'acmez_solver' (did you mean 'acmez_solvers'?)"


def test_an_optional_hook_of_a_newer_acmez_is_let_in(manager: PluginManager):
    class Plugin:
        @hookimpl(optionalhook=True)
        def acmez_not_yet(self) -> None: ...

    manager.register(Plugin(), "mine")
    assert "mine" in {info.name for info in manager.installed()}


def test_a_parameter_that_is_not_passed():
    class Plugin:
        @hookimpl
        def acmez_event(self, event: Event, client: object) -> None: ...

    assert refusal(Plugin()).startswith("plugin 'mine': acmez_event asks for 'client', which acmez ")
    assert refusal(Plugin()).endswith(" does not pass; does it need a newer acmez?")


def test_a_misspelt_parameter():
    class Plugin:
        @hookimpl
        def acmez_choose_challenge(self, challenge: object) -> None: ...

    assert "does not pass (did you mean 'challenges'?)" in refusal(Plugin())


def test_parameters_that_would_never_be_filled():
    class Defaults:
        @hookimpl
        def acmez_event(self, event: Event | None = None) -> None: ...

    class KeywordOnly:
        @hookimpl
        def acmez_event(self, *, event: Event) -> None: ...

    assert refusal(Defaults()) == (
        "plugin 'mine': acmez_event gives 'event' a default, so it would never receive the value"
    )
    assert refusal(KeywordOnly()) == (
        "plugin 'mine': acmez_event takes 'event' by keyword only, so it would never receive the value"
    )


def test_hooks_that_are_not_plain_functions():
    class Wrapper:
        @hookimpl(wrapper=True)
        def acmez_event(self) -> Iterator[None]:
            yield

    class Coroutine:
        @hookimpl
        async def acmez_event(self) -> None: ...

    class Generator:
        @hookimpl
        def acmez_event(self) -> Iterator[None]:
            yield

    assert "acmez_event is a wrapper, which acmez does not support" in refusal(Wrapper())
    assert "acmez_event is a coroutine, which acmez would not await" in refusal(Coroutine())
    assert "acmez_event is a generator, whose body would not run" in refusal(Generator())


def test_a_forgotten_marker():
    class Unmarked:
        def acmez_event(self, event: Event) -> None: ...

    assert "acmez_event is not marked with @hookimpl" in refusal(Unmarked())


def test_something_without_hooks():
    import json

    assert (
        refusal(json)
        == "plugin 'mine': this module implements no hook of acmez: mark its functions with @acmez.hookimpl"
    )
    assert refusal(object()).startswith("plugin 'mine': this object implements no hook of acmez")


def test_every_problem_is_told():
    class Plugin:
        @hookimpl
        def acmez_waiter(self) -> None: ...
        @hookimpl
        async def acmez_event(self) -> None: ...

    assert len(refusal(Plugin()).splitlines()) == 2


def test_an_in_house_offer_is_checked_at_once(manager: PluginManager):
    class Plugin:
        @hookimpl
        def acmez_solvers(self) -> Iterator[type]:
            yield str

    with pytest.raises(PluginLoadError, match="plugin 'mine': acmez_solvers offers 'str' has no name"):
        manager.register(Plugin(), "mine")


def test_properties_are_left_alone(manager: PluginManager):
    class Plugin(Observer):
        @property
        def session(self) -> object:
            raise AssertionError("evaluated")

    manager.register(Plugin())
    assert manager.hooks_active("acmez_event")


def test_instances_are_named_by_their_class(manager: PluginManager):
    manager.register(Observer()).register(Observer())
    base = f"{__name__}.Observer"
    active = [info.name for info in manager.installed() if info.status == "active"]
    assert active == [base, f"{base}-2"]


def test_a_name_that_is_taken(manager: PluginManager):
    manager.register(Observer(), "audit")
    with pytest.raises(PluginConflictError, match="plugin 'audit' has a name that is taken"):
        manager.register(Observer(), "audit")


def test_an_object_that_is_registered_already(manager: PluginManager):
    observer = Observer()
    manager.register(observer, "audit")
    with pytest.raises(PluginConflictError, match="plugin 'again' is registered already, as 'audit'"):
        manager.register(observer, "again")


def test_a_blocked_plugin_is_left_out_and_the_log_says_so(manager: PluginManager, caplog: pytest.LogCaptureFixture):
    manager.block("audit").register(Observer(), "audit")
    assert not manager.hooks_active("acmez_event")
    assert "plugin 'audit' is blocked in this configuration" in caplog.text


# Loading by name


def test_an_in_house_module(manager: PluginManager, site: Site):
    site.write("acmez_test_in_house", SOURCE.format(name="dns-corp"))
    assert manager.load("acmez_test_in_house").find(SOLVER, "dns-corp").name == "dns-corp"


def test_loading_twice_is_loading_once(manager: PluginManager, site: Site):
    site.write("acmez_test_in_house", SOURCE.format(name="dns-corp"))
    manager.load("acmez_test_in_house").load("acmez_test_in_house")
    assert manager.find(SOLVER, "dns-corp").name == "dns-corp"


def test_an_installed_plugin_loaded_by_its_module_is_one_plugin(site: Site):
    module = site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    manager = PluginManager().load(module)
    assert manager.find(SOLVER, "dns-x").__module__ == module
    assert manager.load("dns-x").find(SOLVER, "dns-x").__module__ == module


def test_a_file(manager: PluginManager, tmp_path: Path):
    (tmp_path / "hooks.py").write_text(SOURCE.format(name="dns-corp"))  # a dataclass, which needs its module
    found = manager.load("./hooks.py", directory=tmp_path).find(SOLVER, "dns-corp")
    assert sys.modules[found.__module__].__file__ == str(tmp_path / "hooks.py")


def test_two_files_of_one_name(manager: PluginManager, tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hooks.py").write_text(SOURCE.format(name=f"dns-{name}"))
        manager.load(f"{name}/hooks.py", directory=tmp_path)
    assert manager.find(SOLVER, "dns-a").__module__ != manager.find(SOLVER, "dns-b").__module__


def test_a_file_that_is_not_there(manager: PluginManager, tmp_path: Path):
    with pytest.raises(PluginLoadError) as caught:
        manager.load("./hooks.py", directory=tmp_path)
    assert str(caught.value) == f"plugin './hooks.py' failed to load: no such file: '{tmp_path}/hooks.py'"


def test_a_module_that_is_not_there(manager: PluginManager):
    with pytest.raises(PluginLoadError) as caught:
        manager.load("my_app.acme_hooks")
    assert str(caught.value) == (
        "plugin 'my_app.acme_hooks' is neither installed nor a module that can be imported (installed: default, "
        "dns-propagation, file, generated, http-self-check; write './my_app/acme_hooks.py' for a file beside the "
        "configuration)"
    )


def test_a_module_that_misses_something_itself(manager: PluginManager, site: Site):
    site.write("acmez_test_in_house", "import no_such_sdk")
    with pytest.raises(PluginLoadError) as caught:
        manager.load("acmez_test_in_house")
    assert str(caught.value) == "plugin 'acmez_test_in_house' failed to load: No module named 'no_such_sdk'"


def test_an_installed_plugin_that_is_broken(site: Site):
    site.add("acmez-audit", "audit", "1/0")
    with pytest.raises(PluginLoadError, match=r"'audit' \(acmez-audit 1.0\) failed to load: ZeroDivisionError"):
        PluginManager().load("audit")


def test_a_known_plugin_that_is_absent(manager: PluginManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acmez.catalogue.KNOWN_PLUGINS", {"dns-made": "acmez-dns-made"})
    with pytest.raises(PluginNotFoundError, match="plugin 'dns-made' is not installed: pip install acmez-dns-made"):
        manager.load("dns-made")


# Listing


def test_the_list_of_plugins(site: Site):
    watching = "\n@hookimpl\ndef acmez_event(event): ...\n"
    site.add("acmez-audit", "audit", SOURCE.format(name="dns-audit") + watching, version="3.0")
    site.add("acmez-broken", "broken", "1/0")
    site.add("acmez-blocked", "blocked", "1/0")
    site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    listed = {info.name: info for info in PluginManager(block=["blocked"]).load("audit").installed()}
    assert listed["audit"] == PluginInfo(
        "audit", "acmez-audit 3.0", "active", (("solver", "dns-audit"),), ("acmez_event",)
    )
    assert listed["dns-x"] == PluginInfo("dns-x", "acmez-dns-x 1.0", "available", (("solver", "dns-x"),))
    assert listed["blocked"] == PluginInfo("blocked", "acmez-blocked 1.0", "blocked")
    assert listed["broken"].status == "broken"
    assert listed["broken"].error == (
        "plugin 'broken' (acmez-broken 1.0) failed to load: ZeroDivisionError: division by zero"
    )
    assert listed["default"] == PluginInfo("default", "built in", "available", (("retry policy", "default"),))
    assert list(listed) == sorted(listed)


@dataclass(frozen=True)
class Equal:
    """Every instance equals every other."""

    @hookimpl
    def acmez_event(self, event: Event) -> None: ...


def test_objects_that_are_equal_are_told_apart_by_identity_or_refused_clearly(manager: PluginManager):
    manager.register(Equal(), "one")
    with pytest.raises(PluginConflictError, match="plugin 'two' is registered already, as 'one'"):
        manager.register(Equal(), "two")
    manager.emit(OrderReady())


def test_importing_acmez_and_its_keys_does_not_import_pluggy():
    import subprocess

    code = "import sys, acmez, acmez.keys, acmez.options, acmez.protocols; sys.exit('pluggy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_loaded_plugins_are_named_with_their_version_in_the_debug_log(site: Site, caplog: pytest.LogCaptureFixture):
    site.add("acmez-dns-x", "dns-x", SOURCE.format(name="dns-x"))
    with caplog.at_level(logging.DEBUG, "acmez.catalogue"):
        PluginManager().find(SOLVER, "dns-x")
    assert "plugin 'dns-x' (acmez-dns-x 1.0) registered" in caplog.text
