"""Reads many items at once: their rows, then by one query each what hangs on all of them.

An item's row, with its version, is read first: what hangs on it is never older than that version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from stocky.catalogue.schemas import Barcode, Item
from stocky.db import Ask, Script


class ItemRow(Item, kw_only=True, gc=False):
    """An item whose barcodes and tags are still to be read."""

    upc: str | None = None
    barcodes: list[Barcode] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class _BarcodeRow(Struct, gc=False):
    item_id: int
    code: str
    pack_quantity: float
    is_primary: bool


class _TagRow(Struct, gc=False):
    item_id: int
    name: str


def items_by_id(ids: Iterable[int]) -> Script[dict[int, Item]]:
    """Items by their ids; those that are not there are left out."""
    wanted = _json(sorted(set(ids)))
    rows: list[ItemRow] = yield Ask("list_items_by_id", {"ids": wanted}, ItemRow)
    return {item.id: item for item in (yield from whole_items(rows))}


def whole_items(rows: Sequence[ItemRow]) -> Script[list[Item]]:
    """The items of these rows with what hangs on them, in their order."""
    if not rows:
        return []
    by_id = {row.id: row for row in rows}
    wanted = {"ids": _json(by_id)}
    barcodes: list[_BarcodeRow] = yield Ask("list_barcodes_of", wanted, _BarcodeRow)
    for each in barcodes:
        item = by_id[each.item_id]
        item.barcodes.append(Barcode(each.code, each.pack_quantity))
        if each.is_primary:
            item.upc = each.code
    tags: list[_TagRow] = yield Ask("list_tags_of", wanted, _TagRow)
    for tag in tags:
        by_id[tag.item_id].tags.append(tag.name)
    return list(rows)


def _json(ids: Iterable[int]) -> str:
    return msgspec.json.encode(list(ids)).decode()
