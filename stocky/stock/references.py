"""Resolves the references of operations: items by id, code or barcode, locations, SKUs, and events to undo.

An unresolved reference rejects its operation; only an unknown barcode creates an item.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

from stocky.barcodes.codes import ScannedCode, clean
from stocky.catalogue.finding import FoundItems, KnownBarcodes, find_barcodes, find_items
from stocky.catalogue.location_names import AmbiguousName, LocationNames
from stocky.catalogue.stubs import add_stub
from stocky.db import Connection
from stocky.names import name_key
from stocky.stock import units
from stocky.stock.models import OperationRejected
from stocky.stock.operations import ItemKey, LocationKey, Operation

# The unit of an item's first weighed stock.
_FIRST_UNIT = "kg"


class _LocationRow(msgspec.Struct):
    id: int
    name: str
    path: str
    box_no: int | None
    loc_no: int | None
    is_person: bool


class _Locations:
    """Active locations by what operations name them with."""

    def __init__(self, rows: list[_LocationRow], *, are_named: bool) -> None:
        self.ids = {row.id for row in rows}
        self.persons = {row.id for row in rows if row.is_person}
        self._names = LocationNames(rows if are_named else [])
        self._places = {(row.box_no, row.loc_no): row.id for row in rows}

    def find(self, location: LocationKey) -> int:
        """The id of a location. Raises OperationRejected."""
        if location.id is not None:
            if location.id in self.ids:
                return location.id
            raise OperationRejected(f"There is no active location with id {location.id}", "not_found")
        if location.name is not None:
            try:
                named = self._names.find(location.name)
            except AmbiguousName as ambiguous:
                raise OperationRejected(str(ambiguous), "invalid") from None
            if named is None:
                raise OperationRejected(f"There is no active location named {location.name!r}", "not_found")
            return named.id
        place = self._places.get((location.box_no, location.loc_no))
        if place is None:
            raise OperationRejected(f"There is no location {location.loc_no} in box {location.box_no}", "not_found")
        return place


class _SkuKey(msgspec.Struct):
    id: int
    item_id: int
    location_id: int


class LedgerRow(msgspec.Struct):
    """A row of the ledger to undo."""

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
    """The resolved references of one operation."""

    item_id: int | None = None
    pack_milli: int = 1000
    location_id: int | None = None
    to_location_id: int | None = None
    undone: list[LedgerRow] = []
    rejection: OperationRejected | None = None
    is_stub: bool = False


async def resolve(
    tx: Connection, operations: list[Operation], barcodes: KnownBarcodes
) -> tuple[dict[int, ResolvedReferences], set[int]]:
    """By the operation's identity: its item, its locations and the rows to undo, or the rejection.

    Then those of the locations that are persons.
    """
    skus = await _resolve_skus(tx, operations)
    undone = await _resolve_undone(tx, operations)
    touched = {row.location_id for row in skus.values()} | {row.location_id for row in undone}
    locations = await _resolve_locations(tx, operations, touched)
    known = await _resolve_item_keys(tx, operations, barcodes)
    in_use = locations.ids
    found: dict[int, ResolvedReferences] = {}
    unknown: list[tuple[Operation, ScannedCode]] = []
    for operation in operations:
        one = found[id(operation)] = ResolvedReferences()
        try:
            if operation.sku_id is not None:
                _find_by_sku(operation, one, skus, in_use)
            if operation.location is not None:
                one.location_id = locations.find(operation.location)
            if operation.to_location is not None:
                one.to_location_id = locations.find(operation.to_location)
            if operation.item is not None and not _find_item(operation, operation.item, one, known):
                assert operation.item.scanned is not None
                unknown.append((operation, operation.item.scanned))
            if operation.kind == "undo":
                one.undone = _rows_to_undo(operation, undone, in_use)
        except OperationRejected as rejection:
            # Its traceback has this frame, and so itself: only the garbage collector would free that.
            one.rejection = rejection.with_traceback(None)
    if unknown:
        await _add_stubs(tx, unknown, found, known)
    return found, locations.persons


def batch_undone(operation: Operation) -> OperationRejected:
    """The rejection of a second undo of a batch."""
    return OperationRejected(f"Batch {operation.undo_batch} has been undone already", "undone")


def apply_pack_size(operation: Operation, pack_milli: int, unit: str | None, content: str | None) -> Operation:
    """Converts an operation's quantity from packs into the unit of their contents.

    `unit` is the unit of the stock at the location (None: the item has no SKU yet), `content` the unit of a pack
    quantity (None: the unit of the stock there). A label's weight counts where stock is counted by weight; an item
    counted by the piece is one piece, whatever its weight. Raises OperationRejected for more than three decimals.
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
    tx: Connection,
    unknown: list[tuple[Operation, ScannedCode]],
    found: dict[int, ResolvedReferences],
    items: FoundItems,
) -> None:
    """Creates items for unknown barcodes, unless the event was sent before."""
    event_ids = [operation.event_id for operation, _ in unknown if operation.event_id is not None]
    rows = await tx.rows("find_event_ids", event_ids=event_ids)
    known = {row[1] for row in rows}
    # Codes that would find each other's item create one, by the first of them. Until then its id is below zero.
    first: dict[int, ScannedCode] = {}
    wanted: list[tuple[int, ResolvedReferences]] = []
    for operation, scanned in unknown:
        if operation.event_id in known:
            continue
        if (item := items.find(scanned)) is None:
            item = (-1 - len(first), 1000)
            first[item[0]] = items.add_stub(scanned, item[0])
        wanted.append((item[0], found[id(operation)]))
    stubs: dict[int, int | None] = {}
    # Always in the same order, so that two processes do not deadlock.
    for number, scanned in sorted(first.items(), key=lambda each: each[1].key):
        stubs[number] = await add_stub(tx, scanned)
    taken = [first[number].key for number, item_id in stubs.items() if item_id is None]
    made_elsewhere = await find_barcodes(tx, taken) if taken else {}
    for number, one in wanted:
        if other := made_elsewhere.get(first[number].key):
            one.item_id, one.pack_milli = other
        else:
            one.item_id, one.is_stub = stubs[number], True


