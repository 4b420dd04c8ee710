"""Web roots on other machines: a command of the user's copies each challenge file there, another one removes it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from acmez.acme.wire import printable
from acmez.protocols import CancelScope

from .errors import WebrootError

WORDS = ("node", "file", "path", "token", "domain")

_WORD = re.compile(r"\{(\w*)\}")
_SLICE = 0.02  # seconds between two looks at the scope
_FAREWELL = 0.2  # seconds between asking a command to end and ending it
_TOLD = 500  # characters of what a command wrote


@dataclass(frozen=True)
class Remote:
    """Commands that put challenge files on other machines; no shell reads them.

    In every argument {node}, {domain}, {token}, {path} (.well-known/acme-challenge/<token>) and {file} (a local file
    with the contents, which the command also gets as its input) are replaced.

    Attributes:
        copy: makes the file there; its first word is the program.
        remove: removes it, and succeeds if it is not there.
        nodes: each gets its own call, all at once; without any, there is one call.
        timeout: seconds after which a command is killed.

    Raises:
        ValueError: a command is empty, or has a word in braces that is not known.
    """

    copy: list[str]
    remove: list[str]
    nodes: list[str] = field(default_factory=list)
    timeout: float = 60.0

    def __post_init__(self) -> None:
        for name, command in (("copy", self.copy), ("remove", self.remove)):
            if not command or not command[0]:
                raise ValueError(f"{name}: expected a program and its arguments")
            for word in (found for argument in command for found in _WORD.findall(argument)):
                if word not in WORDS:
                    raise ValueError(f"{name}: {{{word}}} is none of {{{'}, {'.join(WORDS)}}}")
                if word == "node" and not self.nodes:
                    raise ValueError(f"{name}: {{node}} stands for one of 'nodes', which is empty")
        if not 0 < self.timeout <= 86400:
            raise ValueError(f"timeout: {self.timeout:g} is not between 0 and 86400 s")

    def put(self, path: str, domain: str, content: bytes, scope: CancelScope) -> None:
        """Run `copy` for every node.

        Raises:
            WebrootError: it failed for some; says for which, and what it wrote.
            Cancelled: *scope* ended, and the commands were killed.
        """
        with tempfile.NamedTemporaryFile(prefix="acmez-") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # for programs that keep the mode
            self._run(self.copy, path, domain, file.name, scope)

    def take_away(self, path: str, domain: str, scope: CancelScope) -> None:
        """Run `remove` for every node; raises like `put`."""
        self._run(self.remove, path, domain, os.devnull, scope)

    def _run(self, template: Sequence[str], path: str, domain: str, file: str, scope: CancelScope) -> None:
        scope.check()
        values = {"path": path, "token": Path(path).name, "domain": domain, "file": file}
        commands = [_filled(template, {**values, "node": node}) for node in self.nodes or [""]]

        def run(command: Sequence[str]) -> str | None:
            return _failure(command, file, self.timeout, scope)

        with ThreadPoolExecutor(len(commands), "acmez-webroot") as pool:
            failures = [*pool.map(run, commands)]
        scope.check()
        told = [
            f"{node or template[0]}: {failure}".replace(values["token"], "***")
            for node, failure in zip(self.nodes or [""], failures, strict=True)
            if failure is not None
        ]
        if told:
            raise WebrootError("\n".join(told))


def _filled(template: Sequence[str], values: Mapping[str, str]) -> list[str]:
    command = [_WORD.sub(lambda found: values[found[1]], argument) for argument in template]
    for argument, was in zip(command, template, strict=True):
        if argument.startswith("-") and not was.startswith("-"):  # a token may begin so
            raise WebrootError(f"{template[0]}: {was!r} would become an option (put a directory in front)")
    return command


def _failure(command: Sequence[str], file: str, timeout: float, scope: CancelScope) -> str | None:
    """Run a command, and return what is wrong with it, if anything is; killed with *scope*, it did what it could."""
    with Path(file).open("rb") as content, tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command, stdin=content, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return f"{command[0]!r} cannot be started: {reason}"
        if not _ends(process, timeout, lambda: scope.cancelled or scope.remaining() == 0.0):
            return f"{command[0]!r} did not end within {timeout:g} s, and was killed"
        if process.returncode:
            return f"{command[0]!r} ended with status {process.returncode}{_said(output)}"
    return None


def _ends(process: subprocess.Popen[bytes], timeout: float, cancelled: Callable[[], bool]) -> bool:
    """Wait until the process ends by itself; if it does not, end it with all that it started."""
    gives_up = time.monotonic() + timeout
    try:
        while time.monotonic() < gives_up and not cancelled():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SLICE)
                return True
        return False
    finally:
        if process.returncode is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_FAREWELL)


def _said(output: IO[bytes]) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _TOLD))
    text = output.read().decode("utf-8", "replace").strip()
    return f": {printable(text, _TOLD)}" if text else ""
