"""Exports: items, stock and the ledger as CSV, read page by page, so that no transaction outlives a page.

An export is not of one moment: what changes while it is sent may be in it or not. A row is never in it twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct

from stocky import clock
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import Barcode
from stocky.catalogue.tag_repository import name_key
from stocky.db import Database
from stocky.exchange.cells import csv_text, list_cell, pack_entry, quantity_cell
from stocky.quantity import to_milli
from stocky.schema import StorageType
from stocky.settings.repository import get_settings
from stocky.stock.schemas import EntryType

PAGE_ROWS = 250
# What spreadsheets need to take a file for UTF-8.
BYTE_ORDER_MARK = "\ufeff".encode()


class ItemFilter(Struct, frozen=True, kw_only=True):
    """Which items, as in their list."""

    search: str | None = None
    storage_type: StorageType | None = None
    is_active: bool = True
    needs_review: bool | None = None
    type_id: int | None = None
    tag: str | None = None


class StockFilter(Struct, frozen=True, kw_only=True):
    """Which SKUs, as in their list."""

    item_id: int | None = None
    location_id: int | None = None
    low_stock: bool = False
    expiring_soon: bool = False
    search: str | None = None


class EventFilter(Struct, frozen=True, kw_only=True):
    """Which events, as in the ledger's list."""

    item_id: int | None = None
    location_id: int | None = None
    user_id: int | None = None
    scanner_id: str | None = None
    type: EntryType | None = None
    since: datetime | None = None
    until: datetime | None = None


class _Item(Struct):
    id: int
    code: str
    name: str
    description: str
    upc: str | None
    barcodes: list[Barcode]
    default_storage_type: str
    min_quantity: float | None
    oversell_policy: str
    manufacturer_code: str
    type_name: str | None
    tags: list[str]
    seller: str
    seller_link: str


class _Stock(Struct):
    id: int
    code: str
    name: str
    barcode: str | None
    location: str
    location_storage_type: str
    box_no: int | None
    loc_no: int | None
    quantity_milli: int
    unit: str
    expiry_date: date | None
    notes: str


class _Event(Struct):
    id: int
    occurred_at: datetime
    recorded_at: datetime
    kind: str
    code: str
    name: str
    location: str
    expiry_date: date | None
    delta_milli: int
    quantity_after_milli: int
    unit: str
    note: str | None
    user_id: int | None
    scanner_id: str | None
    event_id: str | None
    batch_id: str | None
    transfer_id: int | None
    reverses_id: int | None


ITEM_COLUMNS = (
    "code", "name", "description", "barcode", "barcodes", "storage_type", "min_quantity", "oversell_policy",
    "manufacturer_code", "type", "tags", "seller", "seller_link",
)  # fmt: skip
STOCK_COLUMNS = (
    "code", "name", "barcode", "location", "location_storage_type", "box_no", "loc_no", "quantity", "unit",
    "expiry_date", "notes",
)  # fmt: skip
EVENT_COLUMNS = (
    "id", "occurred_at", "recorded_at", "type", "code", "name", "location", "expiry_date", "delta", "quantity_after",
    "unit", "note", "user_id", "scanner_id", "event_id", "batch_id", "transfer_id", "reverses_id",
)  # fmt: skip


async def export_items(database: Database, wanted: ItemFilter) -> AsyncIterator[bytes]:
    """Items in the order they were added."""
    arguments = {
        "storage_type": wanted.storage_type,
        "is_active": wanted.is_active,
        "needs_review": wanted.needs_review,
        "type_id": wanted.type_id,
        "tag_key": None if wanted.tag is None else name_key(wanted.tag),
        "pattern": like_pattern(wanted.search),
    }
    async for part in _pages(database, "export_items", _Item, arguments, ITEM_COLUMNS, _item_row):
        yield part


async def export_stock(database: Database, wanted: StockFilter) -> AsyncIterator[bytes]:
    """SKUs in the order they were made."""
    async with database.read() as read:
        days = (await get_settings(read)).expiring_soon_days
    arguments = {
        "item_id": wanted.item_id,
        "location_id": wanted.location_id,
        "low_stock": wanted.low_stock,
        "expiring_soon": wanted.expiring_soon,
        "expires_by": clock.today() + timedelta(days=days),
        "pattern": like_pattern(wanted.search),
    }
    async for part in _pages(database, "export_stock", _Stock, arguments, STOCK_COLUMNS, _stock_row):
        yield part


async def export_events(database: Database, wanted: EventFilter) -> AsyncIterator[bytes]:
    """The ledger, oldest first."""
    arguments = {
        "item_id": wanted.item_id,
        "location_id": wanted.location_id,
        "user_id": wanted.user_id,
        "scanner_id": wanted.scanner_id,
        "type": wanted.type,
        "since": wanted.since or clock.LONG_AGO,
        "until": wanted.until or clock.FAR_AWAY,
    }
    async for part in _pages(database, "export_events", _Event, arguments, EVENT_COLUMNS, _event_row):
        yield part


async def _pages(
    database: Database,
    query: str,
    into: type[Any],
    arguments: dict[str, Any],
    columns: Sequence[str],
    row_of: Callable[[Any], Sequence[Any]],
) -> AsyncIterator[bytes]:
    yield BYTE_ORDER_MARK + csv_text([columns]).encode()
    after = 0
    while True:
        async with database.read() as read:
            page = await read.all(query, into, after=after, limit=PAGE_ROWS, **arguments)
        if page:
            after = page[-1].id
            yield csv_text(row_of(each) for each in page).encode()
        if len(page) < PAGE_ROWS:
            return


def _item_row(item: _Item) -> Sequence[Any]:
    packs = {each.barcode: to_milli(each.pack_quantity) for each in item.barcodes}
    # The main barcode is among the others only where a scan of it counts several.
    others = [pack_entry(code, pack) for code, pack in packs.items() if code != item.upc or pack != 1000]
    return (
        item.code, item.name, item.description, item.upc, list_cell(others), item.default_storage_type,
        None if item.min_quantity is None else quantity_cell(to_milli(item.min_quantity)), item.oversell_policy,
        item.manufacturer_code, item.type_name, list_cell(item.tags), item.seller, item.seller_link,
    )  # fmt: skip


def _stock_row(stock: _Stock) -> Sequence[Any]:
    return (
        stock.code, stock.name, stock.barcode, stock.location, stock.location_storage_type, stock.box_no, stock.loc_no,
        quantity_cell(stock.quantity_milli), stock.unit, stock.expiry_date, stock.notes,
    )  # fmt: skip


def _event_row(event: _Event) -> Sequence[Any]:
    return (
        event.id, event.occurred_at, event.recorded_at, event.kind, event.code, event.name, event.location,
        event.expiry_date, quantity_cell(event.delta_milli), quantity_cell(event.quantity_after_milli), event.unit,
        event.note, event.user_id, event.scanner_id, event.event_id, event.batch_id, event.transfer_id,
        event.reverses_id,
    )  # fmt: skip
