"""The value of the stock of a day as CSV: it is one snapshot, read before the response begins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, tzinfo
from functools import partial
from typing import Any

from stocky.catalogue.location_repository import get_locations
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.exports.csv_cells import csv_text, price_cell, quantity_cell
from stocky.exports.service import BYTE_ORDER_MARK
from stocky.prices.valuation import Valued, name_items, unit_micro, value_stock

COLUMNS = (
    "code", "name", "location_path", "expiry_date", "lot", "serial", "opened_on", "quantity", "unit", "unit_price",
    "value", "currency",
)  # fmt: skip
_ROWS = 1_000


async def read_value(
    read: Connection, as_of: date | None, zone: tzinfo | None, *, within: int | None = None
) -> AsyncIterator[bytes]:
    """The chunks of the file. Raises Invalid for a day at the calendar's ends."""
    valuation = await value_stock(read, as_of, zone, within=within)
    names = await name_items(read, (each.stock.item_id for each in valuation.skus))
    locations = await get_locations(read, {each.stock.location_id for each in valuation.skus})

    async def pieces() -> AsyncIterator[bytes]:
        yield BYTE_ORDER_MARK + csv_text([COLUMNS]).encode()
        for start in range(0, len(valuation.skus), _ROWS):
            rows = valuation.skus[start : start + _ROWS]
            yield await read.compute(partial(_text, rows, names, locations, valuation.currency))

    return pieces()


def _text(
    rows: Sequence[Valued], names: dict[int, tuple[str, str]], locations: dict[int, Location], currency: str
) -> bytes:
    return csv_text(_row(each, names, locations, currency) for each in rows).encode()


def _row(
    sku: Valued, names: dict[int, tuple[str, str]], locations: dict[int, Location], currency: str
) -> Sequence[Any]:
    stock, price = sku.stock, unit_micro(sku)
    code, name = names[stock.item_id]
    return (
        code, name, locations[stock.location_id].path, stock.expiry_date, stock.lot, stock.serial, stock.opened_on,
        quantity_cell(stock.milli), stock.unit, None if price is None else price_cell(price),
        None if sku.micro is None else price_cell(sku.micro), currency,
    )  # fmt: skip
