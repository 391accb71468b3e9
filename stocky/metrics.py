"""Prometheus metrics; one registry per application, so that two in a process do not mix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one application; `text` is the page."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Memory, processor time and open files of this process, under the standard names.
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "stocky_http_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "stocky_http_request_seconds",
            "Time to the end of a response",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        # Cached, since looking up a labelled child costs more than incrementing it.
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._seconds_children: dict[tuple[str, str], Histogram] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request. `route` is the template, never the path: the number of paths is unbounded."""
        counter = self._request_children.get((method, route, status))
        if counter is None:
            counter = self._requests.labels(method, route, str(status))
            self._request_children[method, route, status] = counter
        counter.inc()
        histogram = self._seconds_children.get((method, route))
        if histogram is None:
            histogram = self._seconds_children[method, route] = self._seconds.labels(method, route)
        histogram.observe(seconds)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Registers a value that is read for each request of the page."""
        Gauge(name, meaning, registry=self._registry).set_function(read)

    def gauges(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Registers values by label, read for each request of the page."""
        self._registry.register(_Labelled(name, meaning, label, read))

    def text(self) -> bytes:
        """The page in Prometheus's text format."""
        return generate_latest(self._registry)


class _Labelled(Collector):
    def __init__(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._name = name
        self._meaning = meaning
        self._label = label
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=[self._label])
        for value, figure in self._read().items():
            family.add_metric([value], figure)
        yield family
