"""Installed distributions that never were: a `*.dist-info` directory and a module beside it."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier

_NUMBERS = itertools.count()

SOLVER = """
from __future__ import annotations
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from acmez.hookspecs import hookimpl
from acmez.options import Secret

@dataclass
class DnsSolver:
    '''Answer dns-01.

    Attributes:
        api_token: may edit the zone.
        ttl: seconds, of the records.
    '''

    name: ClassVar[str] = "{name}"
    challenge_type: ClassVar[str] = "dns-01"

    api_token: Secret = Secret("")
    ttl: int = 120

    def __post_init__(self) -> None:
        if self.ttl < 60:
            raise ValueError("ttl must be at least 60")

    def present(self, challenge, scope): ...
    def clean_up(self, challenge, handle, scope): ...

@hookimpl
def acmez_solvers():
    yield DnsSolver
"""


@dataclass
class Site:
    """A directory on `sys.path` into which distributions are put.

    Attributes:
        path: the directory.
        modules: what may have been imported from it.
    """

    path: Path
    modules: list[str] = field(default_factory=list)

    def add(self, distribution: str, plugin: str, source: str, *, version: str = "1.0") -> str:
        """Install a distribution with one plugin and return the name of the plugin's module."""
        module = f"acmez_test_plugin_{next(_NUMBERS)}"
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[acmez]\n{plugin} = {module}\n")
        self.write(module, source)
        return module

    def write(self, module: str, source: str) -> None:
        """Put a module there."""
        (self.path / f"{module}.py").write_text(textwrap.dedent(source))
        self.modules.append(module)
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty directory for distributions, in front of the environment's own."""
    directory = tmp_path / "site-packages"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    made = Site(directory)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


@pytest.fixture
def challenges() -> list[Challenge]:
    """Two ways to prove example.com."""
    identifier = Identifier.dns("example.com")
    return [
        Challenge(kind, f"https://ca.example/{kind}", "pending", identifier, token="token")
        for kind in ("dns-01", "http-01")
    ]
