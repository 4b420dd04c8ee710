"""The table of known plugins tells the truth."""

from __future__ import annotations

import tomllib
from pathlib import Path

from acmez.known_plugins import KNOWN_PLUGINS

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_holds_exactly_the_entry_points_of_the_distributions_in_this_repository():
    found = {}
    for file in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for name in project.get("entry-points", {}).get("acmez", {}):
            found[name] = project["name"]
    assert dict(KNOWN_PLUGINS) == found
