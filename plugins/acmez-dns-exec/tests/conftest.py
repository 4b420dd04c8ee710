from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dns.fixtures import challenge_for, scope

__all__ = ["challenge_for", "scope"]


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    """Write a program: `program("echo hello", name="hello.sh")`."""

    def write(body: str, name: str = "program.sh", first_line: str = "#!/bin/sh") -> Path:
        path = tmp_path / name
        path.write_text(f"{first_line}\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write
