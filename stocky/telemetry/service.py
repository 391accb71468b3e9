"""Telemetry of one process: on with an endpoint and the extra `telemetry`; while it is off, nothing of it is imported.

It never delays a request: spans and metrics are sent by threads, and dropped when the collector does not take them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from stocky.metrics import Metrics

if TYPE_CHECKING:
    from stocky.telemetry.export import Exporter

# For the last export at the end of the process, which has ten seconds in all.
CLOSE_SECONDS = 3.0
NEEDS_SDK = (
    "Telemetry is off although STOCKY_OTLP_ENDPOINT is set: it needs OpenTelemetry, which is not installed; run"
    " pip install '.[telemetry]'"
)

_log = logging.getLogger(__name__)


class Telemetry:
    """What is exported; `exporter` is None before the start, and where OpenTelemetry is not installed."""

    def __init__(self, endpoint: str, metrics: Metrics) -> None:
        self._endpoint = endpoint
        self._metrics = metrics
        self.exporter: Exporter | None = None

    async def start(self) -> None:
        """Starts exporting, or logs what is missing."""
        try:
            # In a thread, since the import takes tenths of a second.
            self.exporter = await asyncio.to_thread(_make_exporter, self._endpoint, self._metrics)
        except ModuleNotFoundError:
            _log.warning("%s", NEEDS_SDK)

    async def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        if self.exporter is not None:
            exporter, self.exporter = self.exporter, None
            loop, closed = asyncio.get_running_loop(), asyncio.Event()

            def close() -> None:
                try:
                    exporter.close()
                finally:
                    # The loop has ended where that took longer.
                    with suppress(RuntimeError):
                        loop.call_soon_threadsafe(closed.set)

            # Flushing takes as long as the collector does, and the end of the process waits for other kinds of threads.
            threading.Thread(target=close, name="telemetry", daemon=True).start()
            try:
                await asyncio.wait_for(closed.wait(), CLOSE_SECONDS)
            except TimeoutError:
                _log.warning("The last spans and metrics are lost: the collector did not take them in time")

    def request(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
    ) -> None:
        """Records a request that has just ended, as a part of the trace that its headers name."""
        if self.exporter is not None:
            self.exporter.request(headers, method, route, status, seconds, request_id)

    def batch(self, postings: int, operations: int, seconds: float) -> None:
        """Records a transaction of the recorder that has just been committed."""
        if self.exporter is not None:
            self.exporter.batch(postings, operations, seconds)


def _make_exporter(endpoint: str, metrics: Metrics) -> Exporter:
    from stocky.telemetry.export import Exporter

    return Exporter(endpoint, metrics)
