"""What the database knows of imports: whether one was finished before, and what it wrote."""

from __future__ import annotations

from typing import Any

import msgspec

from stocky.db import Connection
from stocky.errors import Conflict
from stocky.exchange.schemas import Written


class _Import(msgspec.Struct):
    details: dict[str, Any]


class _Entries(msgspec.Struct):
    subject: str
    action: str
    entries: int


async def is_imported(read: Connection, key: str, fingerprint: str) -> bool:
    """Whether the stock of this import was booked before and has not all been undone.

    Raises Conflict when the key belongs to an import of something else.
    """
    earlier = await read.one("find_import", _Import, key=key)
    if earlier is None:
        return False
    told = earlier.details
    stands = not told["stock_events"] or await read.value("batch_stands", batch_id=told["batch_id"]) is not None
    if stands and told["fingerprint"] != fingerprint:
        raise Conflict(f"This import_key was used for {told['filename']!r} before; take another one for another file")
    return stands


async def count_written(read: Connection, import_id: str) -> Written:
    """What an import has written so far, by the ledger and the audit trail."""
    rows = await read.all("count_import_entries", _Entries, import_id=import_id)
    entries = {(row.action, row.subject): row.entries for row in rows}
    return Written(
        items_created=entries.get(("created", "item"), 0),
        items_changed=entries.get(("imported", "item"), 0),
        locations_created=entries.get(("created", "location"), 0),
        stock_events=await read.value("count_import_events", import_id=import_id),
    )
