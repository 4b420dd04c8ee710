"""The README tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_its_table_lists_every_plugin():
    listed = re.findall(r"^\| \[(acmez-[a-z0-9-]+)\]\(plugins/\1\) \|", README, re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
    assert len(listed) == len(set(listed))


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_two_commands_are_targets_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)) == {"demo", "test"}
    assert {"demo", "test"} <= targets
