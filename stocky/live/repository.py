"""Read-only queries on the end of the ledger, for live streams and webhooks."""

from __future__ import annotations

from typing import Any

import msgspec

from stocky.db import Connection
from stocky.stock.schemas import NamedStockEvent, StockEvent


class EventFilter(msgspec.Struct, frozen=True):
    """Which events to send; a None field matches all."""

    item_id: int | None = None
    location_id: int | None = None
    type: str | None = None

    def wants(self, event: StockEvent) -> bool:
        return (
            self.item_id in (None, event.item_id)
            and self.location_id in (None, event.location_id)
            and self.type in (None, event.type)
        )


async def get_last_event_id(read: Connection) -> int:
    """The highest id in the ledger, 0 when it is empty."""
    last: int = await read.value("get_last_event_id")
    return last


async def list_events_after(
    read: Connection, after: int, until: int, wanted: EventFilter, limit: int
) -> list[NamedStockEvent]:
    """Matching events with ids after `after` up to and including `until`, oldest first."""
    return await read.all(
        "list_events_after",
        NamedStockEvent,
        after=after,
        until=until,
        item_id=wanted.item_id,
        location_id=wanted.location_id,
        type=wanted.type,
        limit=limit,
    )


async def list_open_writers(read: Connection) -> set[str]:
    """Names of open transactions of Stocky that may have reserved ids; none on SQLite."""
    return {row["writer"] for row in await read.all("list_open_writers", dict[str, Any])}


async def describe_open_writer(read: Connection, writer: str) -> str:
    """A description for the log of one of `list_open_writers`."""
    description: str | None = await read.value("describe_open_writer", writer=writer)
    return description or "a process that has just ended"
