"""What importing the package brings with it, and what it offers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import acmez
from acmez import hookspecs, protocols

FOR_LATER = {"click", "dns", "msgspec", "pluggy", "rich", "sqlite3", "tomllib"}


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a new interpreter has after *code*, none of them for measuring coverage."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environ)
    return set(done.stdout.split())


def test_the_package_alone_brings_nothing_with_it():
    loaded = modules_after("import acmez")
    assert "acmez" in loaded
    assert loaded.isdisjoint(FOR_LATER | {"asyncio", "cryptography", "idna", "requests"})


def test_the_client_leaves_to_later_what_only_some_need():
    loaded = modules_after("import acmez\nacmez.Client")
    assert "cryptography" in loaded
    # requests itself imports idna
    assert loaded.isdisjoint(FOR_LATER)


def test_a_name_that_needs_none_of_the_rest_brings_none_of_it():
    assert modules_after("import acmez\nacmez.KeyFileError").isdisjoint(FOR_LATER)


@pytest.mark.parametrize("name", acmez.__all__)
def test_every_public_name_is_there_and_ours(name: str):
    value = getattr(acmez, name)
    if value in (protocols.Handle, hookspecs.hookimpl):  # ours, though of a class of somebody else's
        return
    assert value.__module__.partition(".")[0] == "acmez"
    assert value.__name__ == name


def test_dir_shows_every_public_name_and_the_list_is_sorted():
    assert dir(acmez) == sorted(acmez.__all__)
    assert len(set(acmez.__all__)) == len(acmez.__all__)
    assert acmez.__all__ == sorted(acmez.__all__, key=lambda name: (name.islower(), name))


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'acmez' has no attribute 'clinet'"):
        acmez.clinet  # noqa: B018


def test_a_star_import_gives_exactly_the_public_names():
    names: dict[str, object] = {}
    exec("from acmez import *", names)  # noqa: S102 - inside of a function it is no statement
    assert set(names) - {"__builtins__"} == set(acmez.__all__)
