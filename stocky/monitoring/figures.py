"""Figures of the stock and the database for `/metrics`; read at most every fifteen seconds."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from msgspec import Struct

from stocky import clock
from stocky.alerts.repository import count_active_alerts, group_own_alerts
from stocky.assistance.repository import Usage, get_usage
from stocky.catalogue.repository import ItemFilter, count_items
from stocky.db import Connection, Database
from stocky.errors import StockyError

CACHED_SECONDS = 15.0
# Prometheus waits ten seconds for the whole page.
READ_SECONDS = 3.0


class StockFigures(Struct, frozen=True, kw_only=True):
    """`alerts` are the active ones by type, those of types that members made up as `other`.

    `failed_jobs` are those that are listed and were not dismissed.

    `jobs` are those by status and kind: queued, running and failed. `waiting_seconds` is how long the job that waits
    longest has been due.

    `failing_channels` are those of notices, `assistance` is what the model was asked today.
    """

    items: int
    low_stock: int
    alerts: dict[str, int]
    failed_jobs: int
    jobs: dict[str, dict[str, int]]
    waiting_seconds: float
    failing_channels: int
    assistance: Usage
    database_bytes: int


class Figures:
    """The figures of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._read: tuple[float, StockFigures] | None = None

    async def current(self) -> StockFigures | None:
        """The figures, not older than CACHED_SECONDS; None while the database cannot be read."""
        async with self._lock:
            if self._read is None or self._read[0] < time.monotonic():
                try:
                    async with asyncio.timeout(READ_SECONDS), self._database.read() as read:
                        self._read = time.monotonic() + CACHED_SECONDS, await read.run(_read)
                except (StockyError, TimeoutError):
                    # The rest of the page shows that Stocky runs, and /health why this fails.
                    self._read = None
            return self._read[1] if self._read else None


async def _read(read: Connection) -> StockFigures:
    return StockFigures(
        items=await count_items(read, ItemFilter()),
        low_stock=await read.value("count_low_items"),
        alerts=group_own_alerts(await count_active_alerts(read)),
        failed_jobs=await read.value("count_failed_jobs"),
        jobs=await _count_jobs(read),
        waiting_seconds=await _waiting_seconds(read),
        failing_channels=await read.value("count_failing_notice_channels"),
        assistance=await get_usage(read, clock.today()),
        database_bytes=await read.value("get_database_size"),
    )


class _Count(Struct):
    kind: str
    status: str
    count: int


class _Oldest(Struct):
    since: datetime | None


async def _count_jobs(read: Connection) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {"queued": {}, "running": {}, "failed": {}}
    for each in await read.all("count_jobs_by_kind", _Count):
        counts[each.status][each.kind] = each.count
    return counts


async def _waiting_seconds(read: Connection) -> float:
    now = clock.now()
    oldest = await read.one("get_oldest_waiting_job", _Oldest, now=now)
    return 0.0 if oldest is None or oldest.since is None else (now - oldest.since).total_seconds()