def _find_by_sku(operation: Operation, one: ResolvedReferences, skus: dict[int, _SkuKey], in_use: set[int]) -> None:
    assert operation.sku_id is not None
    sku = skus.get(operation.sku_id)
    if sku is None:
        raise OperationRejected(f"There is no SKU with id {operation.sku_id}", "not_found")
    if sku.location_id not in in_use and not operation.deactivate:
        raise _inactive_location(sku.location_id)
    one.item_id, one.location_id = sku.item_id, sku.location_id


def _find_item(operation: Operation, key: ItemKey, one: ResolvedReferences, known: FoundItems) -> bool:
    """False for an unknown barcode that needs a stub. Raises OperationRejected."""
    if key.id is not None:
        one.item_id = key.id
    elif key.code is not None:
        one.item_id = known.codes.get(clean(key.code).upper())
        if one.item_id is None:
            raise OperationRejected(f"There is no item with code {key.code}", "not_found")
    elif (scanned := key.scanned) is not None:
        if scanned.problem is not None:
            raise OperationRejected(scanned.problem, "invalid")
        if found := known.find(scanned):
            one.item_id, one.pack_milli = found
        elif operation.create_stub:
            return False
        else:
            raise OperationRejected(f"There is no item with barcode {scanned.code}", "not_found")
    return True


async def _resolve_item_keys(tx: Connection, operations: list[Operation], barcodes: KnownBarcodes) -> FoundItems:
    keys = [operation.item for operation in operations if operation.item is not None]
    scanned = [key.scanned for key in keys if key.scanned is not None and key.scanned.problem is None]
    return await find_items(tx, scanned, [clean(key.code).upper() for key in keys if key.code], barcodes)


async def _resolve_locations(tx: Connection, operations: list[Operation], ids: set[int]) -> _Locations:
    """The active locations that the operations name, and those of `ids`."""
    wanted = {key for operation in operations for key in (operation.location, operation.to_location) if key}
    keys = {name_key(key.name) for key in wanted if key.name is not None}
    rows: list[_LocationRow] = []
    if wanted or ids:
        rows = await tx.all(
            "find_locations",
            _LocationRow,
            ids=[*ids, *(key.id for key in wanted if key.id is not None)],
            keys=list(keys),
            box_nos=[key.box_no for key in wanted if key.box_no is not None],
            loc_nos=[key.loc_no for key in wanted if key.loc_no is not None],
        )
    return _Locations(rows, are_named=bool(keys))


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
            raise _inactive_location(row.location_id)
    return chosen


def _inactive_location(location_id: int) -> OperationRejected:
    return OperationRejected(f"The location {location_id} is no longer in use; make it active again first", "invalid")


def _chosen_to_undo(operation: Operation, rows: list[LedgerRow]) -> list[LedgerRow]:
    if operation.undo_batch is not None:
        # Events that were undone one by one, and the undo events, are no longer part of the batch.
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
    """The weight of a label in thousandths of a unit; rounded only from pounds and ounces, which its note states."""
    assert units.MILLIGRAM.size is not None
    exact = Fraction(milligrams * 1000 * units.MILLIGRAM.size, units.measure_of(unit).size or 1)
    if exact < Fraction(1, 2) or (exact < 1 and not scanned.is_rounded):
        raise OperationRejected(f"The label's weight is less than 0.001 {unit}", "invalid")
    if exact.denominator != 1 and not scanned.is_rounded:
        raise OperationRejected(
            f"The label's weight is {units.describe(exact, unit)}, which has more than three decimals; nothing is"
            f" rounded. Count the stock there in a smaller unit than {unit}",
            "invalid",
        )
    return units.nearest(exact)


def _times(operation: Operation, pack_milli: int, unit: str | None) -> Operation:
    product = operation.quantity_milli * pack_milli
    if product % 1000:
        raise OperationRejected("The quantity times the pack quantity has more than three decimals", "invalid")
    return msgspec.structs.replace(operation, quantity_milli=product // 1000, unit=unit)
