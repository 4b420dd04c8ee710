"""What every DNS solver does to the zones of its provider, whichever that is.

A test class of a plugin inherits these tests. It, or the plugin's conftest, has fixtures `solver` and `provider`; the
provider has the zone example.test, or the one that `zone` names, with `FOREIGN` at _acme-challenge.shared.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from acmez import Client
from acmez.acme.challenge import Challenge
from acmez.acme.challenges import txt_record
from acmez.acme.errors import InputError
from acmez.dns.texts import quoted
from acmez.journal import Journal
from acmez.kinds import SOLVER
from acmez.option_docs import options_of
from acmez.plugins import PluginManager
from acmez.protocols import Batching, CancelScope, Handle, Solver, Versatile
from tests.dns.processes import processes, table_of

FOREIGN = ['_acme-challenge.shared 120 TXT "foreign value"', '_acme-challenge.shared 120 TXT "another one" "in pieces"']

ChallengeFor = Callable[..., Challenge]


class DnsSolver(Solver, Protocol):
    """A solver of all DNS challenges."""

    other_types: tuple[str, ...]


class Provider(Protocol):
    """Whoever serves the zones."""

    def dump(self, zone: str) -> list[str]:
        """Return all records of a zone, in any form, but without the serial."""
        ...

    def ask(self, name: str, kind: str = "TXT") -> list[str]:
        """Return the records at *name*, as zone files write them, sorted."""
        ...


CLEAN_UP = """
import importlib, json, sys
from acmez import options
from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope

