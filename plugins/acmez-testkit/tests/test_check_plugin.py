"""Everything that would keep a plugin from doing what its author means is found, all of it at once."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint
from typing import Any

import acmez_http_webroot
import pytest
from acmez_testkit.contracts import check_plugin, checking

from acmez.discovery import Entry

PREAMBLE = """
from typing import ClassVar
from acmez import hookimpl

class Good:
    name: ClassVar[str] = "dns-good"
    challenge_type: ClassVar[str] = "dns-01"
    def present(self, challenge, scope): ...
    def clean_up(self, challenge, handle, scope): ...
"""


def module(source: str) -> types.ModuleType:
    made = types.ModuleType("my_hooks")
    exec(PREAMBLE + source, vars(made))  # noqa: S102 - our own text
    return made


def complaint(source: str) -> str:
    with pytest.raises(AssertionError) as caught:
        check_plugin(module(source))
    return str(caught.value)


def test_a_good_module_passes():
    check_plugin(module("@hookimpl\ndef acmez_solvers():\n    yield Good\n@hookimpl\ndef acmez_event(event): ..."))


def test_an_installed_plugin_passes():
    check_plugin(acmez_http_webroot)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "my_hooks: this module implements no hook of acmez"),
        ("@hookimpl\ndef acmez_solver(): ...", "unknown hook 'acmez_solver' (did you mean 'acmez_solvers'?)"),
        ("@hookimpl\ndef amcez_solvers(): ...", "hooks begin with 'acmez_' (did you mean 'acmez_solvers'?)"),
        ("def acmez_solver(): ...", "acmez_solver is no hook, and not marked as one (did you mean 'acmez_solvers'?)"),
        ("def acmez_event(event): ...", "acmez_event is not marked with @hookimpl"),
        ("@hookimpl\ndef acmez_event(evnet): ...", "asks for 'evnet', which acmez"),
        ("@hookimpl\ndef acmez_event(event=None): ...", "gives 'event' a default"),
        ("@hookimpl\ndef acmez_event(*, event): ...", "takes 'event' by keyword only"),
        ("@hookimpl\nasync def acmez_event(event): ...", "is a coroutine"),
        ("@hookimpl(wrapper=True)\ndef acmez_event(event):\n    return (yield)", "is a wrapper"),
        ("@hookimpl\ndef acmez_solvers():\n    yield Good()", "is not a class"),
        ("@hookimpl\ndef acmez_solvers():\n    yield int", "'int' has no name that a configuration could use"),
        ("@hookimpl\ndef acmez_waiters():\n    yield Good", "'Good' is no waiter: it has no wait(challenge, scope)"),
        ("@hookimpl\ndef acmez_solvers():\n    import no_such_sdk", "acmez_solvers raised ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_is_said(source: str, message: str):
    assert message in complaint(source)


def test_everything_is_said_at_once():
    said = complaint("@hookimpl\ndef acmez_evnet(event): ...\n@hookimpl\ndef acmez_choose_chain(chain): ...")
    assert len(said.splitlines()) == 2
    assert "did you mean 'acmez_event'?" in said
    assert "did you mean 'chains'?" in said


def test_a_helper_is_no_hook():
    check_plugin(module("@hookimpl\ndef acmez_event(event): ...\ndef choose_chain(chains): ...\nacmez_url = 'x'"))


def test_an_object_with_hooks_is_a_plugin_too():
    made: Any = module("class Watcher:\n    @hookimpl\n    def acmez_evnet(self, event): ...")
    with pytest.raises(AssertionError, match="Watcher: unknown hook 'acmez_evnet'"):
        check_plugin(made.Watcher())


def test_a_component_is_named_like_its_entry_point(monkeypatch: pytest.MonkeyPatch):
    made = module("@hookimpl\ndef acmez_solvers():\n    yield Good")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    entry = Entry("dns-other", (EntryPoint("dns-other", "my_hooks", "acmez"),))
    monkeypatch.setattr(checking, "installed_entries", lambda *, discover: {"dns-other": entry})
    with pytest.raises(AssertionError, match=r"offers 'dns-good', which is none of its entry points \(dns-other\)"):
        check_plugin(made)
