"""What backups ask of the live database; reads only."""

from __future__ import annotations

from msgspec import Struct

from stocky.db import Connection


class _Count(Struct):
    name: str
    rows: int


async def count_events(read: Connection) -> int:
    """How long the ledger is."""
    count: int = await read.value("count_events")
    return count


async def count_rows(read: Connection) -> dict[str, int]:
    """How many rows each table holds that a backup keeps."""
    return {count.name: count.rows for count in await read.all("count_rows", _Count)}