module, name, table, domain, handle = sys.argv[1:]
solver = options.build(getattr(importlib.import_module(module), name), json.loads(table))
challenge = Challenge("dns-01", "", "pending", Identifier.dns(domain))
solver.clean_up(challenge, json.loads(handle), CancelScope(30))
"""


def clean_up_in_another_process(solver: Any, domain: str, handle: str) -> None:
    """Let a new process, with the same options, clean up what *handle* tells."""
    kind = type(solver)
    with processes(1, CLEAN_UP, kind.__module__, kind.__name__, table_of(solver), domain, handle) as (process,):
        assert process.end() == 0


def value_of(challenge: Challenge) -> str:
    return quoted(txt_record(challenge).value)


def present_all(solver: Any, challenges: Sequence[Challenge], scope: CancelScope) -> list[Handle | None]:
    if isinstance(solver, Batching):
        return list(solver.present_many(challenges, scope))
    return [solver.present(challenge, scope) for challenge in challenges]


def clean_up_all(
    solver: Any, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
) -> None:
    if isinstance(solver, Batching):
        solver.clean_up_many(challenges, handles, scope)
    else:
        for challenge, handle in zip(challenges, handles, strict=True):
            solver.clean_up(challenge, handle, scope)


def leave(path: Path, solver: Solver, challenges: Sequence[Challenge], *, noted: bool) -> None:
    """Present with a journal, and do no more, as a process that dies.

    Args:
        noted: whether it lives to write down the handles.
    """
    scope = CancelScope(30)
    with Journal(path) as journal:
        entry = journal.begin("https://ca.test/directory", "https://ca.test/account/1", "a wish", csr=b"", key=b"")
        journal.presenting(entry, [(solver.name, challenge) for challenge in challenges])
        handles = present_all(solver, challenges, scope)
        if noted:
            journal.presented(entry, solver.name, challenges, handles)


class DnsSolverContract:
    """The tests."""

    @pytest.fixture
    def zone(self) -> str:
        return "example.test"

    def test_it_is_a_solver_of_every_dns_challenge(self, solver: DnsSolver):
        as_protocol: Solver = solver
        assert as_protocol.challenge_type == "dns-01"
        assert isinstance(solver, Versatile)
        assert solver.other_types == ("dns-account-01", "dns-persist-01")

    @pytest.mark.parametrize("kind", ["dns-01", "dns-account-01"])
    def test_the_zone_is_as_before_when_it_is_cleaned_up(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope, kind: str
    ):
        before = provider.dump(zone)
        challenge = challenge_for(f"www.{zone}", kind)
        handle = solver.present(challenge, scope)
        assert provider.ask(txt_record(challenge).name) == [value_of(challenge)]
        solver.clean_up(challenge, handle, scope)
        assert provider.dump(zone) == before

    @pytest.mark.parametrize("revision", [1, 2])
    def test_a_persistent_record_stays(
        self,
        solver: Solver,
        provider: Provider,
        zone: str,
        challenge_for: ChallengeFor,
        scope: CancelScope,
        revision: int,
    ):
        challenge = challenge_for(f"keep{revision}.{zone}", "dns-persist-01", revision=revision)
        handle = solver.present(challenge, scope)
        solver.clean_up(challenge, handle, scope)
        solver.present(challenge, scope)
        assert provider.ask(f"_validation-persist.keep{revision}.{zone}") == [value_of(challenge)]

    def test_apex_and_wildcard_have_two_values_at_one_name(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        name = f"_acme-challenge.{zone}"
        challenges = [challenge_for(zone), challenge_for(zone, wildcard=True)]
        handles = present_all(solver, challenges, scope)
        assert provider.ask(name) == sorted(map(value_of, challenges))
        solver.clean_up(challenges[0], handles[0], scope)
        assert provider.ask(name) == [value_of(challenges[1])]
        solver.clean_up(challenges[1], handles[1], scope)
        assert provider.ask(name) == []

    def test_values_of_others_are_kept(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        before = provider.dump(zone)
        foreign = provider.ask(f"_acme-challenge.shared.{zone}")
        challenge = challenge_for(f"shared.{zone}")
        handle = solver.present(challenge, scope)
        assert set(provider.dump(zone)) >= set(before)
        assert provider.ask(f"_acme-challenge.shared.{zone}") == sorted([*foreign, value_of(challenge)])
        solver.clean_up(challenge, handle, scope)
        assert provider.dump(zone) == before

    def test_presenting_and_cleaning_up_twice_changes_nothing_more(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        before = provider.dump(zone)
        challenge = challenge_for(f"twice.{zone}")
        handles = [solver.present(challenge, scope), solver.present(challenge, scope)]
        assert provider.ask(txt_record(challenge).name) == [value_of(challenge)]
        for handle in (*handles, None):
            solver.clean_up(challenge, handle, scope)
            assert provider.dump(zone) == before

    def test_what_was_never_presented_is_cleaned_up_without_a_word(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        before = provider.dump(zone)
        solver.clean_up(challenge_for(f"never.{zone}"), None, scope)
        solver.clean_up(challenge_for(f"shared.{zone}"), None, scope)
        assert provider.dump(zone) == before

    def test_many_names_at_once(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        before = provider.dump(zone)
        challenges = [challenge_for(f"n{n}.{zone}") for n in range(20)]
        handles = present_all(solver, challenges, scope)
        for challenge in challenges:
            assert provider.ask(txt_record(challenge).name) == [value_of(challenge)]
        clean_up_all(solver, challenges, handles, scope)
        assert provider.dump(zone) == before

    def test_many_threads_at_one_name_lose_no_value(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        challenges = [challenge_for(f"busy.{zone}") for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            handles = list(pool.map(lambda each: solver.present(each, scope), challenges))
            assert provider.ask(f"_acme-challenge.busy.{zone}") == sorted(map(value_of, challenges))
            list(pool.map(solver.clean_up, challenges, handles, [scope] * len(challenges)))
        assert provider.ask(f"_acme-challenge.busy.{zone}") == []

    def test_after_a_crash_the_handle_is_enough_for_another_process(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, scope: CancelScope
    ):
        before = provider.dump(zone)
        challenge = challenge_for(f"crash.{zone}")
        handle = json.dumps(solver.present(challenge, scope))
        assert provider.dump(zone) != before
        clean_up_in_another_process(solver, f"crash.{zone}", handle)
        assert provider.dump(zone) == before

    @pytest.mark.parametrize("crashed", ["before the handle was noted", "after"])
    def test_what_a_crash_left_is_swept_later(
        self, solver: Solver, provider: Provider, zone: str, challenge_for: ChallengeFor, tmp_path: Path, crashed: str
    ):
        before = provider.dump(zone)
        challenges = [challenge_for(zone), challenge_for(f"shared.{zone}"), challenge_for(f"www.{zone}")]
        leave(tmp_path / "journal", solver, challenges, noted=crashed == "after")
        assert provider.dump(zone) != before
        with (
            Journal(tmp_path / "journal") as journal,
            Client("https://ca.test/directory", solvers=[solver], journal=journal) as client,
        ):
            assert client.sweep() == []
        assert provider.dump(zone) == before

    @pytest.mark.parametrize("handle", [{"record": "42"}, {"zone": "a.test", "name": "b.test", "value": "v"}])
    def test_a_handle_of_somebody_else_is_refused(
        self, solver: Solver, zone: str, challenge_for: ChallengeFor, scope: CancelScope, handle: Mapping[str, str]
    ):
        with pytest.raises(InputError, match="the handle is not one of a DNS solver"):
            solver.clean_up(challenge_for(zone), handle, scope)

    def test_nothing_secret_is_shown(self, solver: Any):
        shown = repr(solver)
        for field in dataclasses.fields(solver):
            value = getattr(solver, field.name)
            assert type(value).__name__ != "Secret" or value not in shown


class Described:
    """The tests of a distribution's README: the class that inherits them has `kind` and `readme`."""

    kind: type[Any]
    readme: Path

    def test_it_is_found_by_the_solvers_name(self):
        assert PluginManager().find(SOLVER, self.kind.name) is self.kind

    def test_the_readme_has_every_option_with_its_default(self):
        row = r"^\| `([\w.]+)` \| [\w ]+ \| (?:`(.*?)`|[\w' ]*) ?\|"
        rows = dict(re.findall(row, self.readme.read_text(), re.MULTILINE))
        known = {option.name: option.default for option in options_of(self.kind)}
        assert set(rows) == set(known)
        told = {name: default for name, default in rows.items() if default not in {"", "[]", "{}"}}
        assert told == {name: known[name] for name in told}

    def test_the_readmes_python_runs(self):
        (python,) = re.findall(r"```python\n(.*?)```", self.readme.read_text(), re.DOTALL)
        names: dict[str, object] = {}
        exec(python, names)  # noqa: S102 - our own text
        assert isinstance(names["solver"], self.kind)
