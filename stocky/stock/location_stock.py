"""The stock of one location: listed by name, moved at once, and counted in a stock-take, each as one batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.location_repository import get_location
from stocky.catalogue.repository import like_pattern
from stocky.db import Connection
from stocky.errors import Conflict, Invalid
from stocky.quantity import to_milli
from stocky.stock import repository
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.emptied import find_emptied_before
from stocky.stock.operations import ItemKey, LocationKey, Operation, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import Sku
from stocky.stock.service import error_of

# As many as one request may book.
MAX_MOVED = 1000
_CHANGED = "Something was booked here since the page was loaded; look again, then book it"


class _Count(Struct):
    location_id: int
    item_count: int


class Counted(Struct, frozen=True):
    """The counted quantity of a SKU that had the version `version` when its quantity was read."""

    sku_id: int
    quantity: float
    version: int


class StockTake(Struct):
    """The result of a stock-take: `refused` has the reason for each SKU that was not booked."""

    booked: int
    refused: dict[int, str]
    batch_id: str


async def count_items_at(read: Connection, location_ids: Collection[int]) -> dict[int, int]:
    """The number of items with stock at each location; 0 is left out."""
    if not location_ids:
        return {}
    return {row.location_id: row.item_count for row in await read.all("count_stock_at", _Count, ids=location_ids)}


async def count_skus_at(
    read: Connection, location_id: int, *, holds_stock: bool = True, search: str | None = None
) -> int:
    """The number of SKUs at a location: those with a quantity, or those without."""
    number: int = await read.value(
        "count_skus_at", location_id=location_id, holds_stock=holds_stock, pattern=like_pattern(search)
    )
    return number


async def list_skus_at(
    read: Connection, location_id: int, *, skip: int, limit: int, holds_stock: bool = True, search: str | None = None
) -> list[Sku]:
    """These SKUs in the order of the items' names, each with its item; of empty ones those that lists have."""
    rows = await read.rows(
        "list_sku_ids_by_name",
        location_id=location_id,
        holds_stock=holds_stock,
        emptied_before=clock.LONG_AGO if holds_stock else await find_emptied_before(read),
        pattern=like_pattern(search),
        skip=skip,
        limit=limit,
    )
    ids = [row[0] for row in rows]
    by_id = {sku.id: sku for sku in await read.all("list_skus_by_id", Sku, ids=ids)} if ids else {}
    skus = [by_id[id] for id in ids if id in by_id]
    await repository.expand_skus(read, skus, {"item"})
    return skus


async def find_skus_at(
    read: Connection, location_id: int, sku_ids: Collection[int], *, with_empty: bool = False
) -> list[Sku]:
    """Those of these SKUs that are at the location with a quantity, by the items' names, each with its item.

    `with_empty`: also those that were there, empty and hidden ones.
    """
    found = await read.all("list_skus_by_id", Sku, ids=sku_ids)
    here = [sku for sku in found if sku.location_id == location_id]
    skus = here if with_empty else [sku for sku in here if sku.is_active and sku.quantity]
    await repository.expand_skus(read, skus, {"item"})
    return sorted(skus, key=lambda sku: (_name(sku).lower(), sku.id))


async def move_stock(
    tx: Connection,
    recorder: Recorder,
    location_id: int,
    to_location_id: int,
    by: Principal,
    sku_ids: Collection[int] | None = None,
) -> tuple[int, str]:
    """Moves all stock of a location, or these SKUs of it, to another one; returns their number and the batch.

    All or nothing. Raises NotFound, Invalid for the same location, Conflict for nothing to move or what the rules of
    stock do not allow.
    """
    if location_id == to_location_id:
        raise Invalid("It is there already; choose another location", field="to_location_id")
    await tx.all("lock_locations", dict[str, int], ids=sorted({location_id, to_location_id}))
    here = await get_location(tx, location_id)
    await get_location(tx, to_location_id)
    if sku_ids is None:
        skus = await list_skus_at(tx, location_id, skip=0, limit=MAX_MOVED + 1)
    else:
        skus = await find_skus_at(tx, location_id, sku_ids)
    if len(skus) > MAX_MOVED:
        raise Conflict(f"{here.name} holds more than {MAX_MOVED:,} lots; move some of them at a time")
    if below := [sku for sku in skus if sku.quantity < 0]:
        names = ", ".join(sorted({_name(sku) for sku in below}))
        raise Conflict(f"Nothing was moved: {names} is below zero in {here.name}; count it first")
    if not skus:
        raise Conflict(f"There is nothing to move in {here.name}")
    operations = [
        Operation(
            kind="move",
            item=ItemKey(id=sku.item_id),
            location=LocationKey(id=location_id),
            to_location=LocationKey(id=to_location_id),
            quantity_milli=to_milli(sku.quantity),
            expiry_date=sku.expiry_date,
            lot=sku.lot,
            serial=sku.serial,
            opened_on=sku.opened_on,
            # A new SKU at the target gets the notes of this one.
            notes=sku.notes,
            user_id=by.id,
        )
        for sku in skus
    ]
    posting = Posting(operations, batch_id=new_batch_id(), atomic=True)
    await recorder.post_within(tx, posting)
    if posting.rejected_whole:
        raise error_of(next(each for each in posting.outcomes if each.status == "rejected"))
    return len(skus), posting.batch_id or ""


async def book_stock_take(recorder: Recorder, counted: Iterable[Counted], by: Principal) -> StockTake:
    """Sets the counted quantities; a SKU that was changed since it was read is refused, the others are booked."""
    each = list(counted)
    operations = [
        Operation(
            kind="set",
            sku_id=one.sku_id,
            quantity_milli=to_milli(one.quantity),
            if_versions=[one.version],
            note="stock-take",
            user_id=by.id,
        )
        for one in each
    ]
    posting = await recorder.post(Posting(operations, batch_id=new_batch_id()))
    refused = {
        one.sku_id: _CHANGED if outcome.rejection == "stale" else outcome.reason or ""
        for one, outcome in zip(each, posting.outcomes, strict=True)
        if outcome.status == "rejected"
    }
    return StockTake(len(each) - len(refused), refused, posting.batch_id or "")


def _name(sku: Sku) -> str:
    # The item was read with it.
    return str(getattr(sku.item, "name", ""))
