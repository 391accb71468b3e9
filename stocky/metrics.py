"""Prometheus metrics; one registry per application, so that two in a process do not mix."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one application; `text` is the page."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Memory, processor time and open files of this process, under the standard names.
        ProcessCollector(registry=self._registry)
        self._requests = _Requests()
        self._registry.register(self._requests)
        # Counts a request: its method, route, status and seconds. `route` is the template, never the path: the number
        # of paths is unbounded.
        self.request = self._requests.add

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Registers a value that is read for each request of the page."""
        Gauge(name, meaning, registry=self._registry).set_function(read)

    def gauges(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Registers values by label, read for each request of the page."""
        self._registry.register(_Labelled(name, meaning, label, read))

    def text(self) -> bytes:
        """The page in Prometheus's text format."""
        return generate_latest(self._registry)


class _Durations:
    """Requests in each bucket of duration, the last one above all limits, and the sum of their seconds."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(_SECONDS) + 1)
        self.seconds = 0.0


class _Requests(Collector):
    """Requests by method, route and status.

    They are counted on the event loop only, so without the library's locks, which showed in the profile of scanning.
    """

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = defaultdict(int)
        self._durations: dict[tuple[str, str], _Durations] = defaultdict(_Durations)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        self._answered[method, route, status] += 1
        durations = self._durations[method, route]
        durations.buckets[bisect_left(_SECONDS, seconds)] += 1
        durations.seconds += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        answered = CounterMetricFamily(
            "stocky_http_requests", "Requests answered", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self._answered.items()):
            answered.add_metric([method, route, str(status)], count)
        yield answered
        seconds = HistogramMetricFamily(
            "stocky_http_request_seconds", "Time to the end of a response", labels=["method", "route"]
        )
        limits = [*(str(float(limit)) for limit in _SECONDS), "+Inf"]
        for labels, durations in list(self._durations.items()):
            buckets = list(zip(limits, accumulate(durations.buckets), strict=True))
            seconds.add_metric(labels, buckets, durations.seconds)
        yield seconds


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
