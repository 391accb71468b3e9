"""The barcodes of items in the database; a barcode, in whatever form of its number, belongs to one item."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from stocky.barcodes.codes import normalize_barcode
from stocky.catalogue.schemas import Barcode, Item, ItemChange, Upc
from stocky.db import Connection
from stocky.errors import Conflict, Invalid
from stocky.http.validation_messages import describe_error
from stocky.quantity import to_milli


async def add_barcodes(tx: Connection, item_id: int, upc: str | None, barcodes: list[Barcode]) -> None:
    """Adds barcodes to an item that has none, `upc` first. Raises Conflict for a repeated one or another item's."""
    for each in _in_order(upc, barcodes):
        key = normalize_barcode(each.barcode)
        added = await tx.value(
            "add_barcode",
            code=each.barcode,
            code_key=key,
            item_id=item_id,
            pack_milli=to_milli(each.pack_quantity),
            is_primary=each.barcode == upc,
        )
        if added is None:
            owner = await tx.one("find_item_by_barcode", Item, code=each.barcode, code_key=key)
            name = "another item" if owner is None else f"{owner.name} ({owner.code})"
            field = "upc" if each.barcode == upc else "barcodes"
            raise Conflict(f"The barcode {each.barcode} already belongs to {name}", field=field)


async def change_barcodes(tx: Connection, item: Item, change: ItemChange) -> None:
    """Applies the barcodes and the `upc` of `change`.

    Raises Conflict as `add_barcodes` does, Invalid for a new `upc` that is not one.
    """
    if isinstance(change.upc, str) and all(each.barcode != change.upc for each in item.barcodes):
        _check_upc(change.upc)
    upc = item.upc if change.upc is UNSET else change.upc
    barcodes = item.barcodes if change.barcodes is UNSET else change.barcodes
    if change.barcodes is UNSET:
        barcodes = [each for each in barcodes if each.barcode != item.upc or _same(each.barcode, upc)]
    elif change.upc is UNSET:
        candidates = [each for each in barcodes if _same(each.barcode, upc)] or barcodes
        upc = candidates[0].barcode if candidates else None
    if (upc, barcodes) == (item.upc, item.barcodes):
        return
    await tx.execute("remove_barcodes", item_id=item.id)
    await add_barcodes(tx, item.id, upc, barcodes)


def without(barcodes: list[Barcode], barcode: str) -> list[Barcode]:
    """The barcodes without this one: an exact match of its text, or else of its number."""
    if any(each.barcode == barcode for each in barcodes):
        return [each for each in barcodes if each.barcode != barcode]
    return [each for each in barcodes if not _same(each.barcode, barcode)]


def _check_upc(text: str) -> None:
    try:
        msgspec.convert(text, Upc)
    except msgspec.ValidationError as error:
        raise Invalid(f"upc: {describe_error(error, Upc)}", field="upc") from None


def _in_order(upc: str | None, barcodes: list[Barcode]) -> list[Barcode]:
    """All barcodes of an item, its `upc` first and in that form."""
    if len({normalize_barcode(each.barcode) for each in barcodes}) < len(barcodes):
        raise Conflict("A barcode is listed twice, perhaps in two forms; list each one once", field="barcodes")
    if upc is None:
        return barcodes
    same = next((each for each in barcodes if _same(each.barcode, upc)), None)
    first = Barcode(upc) if same is None else Barcode(upc, same.pack_quantity)
    return [first, *(each for each in barcodes if each is not same)]


def _same(barcode: str, other: str | None) -> bool:
    return other is not None and normalize_barcode(barcode) == normalize_barcode(other)
