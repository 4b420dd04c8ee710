from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.solvers import Lab, laboratory


@dataclass
class Telemetry:
    """A real SDK that keeps what it gets."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self.traces = TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    @property
    def providers(self) -> dict[str, Any]:
        return {"tracer_provider": self.traces, "meter_provider": self.meters}

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def parent(self, span: ReadableSpan) -> ReadableSpan | None:
        if span.parent is None:
            return None
        wanted = span.parent.span_id
        return next(each for each in self.spans if each.context is not None and each.context.span_id == wanted)

    def path(self, span: ReadableSpan) -> str:
        """Return the names of the spans from the root to *span*."""
        above = self.parent(span)
        return span.name if above is None else f"{self.path(above)} > {span.name}"

    def points(self, metric: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in ([] if data is None else data.resource_metrics)
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == metric
            for point in each.data.data_points
        ]

    def counts(self, metric: str, *by: str) -> dict[tuple[object, ...], int]:
        """Return how often what was counted, or measured, by some of its attributes."""
        found: dict[tuple[object, ...], int] = {}
        for point in self.points(metric):
            key = tuple(point.attributes.get(name) for name in by)
            found[key] = found.get(key, 0) + (point.value if hasattr(point, "value") else point.count)
        return found


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.traces.shutdown()
    telemetry.meters.shutdown()


@pytest.fixture
def lab() -> Iterator[Lab]:
    with laboratory() as lab:
        yield lab
