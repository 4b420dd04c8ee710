"""One program in a process group of its own: it may hang, say too much, or leave something running."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from acmez.acme.scope import CancelScope
from acmez.errors import AcmezError

_SLICE = 0.02  # seconds between two looks at the scope
_AFTERWARDS = 0.2  # seconds for which output is awaited of what the program left running
_FAREWELL = 0.05  # seconds between asking it to end and ending it
_KEPT = 64 * 1024  # bytes of each output


class ProgramError(AcmezError):
    """The program could not be started, did not succeed, or took too long; the message starts with its path."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the program ended.

    Attributes:
        status: 0 if it succeeded, below 0 if a signal ended it.
        output, errors: what it wrote, the last 64 KiB of each.
    """

    status: int
    output: str
    errors: str


def run(command: Sequence[str], environment: Mapping[str, str], timeout: float, scope: CancelScope) -> Outcome:
    """Run a program until it ends, with nothing to read.

    Raises:
        ProgramError: it cannot be started, or did not end in time and was killed.
        Cancelled: *scope* ended, and it was killed.
    """
    scope.check()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ProgramError(f"{command[0]}: {_reason(error)}") from error
    with process:
        try:
            return _attend(process, command[0], timeout, scope)
        except BaseException:
            _end(process)
            raise


def _attend(process: subprocess.Popen[bytes], path: str, timeout: float, scope: CancelScope) -> Outcome:
    gives_up = time.monotonic() + timeout
    ended: float | None = None
    with selectors.DefaultSelector() as selector:
        kept = {stream: bytearray() for stream in (process.stdout, process.stderr) if stream is not None}
        for stream in kept:
            selector.register(stream, selectors.EVENT_READ)
        while True:
            if selector.get_map():
                _read(selector, kept)
            else:  # it closed its outputs, and may still run
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_SLICE)
            now = time.monotonic()
            if ended is None and process.poll() is not None:
                ended = now
            if ended is not None and (not selector.get_map() or now - ended > _AFTERWARDS):
                output, errors = (bytes(each).decode("utf-8", "replace") for each in kept.values())
                return Outcome(process.returncode, output, errors)
            if ended is None and now > gives_up:
                raise ProgramError(f"{path}: did not end within {timeout:g} s, and was killed")
            if ended is None:
                scope.check()


def _read(selector: selectors.BaseSelector, kept: Mapping[IO[bytes], bytearray]) -> None:
    """Wait a moment, and take what there is to read; of too much, the end is kept."""
    for key, _ in selector.select(_SLICE):
        stream = key.fileobj
        piece = os.read(key.fd, 65536)
        if not piece:
            selector.unregister(stream)
        else:
            buffer = kept[stream]  # type: ignore[index]  # one of those that were registered
            buffer += piece
            del buffer[:-_KEPT]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program with all that it started: politely, and then for certain."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_FAREWELL)


def _reason(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        return "no such program, or none that its first line names"
    if number == errno.EACCES:
        return "permission denied (chmod +x?)"
    if number == errno.ENOEXEC:
        return "is no program (is the first line '#!/bin/sh' missing?)"
    if number == errno.E2BIG:
        return "its arguments and environment are too long"
    return str(error)
