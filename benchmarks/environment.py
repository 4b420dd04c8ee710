"""Where and with what a measurement was made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.clients import CLIENTS
from tests.pebble.install import find_or_build, version_of


def describe() -> dict[str, str]:
    """Return what a reader needs to judge the figures, in the order in which to read it."""
    built = version_of(find_or_build().pebble)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {_system()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Pebble": ".".join(map(str, built)),
        "Python": f"{platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in _LIBRARIES)}",
        "Go": _said("go", "version").removeprefix("go version "),
        "Rust": _said("rustc", "--version").removeprefix("rustc "),
        **{name: client.version() for name, client in CLIENTS.items()},
    }


_LIBRARIES = ("cryptography", "requests", "urllib3")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "none"
    except OSError:
        return "none"
