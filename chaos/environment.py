"""With what a run was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.clients import CLIENTS
from tests.pebble.install import find_or_build, version_of

_LIBRARIES = ("cryptography", "requests", "urllib3")


def describe(client: str, seed: int, repeat: int, seconds: float) -> dict[str, str]:
    """Return what a reader needs to judge the figures of one client, and to repeat its run."""
    return {
        "version": CLIENTS[client].version(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": str(seed),
        "runs per case": str(repeat),
        "minutes": f"{seconds / 60:.0f}, {os.cpu_count()} cores",
        "Pebble": ".".join(map(str, version_of(find_or_build().pebble))),
        "Python": f"{platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in _LIBRARIES)}",
    }
