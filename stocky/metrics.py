"""The metrics of one application: counts of requests, and functions that read other values."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping

# Each bucket is a series for every route.
SECONDS = (0.005, 0.025, 0.1, 0.5, 2.5)


class Metrics:
    """The metrics of one application, which `monitoring.metrics_page` shows.

    Requests are counted on the event loop only, so without the locks of Prometheus's library, which showed in the
    profile of scanning.
    """

    def __init__(self) -> None:
        # Requests by method, route and status.
        self.answered: dict[tuple[str, str, int], int] = defaultdict(int)
        self.durations: dict[tuple[str, str], Durations] = defaultdict(Durations)
        self.values: list[tuple[str, str, Callable[[], float]]] = []
        self.counters: list[tuple[str, str, Callable[[], float]]] = []
        self.labelled: list[tuple[str, str, str, Callable[[], Mapping[str, float]]]] = []

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request. `route` is the template, never the path: the number of paths is unbounded."""
        self.answered[method, route, status] += 1
        durations = self.durations[method, route]
        durations.buckets[bisect_left(SECONDS, seconds)] += 1
        durations.seconds += seconds

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Registers a value that is read for each request of the page."""
        self.values.append((name, meaning, read))

    def counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Registers a count that only grows, as `name` with `_total`; by `name` alone for older dashboards."""
        self.counters.append((name, meaning, read))
        self.gauge(name, f"As {name}_total, which replaces it", read)

    def gauges(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Registers values by label, read for each request of the page."""
        self.labelled.append((name, meaning, label, read))


class Durations:
    """Requests in each bucket of duration, the last one above all limits, and the sum of their seconds."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0
