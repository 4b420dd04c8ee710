"""The table of threats names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_docs_rfc import names_in

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/security.md"
ROW = re.compile(r"\| (?P<threat>[^|]+) \| (?P<answer>[^|]+) \| `(?P<test>[^`|]+)` \|")
SECTIONS = [
    "URLs",
    "Tokens",
    "Answers",
    "Failures and retries",
    "Orders and authorizations",
    "Certificates",
    "DNS answers",
    "Web servers",
    "Configuration",
    "Files",
    "Plugins",
    "Secrets",
]


def rows() -> list[str]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and "::" in line]
    matches = [ROW.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, matches, strict=True) if match is None] == []
    return [match["test"] for match in matches if match is not None]


def test_every_kind_of_threat_has_rows():
    text = TABLE.read_text()
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert [section.partition("\n")[0] for section in sections] == SECTIONS
    assert all("::test_" in section for section in sections)


@pytest.mark.parametrize("test", sorted(set(rows())))
def test_the_test_exists(test: str):
    path, _, name = test.partition("::")
    assert name in names_in(path)


def test_every_file_of_hostile_tests_is_named():
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests/hostile").glob("test_*.py")}
    assert files <= {test.partition("::")[0] for test in rows()}
