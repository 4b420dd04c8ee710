"""How a command fails: what it prints, what it returns, and how it is interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from acmez.acme.authorities import recognise
from acmez.acme.errors import AcmeError, Cancelled, InputError
from acmez.acme.scope import CancelScope
from acmez.errors import ChallengesFailed, ConfigError, PluginError

from .advice import hints, not_before

#: What is told in words; anything else is a bug, and shows its traceback.
EXPECTED = (AcmeError, OSError)

FAILED = 1
WRONG_USE = 2
TRY_LATER = os.EX_TEMPFAIL  # 75, as cron jobs and mail servers know it


class Interrupted(Cancelled):
    """A signal ended the command, in good order."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


def exit_code(error: Exception) -> int:
    """Return what the command returns for an error."""
    match error:
        case Interrupted():
            return 128 + error.number
        case ConfigError() | PluginError() | InputError():
            return WRONG_USE
        case _ if not_before(error) is not None:
            return TRY_LATER
        case _:
            return FAILED


def report(error: Exception, subject: str = "") -> None:
    """Print an error to standard error, a line for each thing that is wrong, and what to do about it."""
    color = False if os.environ.get("NO_COLOR") else None
    named = str(error).startswith(subject) or isinstance(error, ChallengesFailed)  # whose lines begin with names
    prefix = "" if named else f"{subject}: "
    for line in str(error).splitlines():
        mark = "" if line.startswith(" ") else f"{click.style('error:', fg='red', bold=True)} {prefix}"
        click.echo(f"{mark}{line}", err=True, color=color)
    if isinstance(error, ChallengesFailed) and not str(error).startswith(f"{subject}:"):
        click.echo(f"  no certificate for {subject}", err=True)
    for note in hints(error):
        click.echo(f"  {note}", err=True)
    if isinstance(error, AcmeError) and not isinstance(error, Interrupted):
        click.echo(f"  more: acmez explain {error.page}", err=True)


def eab_hint(directory: str) -> str | None:
    """Return what to know about a CA that binds accounts to its customers, `None` if it does not."""
    known = recognise(directory)
    if known is None or not known.external_account:
        return None
    return f"{known.title} binds new accounts to its customers: set account.eab to what you get at {known.eab_hint}"


@contextmanager
def interruptible(stopping: Callable[[], None] = lambda: None) -> Iterator[CancelScope]:
    """Give a scope that SIGINT and SIGTERM cancel, so that the command cleans up; a second one ends it at once.

    Args:
        stopping: is called before the scope is cancelled.

    Raises:
        Interrupted: a signal came.
    """
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        stopping()
        for each in before:
            signal.signal(each, _end_at_once)
        # Not from here: the thread that was interrupted may hold the very locks that cancelling takes.
        threading.Thread(target=scope.cancel, name="acmez-cancel").start()

    with CancelScope() as scope:
        before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield scope
        except Cancelled as exc:
            if received:
                raise Interrupted(received[0]) from exc
            raise
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _end_at_once(number: int, _: FrameType | None) -> None:
    """End the process, whatever its threads still wait for; the journal, if there is one, knows what is left."""
    show_cursor = b"\x1b[?25h" if os.isatty(2) else b""
    os.write(2, show_cursor + b"\nended at once: answers may be left behind\n")
    os._exit(128 + number)
