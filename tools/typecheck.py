"""Run mypy once over everything: the core, every plugin, all tests, the examples and the tools.

mypy needs one name per module, but each plugin's tests have the same ones (`conftest`, `test_solver`). They
are reached through symbolic links that give each its own: `plugin_tests.acmez_http_webroot.test_solver`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINKS = Path(".cache/typing")


def link_plugin_tests() -> dict[str, str]:
    """Make the links and return each one's path and the path it stands for."""
    shutil.rmtree(LINKS, ignore_errors=True)
    linked = LINKS / "plugin_tests"
    linked.mkdir(parents=True)
    meant = {}
    for tests in sorted(Path("plugins").glob("acmez-*/tests")):
        link = linked / tests.parent.name.replace("-", "_")
        link.symlink_to(tests.absolute())
        meant[str(link)] = str(tests)
    return meant


def sources() -> list[str]:
    """Return what is there to check."""
    names = "acmez", "tests", "examples", "benchmarks", "chaos", "fuzz", "tools", "conftest.py"
    core = [Path(name) for name in names]
    packages = sorted(Path("plugins").glob("acmez-*/acmez_*"))
    return [str(path) for path in [*core, *packages] if path.exists()]


def main() -> int:
    """Run mypy and print what it says, with the real paths."""
    os.chdir(ROOT)
    meant = link_plugin_tests()
    command = [sys.executable, "-m", "mypy", *sources(), *meant]
    done = subprocess.run(
        command, env={**os.environ, "MYPYPATH": str(LINKS)}, capture_output=True, text=True, check=False
    )
    report = done.stdout + done.stderr
    for link, tests in meant.items():
        report = report.replace(link, tests)
    sys.stdout.write(report)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
