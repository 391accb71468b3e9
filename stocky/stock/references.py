"""What the references of operations lead to: items by id, code or barcode, places, SKUs, and what is to be undone.

A reference that leads nowhere becomes the refusal of its operation; only an unknown barcode makes an item.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

from stocky.barcodes.reading import ScannedCode
from stocky.catalogue.repository import add_stub
from stocky.catalogue.schemas import is_item_code
from stocky.db import Connection
from stocky.stock import units
from stocky.stock.models import OperationRejected
from stocky.stock.operations import ItemKey, Operation, Place

# By a barcode's key: the item's id and the thousandths that one scan counts. Plain rows: every scan asks for one.
_Barcodes = dict[str, tuple[int, int]]
# What is weighed first is kept in it.
_FIRST_UNIT = "kg"


class _PlaceRow(msgspec.Struct):
    id: int
    name: str
    box_no: int | None
    loc_no: int | None


class _SkuKey(msgspec.Struct):
    id: int
    item_id: int
    location_id: int


class LedgerRow(msgspec.Struct):
    """A row of the ledger that is to be undone."""

    id: int
    kind: str
    item_id: int
    location_id: int
    sku_id: int
    delta_milli: int
    reversed_by: int | None
    transfer_id: int | None
    batch_id: str | None
    is_unit_changed: bool


class ResolvedReferences(msgspec.Struct):
    """What the references of one operation lead to."""

    item_id: int | None = None
    pack_milli: int = 1000
    location_id: int | None = None
    to_location_id: int | None = None
    undone: list[LedgerRow] = []
    refusal: OperationRejected | None = None
    is_stub: bool = False


async def resolve(tx: Connection, operations: list[Operation]) -> dict[int, ResolvedReferences]:
    """By the operation's identity: its item, places and the rows it would undo; or why there are none."""
    skus = await _resolve_skus(tx, operations)
    undone = await _resolve_undone(tx, operations)
    touched = {row.location_id for row in skus.values()} | {row.location_id for row in undone}
    places = await _resolve_places(tx, operations, touched)
    barcodes, codes = await _resolve_item_keys(tx, operations)
    in_use = {place.id for place in places}
    found: dict[int, ResolvedReferences] = {}
    unknown: list[tuple[Operation, ScannedCode]] = []
    for operation in operations:
        one = found[id(operation)] = ResolvedReferences()
        try:
            if operation.sku_id is not None:
                _find_by_sku(operation, one, skus, in_use)
            if operation.place is not None:
                one.location_id = _one_place(operation.place, places)
            if operation.to_place is not None:
                one.to_location_id = _one_place(operation.to_place, places)
            if operation.item is not None and not _find_item(operation, operation.item, one, barcodes, codes):
                assert operation.item.scanned is not None
                unknown.append((operation, operation.item.scanned))
            if operation.kind == "undo":
                one.undone = _rows_to_undo(operation, undone, in_use)
        except OperationRejected as refusal:
            one.refusal = refusal
    if unknown:
        await _add_stubs(tx, unknown, found)
    return found


def batch_undone(operation: Operation) -> OperationRejected:
    """Why a batch cannot be undone once more."""
    return OperationRejected(f"Batch {operation.undo_batch} has been undone already", "undone")


def apply_pack_size(operation: Operation, pack_milli: int, unit: str | None, content: str | None) -> Operation:
    """The operation with its quantity, which counts packs, in the unit of what is in them.

    `unit` is what the stock there is counted in (None: the item was never anywhere), and `content` what a pack quantity
    counts (None: whatever the stock there is counted in). A weight counts where stock is kept by weight; a thing that
    is kept by the piece is one piece, however heavy. Raises OperationRejected for more than three decimals.
    """
    scanned = operation.item.scanned if operation.item else None
    if scanned is not None and scanned.milligrams is not None:
        known = unit or _FIRST_UNIT
        if units.is_weight(known):
            return _times(operation, _weight_milli(scanned, scanned.milligrams, known), known)
    if scanned is not None and scanned.count is not None:
        pack_milli *= scanned.count
    if pack_milli == 1000 and content is None:
        return operation
    return _times(operation, pack_milli, content)


