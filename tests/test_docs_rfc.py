"""The table of what the RFCs ask names functions and tests that exist."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/reference/rfc.md"
ROW = re.compile(r"\| (?P<section>[\d., ]+) \| (?P<asked>[^|]+) \| `(?P<function>[^`]+)` \| `(?P<test>[^`]+)` \|")


def rows() -> list[tuple[str, str, str]]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and "`" in line]
    held = [line for line in lines if line.count("|") == 5]
    matches = [ROW.fullmatch(line) for line in held]
    unread = [line for line, match in zip(held, matches, strict=True) if match is None]
    assert unread == []
    return [(match["section"], match["function"], match["test"]) for match in matches if match is not None]


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a file's tests, "Class::test" for those in a class."""
    names = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test_"))


def test_all_four_documents_have_rows():
    text = TABLE.read_text()
    assert re.findall(r"^## RFC (\d+)", text, re.MULTILINE) == ["8555", "8737", "8738", "9773"]
    assert len(rows()) > 60


@pytest.mark.parametrize("function", sorted({function for _, function, _ in rows()}))
def test_the_function_exists(function: str):
    module, _, name = function.partition(":")
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None


@pytest.mark.parametrize("test", sorted({test for _, _, test in rows()}))
def test_the_test_exists(test: str):
    path, _, name = test.partition("::")
    assert name in names_in(path)
