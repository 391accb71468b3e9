"""Reads finished imports by key, and counts what an import wrote."""

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
    """The unbooked rows of each earlier import that was not completely undone; it booked all its other rows.

    Raises Conflict when the key belongs to an import of another file.
    """
    left = []
    for earlier in await read.all("list_earlier_imports", _Earlier, key=key):
        details = earlier.details
        if details.stock_events and not earlier.is_booked:
            continue
        if details.fingerprint == fingerprint:
            left.append(UnbookedRows(details.left))
        elif details.stock_events or not details.left:
            raise Conflict(f"This import_key was used for {details.filename!r}; use another key for this file")
    return tuple(left)


async def count_written(read: Connection, import_id: str) -> Written:
    """Counts what an import has written so far, from the ledger and the audit trail."""
    rows = await read.all("count_import_entries", _Entries, import_id=import_id)
    entries = {(row.action, row.subject): row.entries for row in rows}
    return Written(
        items_created=entries.get(("created", "item"), 0),
        items_changed=entries.get(("imported", "item"), 0),
        locations_created=entries.get(("created", "location"), 0),
        stock_events=await read.value("count_import_events", import_id=import_id),
    )