async def _add_stubs(
    tx: Connection, unknown: list[tuple[Operation, ScannedCode]], found: dict[int, ResolvedReferences]
) -> None:
    """Makes items for barcodes that nobody knows, unless the event is one that was sent before."""
    event_ids = [operation.event_id for operation, _ in unknown if operation.event_id is not None]
    rows = await tx.rows("find_event_ids", event_ids=event_ids)
    known = {row[1] for row in rows}
    wanted = [(scanned, found[id(operation)]) for operation, scanned in unknown if operation.event_id not in known]
    # Two forms of one number make one item, which has the barcode as it was scanned first.
    first = {scanned.key: scanned.code for scanned, _ in reversed(wanted)}
    stubs: dict[str, int | None] = {}
    # In one order everywhere, so that two processes do not wait for each other in a circle.
    for key in sorted(first):
        stubs[key] = await add_stub(tx, first[key])
    taken = [key for key, item_id in stubs.items() if item_id is None]
    made_elsewhere: _Barcodes = {}
    if taken:
        made_elsewhere = await _find_barcodes(tx, taken)
    for scanned, one in wanted:
        if other := made_elsewhere.get(scanned.key):
            one.item_id, one.pack_milli = other
        else:
            one.item_id, one.is_stub = stubs[scanned.key], True


def _find_by_sku(operation: Operation, one: ResolvedReferences, skus: dict[int, _SkuKey], in_use: set[int]) -> None:
    assert operation.sku_id is not None
    sku = skus.get(operation.sku_id)
    if sku is None:
        raise OperationRejected(f"There is no SKU with id {operation.sku_id}", "not_found")
    if sku.location_id not in in_use and not operation.deactivate:
        raise _place_gone(sku.location_id)
    one.item_id, one.location_id = sku.item_id, sku.location_id


def _find_item(
    operation: Operation,
    key: ItemKey,
    one: ResolvedReferences,
    barcodes: _Barcodes,
    codes: dict[str, int],
) -> bool:
    """False for a barcode that nobody knows and that a stub is to be made for. Raises OperationRejected."""
    if key.id is not None:
        one.item_id = key.id
    elif key.code is not None:
        one.item_id = codes.get(key.code.upper())
        if one.item_id is None:
            raise OperationRejected(f"There is no item with code {key.code}", "not_found")
    elif (scanned := key.scanned) is not None:
        if scanned.problem is not None:
            raise OperationRejected(scanned.problem, "invalid")
        if barcode := barcodes.get(scanned.text) or barcodes.get(scanned.key):
            one.item_id, one.pack_milli = barcode
        elif by_code := codes.get(scanned.code.upper()):
            one.item_id = by_code
        elif operation.create_stub:
            return False
        else:
            raise OperationRejected(f"There is no item with barcode {scanned.code}", "not_found")
    return True


async def _resolve_item_keys(tx: Connection, operations: list[Operation]) -> tuple[_Barcodes, dict[str, int]]:
    keys = [operation.item for operation in operations if operation.item is not None]
    scanned = [key.scanned for key in keys if key.scanned is not None and key.scanned.problem is None]
    # What was entered with this very text comes first: a whole GS1 code, or an old barcode that another item has in
    # another form of its number.
    wanted = {each.key for each in scanned} | {each.text for each in scanned}
    barcodes: _Barcodes = {}
    if wanted:
        barcodes = await _find_barcodes(tx, list(wanted))
    unknown = {each.code.upper() for each in scanned if each.key not in barcodes and is_item_code(each.code)}
    codes = list({key.code.upper() for key in keys if key.code} | unknown)
    ids: dict[str, int] = {}
    if codes:
        ids = dict(await tx.rows("find_item_codes", codes=codes))
    return barcodes, ids


async def _find_barcodes(tx: Connection, code_keys: list[str]) -> _Barcodes:
    rows = await tx.rows("find_barcodes", code_keys=code_keys)
    return {code_key: (item_id, pack_milli) for code_key, item_id, pack_milli in rows}


async def _resolve_places(tx: Connection, operations: list[Operation], ids: set[int]) -> list[_PlaceRow]:
    """Those the operations name, and those of `ids`, as far as they are in use."""
    wanted = {place for operation in operations for place in (operation.place, operation.to_place) if place}
    if not wanted and not ids:
        return []
    places: list[_PlaceRow] = await tx.all(
        "find_places",
        _PlaceRow,
        ids=[*ids, *(place.id for place in wanted if place.id is not None)],
        names=[place.name for place in wanted if place.name is not None],
        box_nos=[place.box_no for place in wanted if place.box_no is not None],
        loc_nos=[place.loc_no for place in wanted if place.loc_no is not None],
    )
    return places


