"""Build distributions so that whoever builds them again gets the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "dist", "build")
_LONG_AGO = 946_684_800  # seconds: 2000-01-01


def build(project: Path, dist: Path) -> list[str]:
    """Build a project's wheel and sdist into *dist*, and return the names of those that do not come out the same again.

    The second build is from files of another age and mode, in another folder, under another umask and time zone.

    Raises:
        subprocess.CalledProcessError: it cannot be built.
    """
    with tempfile.TemporaryDirectory() as place:
        here, there = Path(place, "here"), Path(place, "quite another place")
        shutil.copytree(project, here, ignore=_LEFT_OUT)
        shutil.copytree(here, there)
        for path in there.rglob("*"):
            path.chmod(path.stat().st_mode & 0o700)
            os.utime(path, (_LONG_AGO, _LONG_AGO))
        first = _run(here, Path(place, "first"), 0o022, {"TZ": "UTC", "PYTHONHASHSEED": "1"})
        second = _run(there, Path(place, "second"), 0o077, {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "2"})
        dist.mkdir(exist_ok=True)
        for name, content in first.items():
            (dist / name).write_bytes(content)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _run(project: Path, dist: Path, umask: int, environ: Mapping[str, str]) -> dict[str, bytes]:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--target", "sdist"]
    environ = {"SOURCE_DATE_EPOCH": _last_change(), **os.environ, **environ}
    done = subprocess.run(
        [*command, "--directory", dist], cwd=project, umask=umask, env=environ, check=False, capture_output=True
    )
    if done.returncode:
        sys.stderr.buffer.write(done.stderr)
        done.check_returncode()
    return {path.name: path.read_bytes() for path in sorted(dist.iterdir())}


def _last_change() -> str:
    """Return when the checkout was committed, in seconds: the time that files in an archive get."""
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
