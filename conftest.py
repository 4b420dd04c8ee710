"""What the tests of the core and of every plugin have in common."""

from __future__ import annotations

pytest_plugins = [
    "pytester",
    "tests.no_secrets",
    "tests.no_skips",
    "tests.pebble.fixtures",
    "acmez_testkit.pytest_plugin",
]