def _one_place(place: Place, places: list[_PlaceRow]) -> int:
    for row in places:
        if place.id is not None:
            if row.id == place.id:
                return row.id
        elif place.name is not None:
            if row.name == place.name:
                return row.id
        elif (row.box_no, row.loc_no) == (place.box_no, place.loc_no):
            return row.id
    if place.id is not None:
        raise OperationRejected(f"There is no active location with id {place.id}", "not_found")
    if place.name is not None:
        raise OperationRejected(f"There is no active location named {place.name!r}", "not_found")
    raise OperationRejected(f"There is no place {place.loc_no} in box {place.box_no}", "not_found")


async def _resolve_skus(tx: Connection, operations: list[Operation]) -> dict[int, _SkuKey]:
    ids = [operation.sku_id for operation in operations if operation.sku_id is not None]
    if not ids:
        return {}
    rows: list[_SkuKey] = await tx.all("find_sku_keys", _SkuKey, ids=ids)
    return {row.id: row for row in rows}


async def _resolve_undone(tx: Connection, operations: list[Operation]) -> list[LedgerRow]:
    events = [operation.undo_event for operation in operations if operation.undo_event is not None]
    batches = [operation.undo_batch for operation in operations if operation.undo_batch is not None]
    if not events and not batches:
        return []
    rows: list[LedgerRow] = await tx.all(
        "find_events_to_undo",
        LedgerRow,
        ids=events,
        batch_ids=batches,
    )
    return rows


def _rows_to_undo(operation: Operation, rows: list[LedgerRow], in_use: set[int]) -> list[LedgerRow]:
    chosen = _chosen_to_undo(operation, rows)
    for row in chosen:
        if row.location_id not in in_use:
            raise _place_gone(row.location_id)
    return chosen


def _place_gone(location_id: int) -> OperationRejected:
    return OperationRejected(f"The location {location_id} is no longer in use; make it active again first", "invalid")


def _chosen_to_undo(operation: Operation, rows: list[LedgerRow]) -> list[LedgerRow]:
    if operation.undo_batch is not None:
        # What was undone one by one already, and the undoing itself, is no longer part of the batch.
        of_batch = [row for row in rows if row.batch_id == operation.undo_batch and row.kind != "undo"]
        if not of_batch:
            raise OperationRejected(f"There is no batch {operation.undo_batch}", "not_found")
        left = [row for row in of_batch if row.reversed_by is None]
        if not left:
            raise batch_undone(operation)
        return left
    target = next((row for row in rows if row.id == operation.undo_event), None)
    if target is None:
        raise OperationRejected(f"There is no event with id {operation.undo_event}", "not_found")
    if target.transfer_id is None:
        return [target]
    return [row for row in rows if row.transfer_id == target.transfer_id]


def _weight_milli(scanned: ScannedCode, milligrams: int, unit: str) -> int:
    """The weight of a label in thousandths of a unit; rounded only from pounds and ounces, which its note tells."""
    assert units.MILLIGRAM.size is not None
    exact = Fraction(milligrams * 1000 * units.MILLIGRAM.size, units.measure_of(unit).size or 1)
    if exact < Fraction(1, 2) or (exact < 1 and not scanned.is_rounded):
        raise OperationRejected(f"The label's weight is less than 0.001 {unit}", "invalid")
    if exact.denominator != 1 and not scanned.is_rounded:
        raise OperationRejected(
            f"The label's weight is {units.told(exact, unit)}, which has more than three decimals; nothing is rounded."
            f" Count the stock there in a smaller unit than {unit}",
            "invalid",
        )
    return units.nearest(exact)


def _times(operation: Operation, pack_milli: int, unit: str | None) -> Operation:
    product = operation.quantity_milli * pack_milli
    if product % 1000:
        raise OperationRejected("The quantity times the pack quantity has more than three decimals", "invalid")
    return msgspec.structs.replace(operation, quantity_milli=product // 1000, unit=unit)
