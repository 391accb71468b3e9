"""Spans and metrics by OpenTelemetry's SDK; imported only where telemetry is on.

Providers belong to this exporter rather than to the process, so two applications in a process do not mix.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stocky import __version__
from stocky.metrics import SECONDS, Metrics

_TRACE_HEADERS = (b"traceparent", b"tracestate")


class Exporter:
    """Sends to the collector at `endpoint`; OpenTelemetry's own variables (OTEL_…) apply to all else."""

    def __init__(self, endpoint: str, metrics: Metrics) -> None:
        resource = Resource.create({"service.name": "stocky", "service.version": __version__})
        self._spans = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(self._spans)
        self._tracer = self._tracers.get_tracer("stocky", __version__)
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics"))
        self._meters = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
        self._propagator = TraceContextTextMapPropagator()
        meter = self._meters.get_meter("stocky", __version__)
        self._durations = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Time to the end of a response",
            explicit_bucket_boundaries_advisory=list(SECONDS),
        )
        counters = {name for name, _, _ in metrics.counters}
        for name, meaning, read in metrics.counters:
            meter.create_observable_counter(name, [_observe(read)], description=meaning)
        for name, meaning, read in metrics.values:
            # A counter is registered as a gauge too, for older dashboards of Prometheus.
            if name not in counters:
                meter.create_observable_gauge(name, [_observe(read)], description=meaning)
        for name, meaning, label, read_all in metrics.labelled:
            meter.create_observable_gauge(name, [_observe_all(label, read_all)], description=meaning)

    def request(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
    ) -> None:
        """Records a request that has just ended."""
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        self._durations.record(seconds, attributes)
        carrier = {name.decode(): value.decode("latin-1") for name, value in headers if name in _TRACE_HEADERS}
        ended = time.time_ns()
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._propagator.extract(carrier) if carrier else None,
            kind=SpanKind.SERVER,
            attributes={**attributes, "stocky.request_id": request_id},
            start_time=ended - int(seconds * 1e9),
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def batch(self, postings: int, operations: int, seconds: float) -> None:
        """Records a committed batch."""
        ended = time.time_ns()
        self._tracer.start_span(
            "record batch",
            attributes={"stocky.postings": postings, "stocky.operations": operations},
            start_time=ended - int(seconds * 1e9),
        ).end(ended)

    def close(self) -> None:
        """Sends what is left; blocks for as long as the collector takes, whatever time OpenTelemetry is given."""
        self._spans.force_flush()
        self._tracers.shutdown()
        self._meters.shutdown()


def _observe(read: Callable[[], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(read())]


def _observe_all(
    label: str, read: Callable[[], Mapping[str, float]]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(value, {label: name}) for name, value in read().items()]
