"""A server program in a child process: its log, its start and its certain end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

START_DEADLINE = 30.0
STOP_DEADLINE = 3.0
LOST_PORT = "address already in use"


class StartError(Exception):
    """A server did not come up; the message ends with the last lines of its log."""


class LostPortError(StartError):
    """Somebody else listens on the port that the server was to have."""


class ServerProcess:
    """One running program whose output goes to a file."""

    def __init__(self, command: list[str], log: Path, environ: Mapping[str, str], directory: Path) -> None:
        """Start `command` in `directory` with exactly the environment `environ`."""
        self.name = Path(command[0]).name
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=directory,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_until(self, answers: Callable[[], object]) -> None:
        """Call `answers` until it raises no OSError, or raise `StartError` at its end or after 30 s."""
        deadline = time.monotonic() + START_DEADLINE
        while True:
            self._fail_on_lost_port()
            try:
                answers()
            except OSError as error:
                if self._ended_within(0.02):
                    self._fail_on_lost_port()
                    raise StartError(self._describe(f"ended with status {self._process.returncode}")) from error
                if time.monotonic() > deadline:
                    raise StartError(self._describe(f"does not answer ({error})")) from error
            else:
                self._fail_on_lost_port()
                return

    def log_tail(self, lines: int = 30) -> str:
        """Return the last `lines` lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End the program, by force if it does not go when asked."""
        self._process.terminate()
        if not self._ended_within(STOP_DEADLINE):
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _fail_on_lost_port(self) -> None:
        # pebble-challtestsrv only logs a port that it could not get, and goes on without it.
        if LOST_PORT in self.log.read_text(errors="replace"):
            raise LostPortError(self._describe("lost its port"))

    def _describe(self, what: str) -> str:
        return f"{self.name} {what}; its log ends with:\n{self.log_tail()}"
