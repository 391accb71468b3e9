"""The barcodes of an item in the database; two forms of one number are one barcode, and it belongs to one item."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from stocky.barcodes.keys import normalize_barcode
from stocky.catalogue.schemas import Barcode, Item, ItemChange, Upc
from stocky.db import Connection
from stocky.errors import Conflict, Invalid
from stocky.http.validation_messages import describe_error
from stocky.quantity import to_milli


async def add_barcodes(tx: Connection, item_id: int, upc: str | None, barcodes: list[Barcode]) -> None:
    """Barcodes of an item that has none, `upc` first. Raises Conflict for one named twice or of another item."""
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
            told = "another item" if owner is None else f"{owner.name} ({owner.code})"
            field = "upc" if each.barcode == upc else "barcodes"
            raise Conflict(f"The barcode {each.barcode} belongs to {told} already", field=field)


async def change_barcodes(tx: Connection, item: Item, change: ItemChange) -> None:
    """The barcodes and the `upc` that `change` names.

    Raises Conflict as `add_barcodes` does, Invalid for a new `upc` that is none.
    """
    if isinstance(change.upc, str) and all(each.barcode != change.upc for each in item.barcodes):
        _check_upc(change.upc)
    upc = item.upc if change.upc is UNSET else change.upc
    barcodes = item.barcodes if change.barcodes is UNSET else change.barcodes
    if change.barcodes is UNSET:
        barcodes = [each for each in barcodes if each.barcode != item.upc or _same(each.barcode, upc)]
    elif change.upc is UNSET:
        kept = [each for each in barcodes if _same(each.barcode, upc)] or barcodes
        upc = kept[0].barcode if kept else None
    if (upc, barcodes) == (item.upc, item.barcodes):
        return
    await tx.execute("remove_barcodes", item_id=item.id)
    await add_barcodes(tx, item.id, upc, barcodes)


def without(barcodes: list[Barcode], barcode: str) -> list[Barcode]:
    """Those left when this one is taken away: the one with its very text, or else with the same number."""
    if any(each.barcode == barcode for each in barcodes):
        return [each for each in barcodes if each.barcode != barcode]
    return [each for each in barcodes if not _same(each.barcode, barcode)]


def _check_upc(text: str) -> None:
    try:
        msgspec.convert(text, Upc)
    except msgspec.ValidationError as error:
        raise Invalid(f"upc: {describe_error(error, Upc)}", field="upc") from None


def _in_order(upc: str | None, barcodes: list[Barcode]) -> list[Barcode]:
    """All barcodes of an item, the one that is its `upc` first and written as there."""
    if len({normalize_barcode(each.barcode) for each in barcodes}) < len(barcodes):
        raise Conflict("A barcode is named twice, perhaps in two forms; name each one once", field="barcodes")
    if upc is None:
        return barcodes
    same = next((each for each in barcodes if _same(each.barcode, upc)), None)
    first = Barcode(upc) if same is None else Barcode(upc, same.pack_quantity)
    return [first, *(each for each in barcodes if each is not same)]


def _same(barcode: str, other: str | None) -> bool:
    return other is not None and normalize_barcode(barcode) == normalize_barcode(other)
