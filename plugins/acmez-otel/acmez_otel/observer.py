"""Takes the events of clients, and makes spans and metrics of them."""

from __future__ import annotations

import threading
from importlib.metadata import version

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from acmez import Client
from acmez.events import Event
from acmez.hookspecs import hookimpl
from acmez_otel.measuring import Measuring
from acmez_otel.tracing import Tracing

_NAME = "acmez"


class Observer:
    """Makes spans and metrics of the events of one client or several; safe for many threads.

    Give it to `Client.watch`, to `Client(on_event=...)` or to `PluginManager.register`.

    Args:
        tracer_provider, meter_provider: where they go; `None`: to the process's own, whenever those are set.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        ours = version("acmez-otel")
        self._lock = threading.Lock()
        self._tracing = Tracing(trace.get_tracer(_NAME, ours, tracer_provider))
        self._measuring = Measuring(metrics.get_meter(_NAME, ours, meter_provider))

    def __call__(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            self._measuring.see(event)
            self._tracing.see(event)

    @hookimpl
    def acmez_event(self, event: Event) -> None:
        self(event)


def instrument(
    client: Client, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Observer:
    """Tell OpenTelemetry from now on what *client* does; of an `acmez.aio.Client` give `client.sync`.

    Args:
        tracer_provider, meter_provider: where it goes; `None`: to the process's own, whenever those are set.
    """
    observer = Observer(tracer_provider=tracer_provider, meter_provider=meter_provider)
    client.watch(observer)
    return observer
