"""The page of metrics in Prometheus's text format; imported for the first page, since its library is large."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from stocky import __version__
from stocky.metrics import SECONDS, Metrics
from stocky.monitoring.figures import StockFigures

_JOBS = (
    ("stocky_jobs_queued", "Jobs that wait, by kind", "queued"),
    ("stocky_jobs_running", "Jobs that run, by kind", "running"),
    ("stocky_jobs_failed_by_kind", "Jobs that failed, are still listed and were not dismissed, by kind", "failed"),
)


def render(metrics: Metrics, dialect: str, figures: StockFigures | None) -> bytes:
    """The page, without `figures` where there are none.

    One registry for each, so that two applications in a process do not mix.
    """
    registry = CollectorRegistry()
    # Memory, processor time and open files of this process, under the standard names.
    ProcessCollector(registry=registry)
    registry.register(_Page(metrics, dialect, figures))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, metrics: Metrics, dialect: str, figures: StockFigures | None) -> None:
        self._metrics = metrics
        self._dialect = dialect
        self._figures = figures

    def describe(self) -> list[GaugeMetricFamily]:
        """None, so that registering reads no values."""
        return []

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily | GaugeMetricFamily]:
        build = GaugeMetricFamily(
            "stocky_build_info", "Always 1; the labels say what runs", labels=["version", "python", "database"]
        )
        build.add_metric([__version__, platform.python_version(), self._dialect], 1)
        yield build
        answered = CounterMetricFamily(
            "stocky_http_requests", "Requests answered", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self._metrics.answered.items()):
            answered.add_metric([method, route, str(status)], count)
        yield answered
        seconds = HistogramMetricFamily(
            "stocky_http_request_seconds", "Time to the end of a response", labels=["method", "route"]
        )
        limits = [*(str(float(limit)) for limit in SECONDS), "+Inf"]
        for labels, durations in list(self._metrics.durations.items()):
            buckets = list(zip(limits, accumulate(durations.buckets), strict=True))
            seconds.add_metric(labels, buckets, durations.seconds)
        yield seconds
        for name, meaning, read in self._metrics.counters:
            yield CounterMetricFamily(name, meaning, value=read())
        for name, meaning, read in self._metrics.values:
            yield GaugeMetricFamily(name, meaning, value=read())
        for name, meaning, label, read_all in self._metrics.labelled:
            family = GaugeMetricFamily(name, meaning, labels=[label])
            for value, figure in read_all().items():
                family.add_metric([value], figure)
            yield family
        if self._figures is not None:
            yield from _describe(self._figures)


def _describe(figures: StockFigures) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily("stocky_items", "Items in use", value=figures.items)
    yield GaugeMetricFamily("stocky_items_low", "Items at or below their minimum quantity", value=figures.low_stock)
    alerts = GaugeMetricFamily("stocky_alerts_active", "Active alerts", labels=["type"])
    for kind, count in sorted(figures.alerts.items()):
        alerts.add_metric([kind], count)
    yield alerts
    failed = "Jobs that failed, are still listed and were not dismissed"
    yield GaugeMetricFamily("stocky_jobs_failed", failed, value=figures.failed_jobs)
    for name, meaning, status in _JOBS:
        jobs = GaugeMetricFamily(name, meaning, labels=["kind"])
        for kind, count in sorted(figures.jobs[status].items()):
            jobs.add_metric([kind], count)
        yield jobs
    yield GaugeMetricFamily(
        "stocky_jobs_waiting_seconds", "How long the job that waits longest has been due", value=figures.waiting_seconds
    )
    yield GaugeMetricFamily(
        "stocky_notice_channels_failing",
        "Active channels of notices whose last attempt failed",
        value=figures.failing_channels,
    )
    yield GaugeMetricFamily(
        "stocky_assistance_requests_today", "Requests to the model today, in UTC", value=figures.assistance.requests
    )
    yield GaugeMetricFamily(
        "stocky_assistance_tokens_today", "Tokens of the requests to the model today", value=figures.assistance.tokens
    )
    yield GaugeMetricFamily("stocky_database_size_bytes", "The size of the database", value=figures.database_bytes)
