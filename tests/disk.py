"""Disks that are soon full, and other people's umasks."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOM = 256 * 1024  # bytes
FULL = r"No space left|File too large"


@contextmanager
def little_room(directory: Path) -> Iterator[None]:
    """Make *directory* a disk of its own with `ROOM`; who may not mount gets a limit on the size of files."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(directory)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(directory)], check=True)
        return
    with _largest_file(ROOM):
        yield


@contextmanager
def no_room(directory: Path) -> Iterator[None]:
    """Fill what `little_room` left; who could not mount can write no byte to any file."""
    if not directory.is_mount():
        with _largest_file(0):
            yield
        return
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while room := os.statvfs(directory).f_bavail * os.statvfs(directory).f_bsize:
            file.write(bytes(room))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask of this process inside the `with` statement."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
