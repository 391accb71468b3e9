"""Finds the items of scanned codes: by a barcode, by the maker's part number on a bag, or by a four-letter code.

Every route finds items here, so that a text means the same item by all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase, ascii_uppercase

from msgspec import Struct
from msgspec.structs import replace

from stocky.barcodes.codes import ScannedCode, normalize_barcode
from stocky.catalogue.schemas import is_item_code
from stocky.db import Connection

# By barcode key: the item's id and the thousandths that one scan counts. Plain rows, since every scan reads one.
_Barcodes = dict[str, tuple[int, int]]
# The same, and None for a key that no barcode has.
KnownBarcodes = dict[str, tuple[int, int] | None]
# Both databases compare only ASCII letters in either case: upper() of Python also changes µ and ß.
_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)


class FoundItems(Struct):
    """The items of some scanned codes: by barcode key, by four-letter code, and by the maker's part number.

    `parts_of` has the maker's part number of the items that a seller's number finds.
    """

    barcodes: _Barcodes
    codes: dict[str, int]
    parts: dict[str, int]
    parts_of: dict[int, str]

    def find(self, scanned: ScannedCode) -> tuple[int, int] | None:
        """The item's id and the thousandths that one scan counts; None for an unknown code."""
        if scanned.bag is not None:
            # Its quantity is in pieces, whatever a scan of the part number alone counts.
            item_id = self._find_bag(scanned)
            return None if item_id is None else (item_id, 1000)
        for key in scanned.lookup_keys():
            if (barcode := self.barcodes.get(key)) is not None:
                return barcode
        by_code = self.codes.get(scanned.code.upper())
        return None if by_code is None else (by_code, 1000)

    def add_stub(self, scanned: ScannedCode, item_id: int) -> ScannedCode:
        """Adds the item that a scan will create; returns the scan without a seller's number that an item has.

        Later codes then find what they would find if the item had been created before they were scanned.
        """
        self.barcodes[scanned.key] = (item_id, 1000)
        bag = scanned.bag
        if bag is None:
            return scanned
        if part := _part(scanned):
            self.parts.setdefault(part, item_id)
        self.parts_of[item_id] = part
        if bag.seller_part is None:
            return scanned
        key = normalize_barcode(bag.seller_part)
        if self.barcodes.setdefault(key, (item_id, 1000))[0] == item_id:
            return scanned
        return replace(scanned, bag=replace(bag, seller_part=None))

    def _find_bag(self, scanned: ScannedCode) -> int | None:
        """The item of the maker's part number, or else of a seller's, unless that has another maker's part number."""
        keys = scanned.lookup_keys()
        for key in keys[: len(keys) - len(scanned.others)]:
            if (barcode := self.barcodes.get(key)) is not None:
                return barcode[0]
        part = _part(scanned)
        if (item_id := self.parts.get(part)) is not None:
            return item_id
        for key in scanned.others:
            barcode = self.barcodes.get(key)
            if barcode is not None and (not part or self.parts_of.get(barcode[0], "") in ("", part)):
                return barcode[0]
        return None


async def find_items(
    tx: Connection, scanned: Sequence[ScannedCode], codes: Iterable[str] = (), known: KnownBarcodes | None = None
) -> FoundItems:
    """The items of scanned codes without a problem, and those with the four-letter `codes`.

    Barcodes that are not `known` are read, and added to them.
    """
    wanted: set[str] = set()
    for each in scanned:
        wanted.update(each.lookup_keys())
    known = {} if known is None else known
    if missing := [key for key in wanted if key not in known]:
        known.update(dict.fromkeys(missing))
        known.update(await find_barcodes(tx, missing))
    barcodes = {key: barcode for key in wanted if (barcode := known[key]) is not None}
    unknown = {each.code.upper() for each in scanned if each.key not in barcodes and is_item_code(each.code)}
    all_codes = list({*codes, *unknown})
    ids: dict[str, int] = {}
    if all_codes:
        ids = dict(await tx.rows("find_item_codes", codes=all_codes))
    parts = {_part(each) for each in scanned if each.bag is not None} - {""}
    if not parts:
        return FoundItems(barcodes, ids, {}, {})
    by_seller = {barcodes[key][0] for each in scanned for key in each.others if key in barcodes}
    return FoundItems(barcodes, ids, await _find_parts(tx, parts), await _find_parts_of(tx, by_seller))


async def find_barcodes(tx: Connection, code_keys: list[str]) -> _Barcodes:
    """The items of barcode keys."""
    rows = await tx.rows("find_barcodes", code_keys=code_keys)
    return {code_key: (item_id, pack_milli) for code_key, item_id, pack_milli in rows}


async def find_owners_of_parts(read: Connection, parts: set[str]) -> dict[str, list[int]]:
    """The items in use of the maker's part numbers `parts`, as `fold_part` returns them.

    Of several items with a number, it is those that also have it as a barcode, if there are any.
    """
    rows = await read.rows("find_items_of_parts", parts=sorted(parts))
    found = {}
    for part in parts:
        owners = [(item_id, is_barcode) for own, item_id, is_barcode in rows if own == part]
        barcoded = [owner for owner in owners if owner[1]] if len(owners) > 1 else []
        found[part] = [item_id for item_id, _ in barcoded or owners]
    return found


def fold_part(text: str) -> str:
    """A maker's part number in the case in which it is compared."""
    return text.translate(_UPPER)


async def _find_parts(tx: Connection, parts: set[str]) -> dict[str, int]:
    """The items of the maker's part numbers that one item has."""
    owners = await find_owners_of_parts(tx, parts)
    return {part: items[0] for part, items in owners.items() if len(items) == 1}


async def _find_parts_of(tx: Connection, item_ids: set[int]) -> dict[int, str]:
    rows = await tx.rows("find_parts_of_items", ids=sorted(item_ids)) if item_ids else []
    return {item_id: fold_part(part) for item_id, part in rows}


def _part(scanned: ScannedCode) -> str:
    """The maker's part number on a bag, in the case in which it is compared."""
    return fold_part((scanned.bag and scanned.bag.maker_part) or "")
