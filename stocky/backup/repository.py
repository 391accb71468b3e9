"""Read-only queries of backups on the live database."""

from __future__ import annotations

from msgspec import Struct

from stocky.db import Connection


class _Count(Struct):
    name: str
    rows: int


async def count_events(read: Connection) -> int:
    """The number of ledger rows."""
    count: int = await read.value("count_events")
    return count


async def count_rows(read: Connection) -> dict[str, int]:
    """The row count of each table that a backup includes."""
    return {count.name: count.rows for count in await read.all("count_rows", _Count)}
