"""The value of the stock of a day as rows of CSV: one snapshot, of which each page is named when it is written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from stocky.catalogue.location_repository import get_locations
from stocky.db import Connection
from stocky.exports.csv_cells import price_cell, quantity_cell
from stocky.prices.valuation import Valued, name_items, unit_micro, value_stock
from stocky.settings.repository import get_currency

COLUMNS = (
    "code", "name", "location_path", "expiry_date", "lot", "serial", "opened_on", "quantity", "unit", "unit_price",
    "value", "currency",
)  # fmt: skip


class ValuedRow(Struct):
    """A valued SKU, with the names of its item and its location."""

    id: int
    code: str
    name: str
    location_path: str
    sku: Valued
    currency: str


async def read_value(
    read: Connection, until: datetime, within: int | None, limit: int
) -> Callable[[Connection, int], Awaitable[list[ValuedRow]]]:
    """Values the stock at the end of a day, and returns what reads `limit` rows of it after an id."""
    skus: list[Valued] = await read.run(value_stock, until, within)
    ids = [each.stock.id for each in skus]
    currency = await get_currency(read)

    async def read_page(read: Connection, after: int) -> list[ValuedRow]:
        start = bisect_right(ids, after)
        page = skus[start : start + limit]
        names = await name_items(read, (each.stock.item_id for each in page))
        locations = await get_locations(read, {each.stock.location_id for each in page})
        return [
            ValuedRow(each.stock.id, *names[each.stock.item_id], locations[each.stock.location_id].path, each, currency)
            for each in page
        ]

    return read_page


def row_of(row: ValuedRow) -> Sequence[Any]:
    """The cells of a row. A quantity in a unit that is not known any more has none."""
    stock, price, micro = row.sku.stock, unit_micro(row.sku), row.sku.micro
    return (
        row.code, row.name, row.location_path, stock.expiry_date, stock.lot, stock.serial, stock.opened_on,
        quantity_cell(stock.milli), None if stock.is_unit_changed else stock.unit,
        None if price is None else price_cell(price), None if micro is None else price_cell(micro), row.currency,
    )  # fmt: skip
