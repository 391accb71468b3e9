"""Rolls back a failed import: undoes its events, and restores the records that it created or changed.

Records that were used or changed meanwhile stay unchanged and are listed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository, part_repository
from stocky.catalogue import repository as catalogue
from stocky.catalogue.field_repository import fields_of_types
from stocky.catalogue.schemas import ItemChange, LocationChange
from stocky.db import Connection, Database, Lane
from stocky.errors import Conflict, NotFound, StockyError, Unavailable
from stocky.imports.schemas import TakenBack
from stocky.prices import repository as prices
from stocky.progress import ProgressCallback
from stocky.schema import MAX_ID
from stocky.stock import repository as stock_repository
from stocky.stock.operations import Operation, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import SkuChange

PAGE = 50
MAX_LISTED = 100


class _Event(msgspec.Struct):
    id: int
    sku_id: int


class Entry(msgspec.Struct):
    """An audit entry on a record that an import created or changed."""

    id: int
    action: str
    subject: str
    subject_id: str
    details: dict[str, Any]


R = TypeVar("R", _Event, Entry)


class ImportRollback:
    """The rollback of one import."""

    def __init__(self, database: Database, recorder: Recorder, import_id: str, by: Principal) -> None:
        self._database = database
        self._recorder = recorder
        self._import_id = import_id
        self._by = by
        self._done = TakenBack()
        # The SKUs of events that were not undone.
        self._left_skus: set[int] = set()
        # The item types that the import created.
        self._types: set[int] = set()

    async def run(self, report: ProgressCallback) -> TakenBack:
        """Rolls back; returns what was restored and what was not. A restarted rollback continues."""
        await self._undo_events(report)
        await self._restore(report)
        return self._done

    async def _undo_events(self, report: ProgressCallback) -> None:
        async for page in _pages(self._database, self._import_id, "list_import_events", _Event):
            operations = [
                Operation(kind="undo", undo_event=event.id, note="import rolled back", user_id=self._by.id)
                for event in page
            ]
            posting = await self._recorder.post(Posting(operations))
            for event, outcome in zip(page, posting.outcomes, strict=True):
                if outcome.status == "rejected":
                    self._leave(f"event {event.id}: {outcome.reason}")
                    self._left_skus.add(event.sku_id)
                else:
                    self._done.stock_events += 1
            report("rolling back", self._done.stock_events, None, "events")

    async def _restore(self, report: ProgressCallback) -> None:
        async with self._database.read() as read:
            self._types = {row[0] for row in await read.rows("list_types_of_import", import_id=self._import_id)}
        async for page in _pages(self._database, self._import_id, "list_import_entries", Entry):
            for entry in page:
                await self._restore_one(entry)
            report("rolling back", self._done.items + self._done.locations, None, "items and locations")

    async def _restore_one(self, entry: Entry) -> None:
        restore: Callable[[Connection, Entry], Awaitable[bool]] = {
            ("created", "item"): self._deactivate_item,
            ("created", "item_type"): self._remove_type,
            ("created", "location"): self._deactivate_location,
            ("imported", "item"): self._restore_item,
            ("imported", "sku"): self._restore_sku,
            ("created", "price"): self._remove_price,
        }[entry.action, entry.subject]
        try:
            is_done = await self._database.run(partial(_call, restore, entry))
        except Unavailable:
            raise
        except StockyError as error:
            self._leave(f"{entry.subject} {entry.subject_id}: {error.detail}")
            return
        if entry.subject == "location":
            self._done.locations += is_done
        elif entry.subject == "item":
            self._done.items += is_done

    async def _deactivate_item(self, tx: Connection, entry: Entry) -> bool:
        item = await catalogue.get_item(tx, int(entry.subject_id))
        if not item.is_active:
            return False
        if item.version > 1:
            raise Conflict(f"{item.name} ({item.code}) was changed since it was created")
        # Frees its barcodes for another attempt, and a type of the import to be removed.
        change = ItemChange(is_active=False, upc=None, barcodes=[])
        if item.type_id in self._types:
            change.type_id = None
        await catalogue.change_item(tx, item.id, change, self._by)
        return True

    async def _remove_type(self, tx: Connection, entry: Entry) -> bool:
        with suppress(NotFound):
            item_type = await part_repository.get_item_type(tx, int(entry.subject_id))
            if item_type.updated_at != item_type.created_at or await fields_of_types(tx, {item_type.id}):
                raise Conflict(f"{item_type.name} was changed since it was created")
            await part_repository.remove_item_type(tx, item_type.id, self._by)
        return True

    async def _deactivate_location(self, tx: Connection, entry: Entry) -> bool:
        location = await location_repository.get_location(tx, int(entry.subject_id))
        if not location.is_active:
            return False
        await location_repository.change_location(tx, location.id, LocationChange(is_active=False), self._by)
        return True

    async def _remove_price(self, tx: Connection, entry: Entry) -> bool:
        with suppress(NotFound):
            price = await prices.get_price(tx, int(entry.subject_id))
            if price.version > 1:
                raise Conflict("it was corrected meanwhile and stays")
            await prices.remove_price(tx, price.id, self._by)
        return True

    async def _restore_item(self, tx: Connection, entry: Entry) -> bool:
        item = await catalogue.get_item(tx, int(entry.subject_id))
        fields = _fields_to_restore(item, entry, item.name)
        if "fields" in fields:
            # A value that is not named would stay.
            fields["fields"] = dict.fromkeys(entry.details["after"]["fields"]) | fields["fields"]
        if fields:
            await catalogue.change_item(tx, item.id, msgspec.convert(fields, ItemChange), self._by)
        return bool(fields)

    async def _restore_sku(self, tx: Connection, entry: Entry) -> bool:
        sku = await stock_repository.lock_sku(tx, int(entry.subject_id), None)
        fields = _fields_to_restore(sku, entry, f"SKU {sku.id}")
        if "unit" in fields and sku.id in self._left_skus:
            raise Conflict(f"its stock was not rolled back, so its unit stays {sku.unit}; correct both by hand")
        if fields:
            await stock_repository.change_sku(tx, sku, msgspec.convert(fields, SkuChange), self._by)
        return bool(fields)

    def _leave(self, message: str) -> None:
        if len(self._done.left) < MAX_LISTED:
            self._done.left.append(message)


async def _pages(database: Database, import_id: str, query: str, into: type[R]) -> AsyncIterator[list[R]]:
    """The rows of an import, newest first."""
    before = MAX_ID
    while True:
        async with database.read(Lane.BACKGROUND) as read:
            page = await read.all(query, into, import_id=import_id, before=before, limit=PAGE)
        if not page:
            return
        before = page[-1].id
        yield page


def _fields_to_restore(now: Any, entry: Entry, name: str) -> dict[str, Any]:
    """The fields to restore; none when they are restored already. Raises Conflict when they were changed since."""
    before, after = entry.details["before"], entry.details["after"]
    current = {field: msgspec.to_builtins(getattr(now, field)) for field in before}
    if current == before:
        return {}
    if current != after:
        raise Conflict(f"{name} was changed meanwhile and keeps its current values")
    return dict(before)


async def _call(restore: Callable[[Connection, Entry], Awaitable[bool]], entry: Entry, tx: Connection) -> bool:
    return await restore(tx, entry)
