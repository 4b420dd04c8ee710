"""What `acmez obtain` shows while it works."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from acmez import events
from acmez.acme.problem import Problem
from acmez.acme.session import Exchange
from acmez.certificate import Certificate
from acmez.hookspecs import hookimpl
from acmez.spec import CertificateSpec

from .failing import not_before, report


class Display(Protocol):
    """Shows the progress of certificates that are obtained side by side."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def see(self, event: events.Event) -> None:
        """Take an event, in whatever thread it happens."""
        ...

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        """Tell that a certificate was written."""
        ...

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        """Tell that a certificate was not obtained, and why."""
        ...


def display(*, quiet: bool, as_json: bool) -> Display:
    """Return what fits the options and the terminal."""
    if quiet:
        return Quiet()
    if as_json:
        return JsonLines()
    console = Console(stderr=True)
    return LiveTable(console) if console.is_terminal else Lines()


@dataclass(frozen=True, eq=False)
class Observer:
    """Hands the events of a client to a display."""

    display: Display

    @hookimpl
    def acmez_event(self, event: events.Event) -> None:
        self.display.see(event)


class Quiet:
    """Shows nothing but errors."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def see(self, event: events.Event) -> None:
        if isinstance(event, events.ChallengeCleanedUp) and event.error is not None:
            click.echo(f"{event.identifier}: could not be cleaned up: {event.error}", err=True)

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None: ...

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        report(error, label(spec))


class JsonLines(Quiet):
    """Prints every event as a line of JSON, for programs."""

    def see(self, event: events.Event) -> None:
        members = {field.name: getattr(event, field.name) for field in fields(event) if field.name != "at"}
        self._print(event.name, members)

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        leaf = certificate.leaf
        until = leaf.not_valid_after_utc.isoformat()
        members = {
            "names": spec.names,
            "directory": str(directory),
            "serial": f"{leaf.serial_number:x}",
            "until": until,
        }
        self._print("certificate-written", members)

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        later = not_before(error)
        when = None if later is None else later.isoformat()
        self._print("certificate-failed", {"names": spec.names, "error": str(error), "not_before": when})

    @staticmethod
    def _print(name: str, members: Mapping[str, object]) -> None:
        line = {"event": name, "time": datetime.now(UTC).isoformat(), **members}
        sys.stdout.write(json.dumps(line, default=_plain) + "\n")
        sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, Problem):
        return {"type": value.type, "detail": value.detail}
    if isinstance(value, Exchange):
        return asdict(value)
    return str(value)


class Lines(Quiet):
    """Prints a line whenever the state of a name changes, for logs."""

    def see(self, event: events.Event) -> None:
        told = state(event)
        if told is not None:
            subject, text, _ = told
            click.echo(f"{subject}: {text}", err=True)

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        click.echo(written(certificate, directory))


class LiveTable(Quiet):
    """Shows the state of every name in a table that changes in place."""

    def __init__(self, console: Console) -> None:
        self._lock = threading.Lock()
        self._console = console
        self._spinner = Spinner("dots")
        self._states: dict[str, tuple[str, str]] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._table)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def see(self, event: events.Event) -> None:
        told = state(event)
        with self._lock:
            if isinstance(event, events.OrderCreated):
                self._states.update(dict.fromkeys(event.names, ("ordered", "dim")))
            elif told is not None:
                subject, text, style = told
                self._states[subject] = (text, style)

    def wrote(self, spec: CertificateSpec, certificate: Certificate, directory: Path) -> None:
        self._forget(spec)
        self._console.print(Text(written(certificate, directory), style="green"), soft_wrap=True)

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        self._forget(spec)
        report(error, label(spec))

    def _forget(self, spec: CertificateSpec) -> None:
        with self._lock:
            for name in spec.names:
                self._states.pop(name, None)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for name, (text, style) in self._states.items():
                done = style in {"green", "red"}
                table.add_row(Text("•", style=style) if done else self._spinner, Text(name), Text(text, style=style))
        return table


def label(spec: CertificateSpec) -> str:
    """Return what to call a certificate that is not there yet."""
    if not spec.names:
        return f"certificate for {spec.directory}"
    return spec.names[0] if len(spec.names) == 1 else f"{spec.names[0]} and {len(spec.names) - 1} more"


def written(certificate: Certificate, directory: Path) -> str:
    """Say where a certificate is and until when it is valid."""
    return f"{directory}: valid until {certificate.leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"


def state(event: events.Event) -> tuple[str, str, str] | None:
    """Return the subject of an event, its state in words, and a colour; `None`: not worth a line."""
    match event:
        case events.AuthorizationFetched(identifier=name, status="valid"):
            return name, "proved before", "green"
        case events.AuthorizationFetched(identifier=name, challenge_types=types):
            return name, f"the CA offers {', '.join(types)}", "dim"
        case events.ChallengePresented(identifier=name, challenge_type=kind, solver=solver):
            return name, f"{kind} presented by {solver}", "yellow"
        case events.ChallengeWaited(identifier=name, challenge_type=kind):
            return name, f"{kind} can be seen", "yellow"
        case events.ChallengeAnswered(identifier=name, challenge_type=kind):
            return name, f"the CA looks at {kind}", "cyan"
        case events.ChallengeCleanedUp(identifier=name, error=error) if error is not None:
            return name, f"could not be cleaned up: {error}", "red"
        case events.AuthorizationValid(identifier=name):
            return name, "proved", "green"
        case events.AuthorizationFailed(identifier=name, step=step, reason=reason):
            return name, f"failed to {step}: {reason}", "red"
        case _:
            return None
