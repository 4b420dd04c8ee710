"""The `acmez` command. It needs the extra `acmez[cli]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; `acmez.cli.app.EXIT_CODES` says what each means."""
    try:
        from .app import run
    except ModuleNotFoundError as exc:
        if exc.name not in {"click", "rich"}:
            raise
        sys.stderr.write("acmez: the command needs click and rich: pip install 'acmez[cli]'\n")
        return 2
    return run(arguments)
