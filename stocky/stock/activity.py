"""Entries of the ledger per day, for charts: each event is counted on the local day on which it occurred.

The days are in the configured time zone, and their bounds are parameters of the query: grouping by hours of UTC would
be wrong in zones that are 30 or 45 minutes off, and an offset in SQL on days after a clock change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from msgspec import Struct

from stocky import clock
from stocky.db import Connection, Database

DAYS = 28
# An event that a scanner recorded offline on an earlier day may be missing for this long in the count of all items.
CACHED_SECONDS = 60.0


class DayEntries(Struct):
    """The entries of one day. A transfer counts once."""

    day: date
    add: int = 0
    remove: int = 0
    move: int = 0
    set: int = 0
    undo: int = 0

    @property
    def total(self) -> int:
        return self.add + self.remove + self.move + self.set + self.undo


class Activity:
    """Counts the last four weeks. Those of all items before today are cached: reading 100,000 events takes 100 ms."""

    def __init__(self, database: Database, zone: tzinfo | None = None) -> None:
        """`zone` is the time zone of days, by default the system's."""
        self._zone = zone
        self._cached: tuple[date, float, list[DayEntries]] | None = None
        database.gate.on_data_replaced(self._clear)

    async def list_days(self, read: Connection, item_id: int | None = None) -> list[DayEntries]:
        """The last `DAYS` days, oldest first and today last: of all items, or of one and those merged into it."""
        today = clock.now().astimezone(self._zone).date()
        first = today - timedelta(days=DAYS - 1)
        if item_id is not None:
            return await read.run(_count_of_item, item_id, first, self._zone)
        cached = self._cached
        if cached is None or cached[0] != today or cached[1] < time.monotonic():
            earlier = await _count(read, first, DAYS - 1, self._zone)
            self._cached = cached = today, time.monotonic() + CACHED_SECONDS, earlier
        return [*cached[2], *await _count(read, today, 1, self._zone)]

    def _clear(self) -> None:
        self._cached = None


async def _count(read: Connection, first: date, days: int, zone: tzinfo | None) -> list[DayEntries]:
    bounds = _encode(clock.day_bounds(first, days, zone))
    return _to_days(first, bounds, await read.rows("count_entries_by_day", bounds=bounds))


async def _count_of_item(tx: Connection, item_id: int, first: date, zone: tzinfo | None) -> list[DayEntries]:
    moments = clock.day_bounds(first, DAYS, zone)
    bounds = _encode(moments)
    merged = await tx.rows("list_items_merged_into", target_id=item_id)
    rows = await tx.rows(
        "count_entries_of_items_by_day",
        ids=[item_id, *(row[0] for row in merged)],
        since=moments[0],
        until=moments[-1],
        bounds=bounds,
    )
    return _to_days(first, bounds, rows)


def _encode(moments: Iterable[datetime]) -> list[str]:
    """Times in the ledger's form on SQLite, where they are compared as text."""
    return [f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for moment in moments]


def _to_days(first: date, bounds: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[DayEntries]:
    days = {since: DayEntries(first + timedelta(days=number)) for number, since in enumerate(bounds[:-1])}
    for since, kind, number in rows:
        setattr(days[since], kind, number)
    return list(days.values())
