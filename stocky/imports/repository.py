"""What the database knows of imports: which were finished before under a key, and what one wrote."""

from __future__ import annotations

import msgspec

from stocky.db import Connection
from stocky.errors import Conflict
from stocky.imports.schemas import Written
from stocky.imports.unbooked_rows import UnbookedRows


class _Details(msgspec.Struct):
    filename: str
    fingerprint: str
    stock_events: int
    left: list[tuple[int, int]] = []


class _Earlier(msgspec.Struct):
    details: _Details
    is_booked: bool


class _Entries(msgspec.Struct):
    subject: str
    action: str
    entries: int


async def list_earlier_imports(read: Connection, key: str, fingerprint: str) -> tuple[UnbookedRows, ...]:
    """The rows that each earlier import left, of those that were not undone as a whole; the stock of others it took.

    Raises Conflict when the key belongs to an import of something else.
    """
    left = []
    for earlier in await read.all("list_earlier_imports", _Earlier, key=key):
        told = earlier.details
        if told.stock_events and not earlier.is_booked:
            continue
        if told.fingerprint == fingerprint:
            left.append(UnbookedRows(told.left))
        elif told.stock_events or not told.left:
            raise Conflict(f"This import_key was used for {told.filename!r} before; take another one for another file")
    return tuple(left)


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
