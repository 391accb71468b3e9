"""Exports items, stock and the ledger as CSV, page by page: no transaction lasts longer than a page.

The server reads the first page, so that an immediate failure precedes the response; a child process reads the others,
since formatting a large table takes CPU time that scans need. An export is not a snapshot: a concurrent change may or
may not be included. No row appears twice. The value of the stock is one, which only the child process reads.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from stocky import clock
from stocky.catalogue.field_repository import find_ranges, list_field_names
from stocky.catalogue.fields import Value, plain_text
from stocky.catalogue.repository import get_items, like_pattern
from stocky.catalogue.schemas import Barcode, FieldValues, Item
from stocky.config import Config, ReplicaSettings
from stocky.db import Connection, Database, Lane, make_reading_database
from stocky.errors import Unavailable
from stocky.exports import value
from stocky.exports.csv_cells import Number, csv_text, list_cell, pack_entry, price_cell, quantity_cell
from stocky.exports.programs import Exported, Program, columns_of
from stocky.names import name_key
from stocky.prices.valuation import unit_micro, value_items
from stocky.progress import ProgressCallback
from stocky.quantity import to_milli
from stocky.schema import FIELD_PREFIX, StorageType
from stocky.settings.repository import get_settings
from stocky.stock.schemas import EntryType
from stocky.worker.messages import Request
from stocky.worker.process import stream_worker

PAGE_ROWS = 250
# Concurrent exports of more than one page per process; each has a child process.
MAX_EXPORTS = 4
# Spreadsheets need it to detect UTF-8.
BYTE_ORDER_MARK = "\ufeff".encode()


class ItemFilter(Struct, frozen=True, kw_only=True, tag_field="of", tag="items"):
    """The filters of the list of items; `preset` is the program whose columns the file has."""

    search: str | None = None
    storage_type: StorageType | None = None
    is_active: bool = True
    needs_review: bool | None = None
    type_id: int | None = None
    tag: str | None = None
    within: int | None = None
    preset: Program | None = None
    fields: tuple[tuple[str, str], ...] = ()


class StockFilter(Struct, frozen=True, kw_only=True, tag_field="of", tag="stock"):
    """The filters of the list of SKUs; `preset` is the program whose columns the file has."""

    item_id: int | None = None
    location_id: int | None = None
    within: int | None = None
    low_stock: bool = False
    expiring_soon: bool = False
    search: str | None = None
    preset: Program | None = None
    lot: str | None = None
    serial: str | None = None


class EventFilter(Struct, frozen=True, kw_only=True, tag_field="of", tag="events"):
    """The filters of the list of events."""

    item_id: int | None = None
    location_id: int | None = None
    within: int | None = None
    user_id: int | None = None
    scanner_id: str | None = None
    type: EntryType | None = None
    since: datetime | None = None
    until: datetime | None = None
    lot: str | None = None
    serial: str | None = None


class ValueFilter(Struct, frozen=True, kw_only=True, tag_field="of", tag="value"):
    """The end of the day whose stock is valued, and the location that has it."""

    until: datetime
    within: int | None = None


Filter = ItemFilter | StockFilter | EventFilter | ValueFilter
# Reads the rows after an id, in id order.
_ReadRows = Callable[[Connection, int], Awaitable[list[Any]]]


class _Item(Struct):
    id: int
    code: str
    name: str
    description: str
    upc: str | None
    barcodes: list[Barcode]
    default_storage_type: str
    min_quantity: float | None
    reorder_quantity: float | None
    oversell_policy: str
    manufacturer_code: str
    type_name: str | None
    tags: list[str]
    seller: str
    seller_link: str
    shelf_life_days: int | None
    opened_days: int | None
    fields: FieldValues


class _Stock(Struct):
    id: int
    item_id: int
    code: str
    name: str
    barcode: str | None
    location: str
    location_path: str
    location_storage_type: str
    box_no: int | None
    loc_no: int | None
    quantity_milli: int
    unit: str
    expiry_date: date | None
    notes: str
    lot: str
    serial: str
    opened_on: date | None
    location_kind: str
    price_micro: int | None = None


class _Event(Struct):
    id: int
    occurred_at: datetime
    recorded_at: datetime
    kind: str
    code: str
    name: str
    location: str
    location_path: str
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
    lot: str
    serial: str
    opened_on: date | None


# The columns of custom fields come after these.
ITEM_COLUMNS = (
    "code", "name", "description", "barcode", "barcodes", "storage_type", "min_quantity", "oversell_policy",
    "manufacturer_code", "type", "tags", "seller", "seller_link", "reorder_quantity",
    "shelf_life_days", "opened_days",
)  # fmt: skip
STOCK_COLUMNS = (
    "code", "name", "barcode", "location", "location_storage_type", "box_no", "loc_no", "quantity", "unit",
    "expiry_date", "notes", "location_path", "lot", "serial", "opened_on", "unit_price", "location_kind",
)  # fmt: skip
EVENT_COLUMNS = (
    "id", "occurred_at", "recorded_at", "type", "code", "name", "location", "expiry_date", "delta", "quantity_after",
    "unit", "note", "user_id", "scanner_id", "event_id", "batch_id", "transfer_id", "reverses_id", "location_path",
    "lot", "serial", "opened_on",
)  # fmt: skip


class Exports:
    """The exports of one process."""

    def __init__(self, config: Config, database: Database) -> None:
        self._url = config.database_url
        self._replica = config.replica
        self._database = database
        self.gate = database.gate
        self.running = 0

    async def start(self, wanted: Filter) -> Export:
        """Starts an export, which the caller closes. Raises Unavailable when MAX_EXPORTS large ones are running."""
        epoch = self.gate.epoch
        if isinstance(wanted, ValueFilter):
            head = BYTE_ORDER_MARK + csv_text([value.COLUMNS]).encode()
            return Export(self, epoch, head, self._rest(wanted))
        async with self._database.read(Lane.LONG, may_use_replica=True) as read:
            names = await list_field_names(read, wanted.type_id) if isinstance(wanted, ItemFilter) else []
            table = await _table(read, wanted, names)
            page = await table.read(read, 0)
        head = table.mark + csv_text([table.columns]).encode() + _encode(table, page)
        rest = self._rest(wanted, names, page[-1].id) if len(page) == PAGE_ROWS else None
        return Export(self, epoch, head, rest)

    def _rest(self, wanted: Filter, names: Sequence[str] = (), after: int = 0) -> _Rest:
        if self.running >= MAX_EXPORTS:
            raise Unavailable(f"{MAX_EXPORTS} large exports are running already; try again", retry_after=10)
        return _Rest(database_url=self._url, replica=self._replica, wanted=wanted, names=list(names), after=after)


class Export:
    """The chunks of one export. With a child process it counts as running until it is closed."""

    def __init__(self, exports: Exports, epoch: int, head: bytes, rest: _Rest | None) -> None:
        self._gate, self._epoch = exports.gate, epoch
        self._counted: Exports | None = exports if rest is not None else None
        if self._counted is not None:
            self._counted.running += 1
        self._pieces = _pieces(head, rest)

    def __aiter__(self) -> Export:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Raises Unavailable when a restore replaced the data, also instead of the end."""
        piece = await anext(self._pieces, None)
        if self._gate.epoch != self._epoch:
            raise Unavailable("The data has just been restored from a backup; export it again")
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Ends the export and its child process."""
        if self._counted is not None:
            self._counted.running -= 1
            self._counted = None
        await self._pieces.aclose()


async def _pieces(head: bytes, rest: _Rest | None) -> AsyncGenerator[bytes]:
    yield head
    if rest is not None:
        async with aclosing(stream_worker(rest)) as pieces:
            async for piece in pieces:
                yield piece


def write_rest(rest: _Rest, report: ProgressCallback) -> None:
    """Runs in a child process: writes the pages after the first to standard output. Raises Unavailable."""
    asyncio.run(_write_rest(rest))


async def _write_rest(rest: _Rest) -> None:
    database = make_reading_database(rest.database_url, rest.replica)
    await database.open()
    try:
        async with database.read(Lane.BACKGROUND, may_use_replica=True) as read:
            table = await _table(read, rest.wanted, rest.names)
        after = rest.after
        while True:
            async with database.read(Lane.BACKGROUND, may_use_replica=True) as read:
                page = await table.read(read, after)
            sys.stdout.buffer.write(_encode(table, page))
            if len(page) < PAGE_ROWS:
                break
            after = page[-1].id
        sys.stdout.buffer.flush()
    finally:
        await database.close()


class _Rest(Request, frozen=True, kw_only=True):
    """The request to a child process: export the rows with ids above `after`. `names` are those of custom fields."""

    entry: ClassVar[str] = f"{__name__}:write_rest"

    database_url: str
    replica: ReplicaSettings | None
    wanted: Filter
    names: list[str]
    after: int


class _Table(Struct, frozen=True, kw_only=True):
    """How one kind of export is read and formatted."""

    read: _ReadRows
    columns: Sequence[str]
    row_of: Callable[[Any], Sequence[Any]]
    mark: bytes = BYTE_ORDER_MARK


async def _table(read: Connection, wanted: Filter, names: Sequence[str]) -> _Table:
    match wanted:
        case ItemFilter():
            read_items = _reads(
                "export_items",
                _Item,
                {
                    "storage_type": wanted.storage_type,
                    "is_active": wanted.is_active,
                    "needs_review": wanted.needs_review,
                    "type_id": wanted.type_id,
                    "tag_key": None if wanted.tag is None else name_key(wanted.tag),
                    "within": wanted.within,
                    "pattern": like_pattern(wanted.search),
                    "field_ranges": await find_ranges(read, wanted.fields, wanted.type_id) if wanted.fields else None,
                    "field_count": len(wanted.fields),
                },
            )
            if wanted.preset is not None:
                return _table_of_program(wanted.preset, read_items, of_stock=False)
            return _Table(
                read=read_items,
                columns=[*ITEM_COLUMNS, *(f"{FIELD_PREFIX}{name}" for name in names)],
                row_of=partial(_item_row, [name_key(name) for name in names]),
            )
        case StockFilter():
            days = (await get_settings(read)).expiring_soon_days
            read_stock = _with_prices(
                "export_stock",
                {
                    "item_id": wanted.item_id,
                    "location_id": wanted.location_id,
                    "within": wanted.within,
                    "low_stock": wanted.low_stock,
                    "expiring_soon": wanted.expiring_soon,
                    "expires_by": clock.local_today() + timedelta(days=days),
                    "pattern": like_pattern(wanted.search),
                    "lot": wanted.lot or None,
                    "serial": wanted.serial or None,
                },
            )
            if wanted.preset is not None:
                return _table_of_program(wanted.preset, read_stock, of_stock=True)
            return _Table(read=read_stock, columns=STOCK_COLUMNS, row_of=_stock_row)
        case EventFilter():
            return _Table(
                read=_reads(
                    "export_events",
                    _Event,
                    {
                        "item_id": wanted.item_id,
                        "location_id": wanted.location_id,
                        "within": wanted.within,
                        "user_id": wanted.user_id,
                        "scanner_id": wanted.scanner_id,
                        "type": wanted.type,
                        "since": wanted.since or clock.LONG_AGO,
                        "until": wanted.until or clock.FAR_AWAY,
                        "lot": wanted.lot or None,
                        "serial": wanted.serial or None,
                    },
                ),
                columns=EVENT_COLUMNS,
                row_of=_event_row,
            )
        case ValueFilter():
            return _Table(
                read=await value.read_value(read, wanted.until, wanted.within, PAGE_ROWS),
                columns=value.COLUMNS,
                row_of=value.row_of,
            )


def _reads(query: str, into: type[Any], arguments: dict[str, Any]) -> _ReadRows:
    return lambda read, after: read.all(query, into, after=after, limit=PAGE_ROWS, **arguments)


def _with_prices(query: str, arguments: dict[str, Any]) -> _ReadRows:
    """Reads stock with what one of its unit costs."""
    read_stock = _reads(query, _Stock, arguments)

    async def read_page(read: Connection, after: int) -> list[_Stock]:
        rows: list[_Stock] = await read_stock(read, after)
        valued = await value_items(read, {row.item_id for row in rows})
        for row in rows:
            if (sku := valued.get(row.id)) is not None:
                row.price_micro = unit_micro(sku)
        return rows

    return read_page


def _table_of_program(program: Program, read_rows: _ReadRows, *, of_stock: bool) -> _Table:
    """The rows in the columns of another program, which may take a byte order mark for a part of the first header."""
    columns = columns_of(program, of_stock=of_stock)

    async def read_page(read: Connection, after: int) -> list[Exported]:
        rows = await read_rows(read, after)
        items = await get_items(read, {row.item_id if of_stock else row.id for row in rows})
        return [_exported_stock(row, items) if of_stock else Exported(id=row.id, item=items[row.id]) for row in rows]

    return _Table(
        read=read_page,
        columns=tuple(columns),
        row_of=lambda row: [value_of(row) for value_of in columns.values()],
        mark=b"",
    )


def _exported_stock(stock: _Stock, items: dict[int, Item]) -> Exported:
    return Exported(
        id=stock.id,
        item=items[stock.item_id],
        sku_id=stock.id,
        path=stock.location_path,
        quantity=quantity_cell(stock.quantity_milli),
        unit=stock.unit,
        expiry_date=stock.expiry_date,
        notes=stock.notes,
        unit_price=None if stock.price_micro is None else price_cell(stock.price_micro),
    )


def _encode(table: _Table, page: list[Any]) -> bytes:
    return csv_text(table.row_of(each) for each in page).encode()


def _item_row(fields: Sequence[str], item: _Item) -> Sequence[Any]:
    """The row of an item, with the values of the custom fields with these keys at its end."""
    packs = {each.barcode: to_milli(each.pack_quantity) for each in item.barcodes}
    # The main barcode is among the others only where a scan of it counts several.
    others = [pack_entry(code, pack) for code, pack in packs.items() if code != item.upc or pack != 1000]
    values = {name_key(name): value for name, value in item.fields.items()}
    return (
        item.code, item.name, item.description, item.upc, list_cell(others), item.default_storage_type,
        None if item.min_quantity is None else quantity_cell(to_milli(item.min_quantity)), item.oversell_policy,
        item.manufacturer_code, item.type_name, list_cell(item.tags), item.seller, item.seller_link,
        None if item.reorder_quantity is None else quantity_cell(to_milli(item.reorder_quantity)),
        item.shelf_life_days, item.opened_days,
        *(_field_cell(values.get(key)) for key in fields),
    )  # fmt: skip


def _field_cell(value: Value | None) -> str | None:
    """A number as one, without an exponent."""
    return value if value is None or isinstance(value, str) else Number(plain_text(value))


def _stock_row(stock: _Stock) -> Sequence[Any]:
    return (
        stock.code, stock.name, stock.barcode, stock.location, stock.location_storage_type, stock.box_no, stock.loc_no,
        quantity_cell(stock.quantity_milli), stock.unit, stock.expiry_date, stock.notes, stock.location_path,
        stock.lot, stock.serial, stock.opened_on, None if stock.price_micro is None else price_cell(stock.price_micro),
        stock.location_kind,
    )  # fmt: skip


def _event_row(event: _Event) -> Sequence[Any]:
    return (
        event.id, event.occurred_at, event.recorded_at, event.kind, event.code, event.name, event.location,
        event.expiry_date, quantity_cell(event.delta_milli), quantity_cell(event.quantity_after_milli), event.unit,
        event.note, event.user_id, event.scanner_id, event.event_id, event.batch_id, event.transfer_id,
        event.reverses_id, event.location_path, event.lot, event.serial,
        event.opened_on,
    )  # fmt: skip
