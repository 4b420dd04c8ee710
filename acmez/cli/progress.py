"""What `acmez obtain` shows while it works."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import click

from acmez import events
from acmez.acme.errors import InputError
from acmez.certificate import Certificate
from acmez.hookspecs import hookimpl
from acmez.renewing import Due
from acmez.spec import CertificateSpec

from .board import duration, names_of, news
from .failing import report
from .tally import Tally


class Display(Protocol):
    """Shows the progress of certificates that are obtained side by side."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, spec: CertificateSpec) -> None:
        """Count on one more certificate."""
        ...

    def not_due(self, spec: CertificateSpec, found: Due) -> None:
        """Tell that a certificate need not be renewed yet."""
        ...

    def see(self, event: events.Event) -> None:
        """Take an event, in whatever thread it happens."""
        ...

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        """Tell that a certificate was written."""
        ...

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        """Tell that a certificate was not obtained, and why."""
        ...

    def stopping(self) -> None:
        """Tell that the command was interrupted, and is about to end."""
        ...

    def finished(self, tally: Tally, error: Exception | None) -> None:
        """Sum up; *error* ended the command before its time, and is told elsewhere."""
        ...


def display(*, quiet: bool, as_json: bool) -> Display:
    """Return what fits the options and the terminal."""
    if quiet:
        return Quiet()
    if as_json:
        from .json_lines import JsonLines

        return JsonLines()
    if sys.stderr.isatty() and not _logging():
        from rich.console import Console

        console = Console(stderr=True)
        if not console.is_dumb_terminal:
            from .live import LiveBoard

            return LiveBoard(console)
    return Lines()


def _logging() -> bool:
    """Whether `--verbose` writes to the terminal, too."""
    import logging

    return logging.getLogger("acmez").isEnabledFor(logging.DEBUG)


@dataclass(frozen=True, eq=False)
class Observer:
    """Hands the events of a client to a display, and counts them."""

    display: Display
    tally: Tally

    @hookimpl
    def acmez_event(self, event: events.Event) -> None:
        self.tally.see(event)
        self.display.see(event)


class Quiet:
    """Shows nothing but errors."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, spec: CertificateSpec) -> None: ...

    def not_due(self, spec: CertificateSpec, found: Due) -> None: ...

    def see(self, event: events.Event) -> None:
        if isinstance(event, events.ChallengeCleanedUp) and event.error is not None:
            click.echo(f"{event.identifier}: could not be cleaned up: {event.error}", err=True)

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None: ...

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        report(error, label(spec))

    def stopping(self) -> None: ...

    def finished(self, tally: Tally, error: Exception | None) -> None: ...


class Lines(Quiet):
    """Prints a line whenever the state of a name changes, for logs."""

    def see(self, event: events.Event) -> None:
        super().see(event)
        told = news(event)
        if told is not None:
            click.echo(f"{told.name}: {told.text}", err=True)

    def not_due(self, spec: CertificateSpec, found: Due) -> None:
        click.echo(f"{label(spec)}: not due before {found.not_before:%Y-%m-%d} ({found.why})")

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        click.echo(f"{directory}: valid until {certificate.leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")

    def finished(self, tally: Tally, error: Exception | None) -> None:
        if error is None and tally.written + tally.failed:
            click.echo(summary(tally), err=True)


def summary(tally: Tally) -> str:
    """Say what became of the certificates."""
    certificates = "certificate" if tally.written == 1 else "certificates"
    failed = f", {tally.failed} failed" if tally.failed else ""
    return f"{tally.written} {certificates} obtained{failed}, in {duration(tally.seconds)}"


def known_names(spec: CertificateSpec) -> tuple[str, ...]:
    """Return the names of a certificate as events have them, and none if it is not known what it is for."""
    try:
        return names_of(spec)
    except InputError:
        return ()


def label(spec: CertificateSpec) -> str:
    """Return what to call a certificate that is not there yet."""
    if not spec.names:
        return f"certificate for {spec.directory}"
    return spec.names[0] if len(spec.names) == 1 else f"{spec.names[0]} and {len(spec.names) - 1} more"
