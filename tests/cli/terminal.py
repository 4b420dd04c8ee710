"""A terminal that tests can look at: tmux, with a server of its own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PATIENCE = 20.0  # seconds until a screen that does not come is a failure


@dataclass(frozen=True)
class Terminal:
    """A window of tmux in which `acmez` runs."""

    socket: Path

    @classmethod
    @contextmanager
    def running(cls, directory: Path, arguments: Sequence[str], *, width: int, height: int = 24) -> Iterator[Self]:
        """Run the command in *directory*; when it has ended its exit code is on the screen."""
        terminal = cls(directory / "tmux")
        acmez = shlex.join([sys.executable, "-m", "acmez.cli"])
        script = f"trap : INT; {acmez} {' '.join(arguments)}; echo exit code $?; exec cat"
        size = ("-x", str(width), "-y", str(height))
        environment = ("env", "-u", "NO_COLOR", "-u", "FORCE_COLOR", "LC_ALL=C.UTF-8")
        terminal.tmux("new-session", "-d", *size, "-c", str(directory), *environment, "sh", "-c", script)
        try:
            yield terminal
        finally:
            terminal.tmux("kill-server")

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-f", "/dev/null", "-S", str(self.socket), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def screen(self, *, joined: bool = False) -> list[str]:
        """Return the lines on the screen and those that left it, between two redraws.

        Args:
            joined: take together what the terminal has folded.
        """
        fold = ["-J"] if joined else []
        before, now = "", self.tmux("capture-pane", "-p", "-S", "-", *fold)
        while now != before:  # else it is being drawn
            before, now = now, self.tmux("capture-pane", "-p", "-S", "-", *fold)
        return [line.rstrip() for line in now.splitlines() if line.strip()]

    def screens(self) -> Iterator[list[str]]:
        """Yield what is on the screen again and again, until the command has ended."""
        latest = time.monotonic() + PATIENCE
        while time.monotonic() < latest:
            lines = self.screen(joined=True)
            if any(line.startswith("exit code") for line in lines):
                return
            yield lines
        raise AssertionError("\n".join(["the command does not end:", *self.screen()]))

    def until(self, pattern: str) -> list[str]:
        """Return the first screen with a line that the pattern matches."""
        latest = time.monotonic() + PATIENCE
        while time.monotonic() < latest:
            lines = self.screen()
            if any(re.search(pattern, line) for line in lines):
                return lines
        raise AssertionError("\n".join([f"never on the screen: {pattern}", *self.screen()]))

    def press(self, key: str) -> None:
        self.tmux("send-keys", key)

    def resize(self, width: int, height: int) -> None:
        self.tmux("resize-window", "-x", str(width), "-y", str(height))
