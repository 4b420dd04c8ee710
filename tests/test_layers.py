"""The house's walls: which module may import what, and what `import acmez` may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "acmez"
PLUMBING = PACKAGE / "acme"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Loaded where they are used, and not by `import acmez`.
HEAVY = frozenset(
    "aiohttp anyio asyncio click dns httpx importlib.metadata msgspec multiprocessing pluggy rich sqlite3 trio".split()  # noqa: SIM905
)


def imported(path: Path) -> Iterator[str]:
    """Yield the absolute names of everything that a module imports, functions and type checking included."""
    parts = ("acmez", *path.relative_to(PACKAGE).with_suffix("").parts)
    package = parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def importers(distribution: str) -> set[str]:
    return {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == distribution for name in imported(path))
    }


def test_the_walls_are_looked_at():
    assert {"requests.adapters", "acmez.acme.wire.resolved"} <= set(imported(PLUMBING / "transport.py"))
    assert "acmez.acme.errors" in set(imported(PLUMBING / "client.py"))
    assert "acmez.acme.errors" in set(imported(PACKAGE / "errors.py"))
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", sorted(PLUMBING.rglob("*.py")), ids=lambda path: str(path.relative_to(PLUMBING)))
def test_the_plumbing_never_imports_its_parent(path: Path):
    outside = {
        name
        for name in imported(path)
        if name.split(".")[0] == "acmez" and name != "acmez.acme" and not name.startswith("acmez.acme.")
    }
    assert outside == set()


def test_only_the_plugin_layer_imports_pluggy():
    assert importers("pluggy") <= {"hookspecs.py", "plugins.py"}


def test_only_the_transport_imports_requests():
    assert importers("requests") == {"acme/transport.py"}
    assert importers("urllib3") == {"acme/transport.py", "acme/connection.py"}


def test_only_the_command_imports_what_terminals_need():
    for distribution in ("click", "rich"):
        users = importers(distribution)
        assert users
        assert {name for name in users if not name.startswith("cli/")} == set()


@pytest.mark.parametrize("module", ["acmez", "acmez.acme"])
def test_importing_it_loads_nothing_heavy(module: str):
    # The standard library's own needs do not count: what it loads without us, it loads anyway.
    script = f"""
import sys
import requests, urllib3, cryptography.x509
before = set(sys.modules)
import {module}
print("\\n".join(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert module in loaded
    assert {name for name in loaded if name in HEAVY or name.split(".")[0] in HEAVY} == set()


def test_importing_it_loads_no_plugin():
    script = "import sys, acmez, acmez.acme; print(*[m for m in sys.modules if m.startswith('acmez_')])"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_the_plumbing_is_usable_alone():
    script = "import sys, acmez.acme; print(*[m for m in sys.modules if m.startswith('acmez.')])"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)

    assert {name for name in done.stdout.split() if not name.startswith("acmez.acme")} == set()
