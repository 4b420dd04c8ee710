"""Tells OpenTelemetry of every issuance: `plugins = ["otel"]` in a configuration, or `instrument(client)` in code."""

from __future__ import annotations

from acmez.events import Event
from acmez.hookspecs import hookimpl
from acmez_otel.observer import Observer, instrument

__all__ = ["Observer", "acmez_event", "instrument"]

#: For the process's own providers, whenever those are set.
_observer = Observer()


@hookimpl
def acmez_event(event: Event) -> None:
    """Make spans and metrics of an event."""
    _observer(event)
