"""With what a run was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.clients import CLIENTS
from chaos.peers import PEERS
from tests.pebble.install import find_or_build, version_of

_LIBRARIES = ("cryptography", "requests", "urllib3")


def describe(seed: int, repeat: int, peer_repeat: int, seconds: float) -> dict[str, str]:
    """Return what a reader needs to judge the figures and to repeat the run."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": str(seed),
        "runs for each case": f"{repeat} of acmez, {peer_repeat} of each peer",
        "took": f"{seconds / 60:.0f} min on {os.cpu_count()} cores",
        "Pebble": ".".join(map(str, version_of(find_or_build().pebble))),
        "Python": f"{platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in _LIBRARIES)}",
        **{name: CLIENTS[name].version() for name in ("acmez", *PEERS)},
    }
