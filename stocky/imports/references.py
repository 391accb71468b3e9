"""Reads what the rows of a chunk refer to, in a few queries: items, locations, stock, types, earlier imports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.barcodes.measures import item_number
from stocky.catalogue.field_repository import Fields, fields_of_types
from stocky.catalogue.finding import find_owners_of_parts, fold_part
from stocky.catalogue.location_names import LocationNames
from stocky.catalogue.repository import get_items
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.errors import Conflict
from stocky.imports.column_sources import AUTO_KEYS
from stocky.imports.fields import is_custom
from stocky.imports.repository import ImportKeys
from stocky.imports.row_parser import Line
from stocky.imports.schemas import ItemKey
from stocky.names import name_key
from stocky.prices.valuation import Valued, value_items
from stocky.schema import LocationKind
from stocky.settings.measure_rules import rules_for
from stocky.stock.models import LotKey, SkuState


class Location(msgspec.Struct):
    """A location that a row refers to."""

    id: int
    name: str
    path: str
    box_no: int | None = None
    loc_no: int | None = None
    kind: LocationKind = LocationKind.PLACE


class _Barcode(msgspec.Struct):
    code_key: str
    item_id: int


class _Code(msgspec.Struct):
    code: str
    id: int


class _Named(msgspec.Struct):
    id: int
    name: str


class _Type(msgspec.Struct):
    id: int
    name_key: str


class Booking(msgspec.Struct, frozen=True):
    """The booking of a row's stock: its `event_id`, whether it is booked already, and whether another import did it."""

    event_id: str
    is_done: bool
    by_other: bool


class _Imported(msgspec.Struct):
    event_id: str
    batch_id: str | None
    fingerprint: str | None
    is_undone: bool


class _Rejected(msgspec.Struct):
    event_id: str


class FoundReferences:
    """The referenced records, updated with the changes that the rows of the chunk make."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.codes: dict[str, int] = {}
        # By normalised barcode.
        self.barcodes: dict[str, int] = {}
        self.names: dict[str, list[int]] = {}
        # By the maker's part number, as it is compared.
        self.parts: dict[str, list[int]] = {}
        self.types: dict[str, int] = {}
        # The custom fields of types, where rows have any.
        self.fields: dict[int, Fields] = {}
        self.locations: LocationNames[Location] = LocationNames([])
        self.boxes: dict[tuple[int, int], Location] = {}
        self.levels: dict[tuple[int, int, LotKey], SkuState] = {}
        # What the SKUs of these levels cost, where rows have prices.
        self.prices: dict[int, Valued] = {}
        # By row number, for rows with stock.
        self.bookings: dict[int, Booking] = {}

    def owner(self, barcode: str) -> Item | None:
        """The item with this barcode; the exact text has precedence over another form of the number."""
        id = self.barcodes.get(barcode) or self.barcodes.get(barcode_key(barcode))
        return None if id is None else self.items[id]

    def change(self, item: Item) -> None:
        """Stores an item that a row created or changed."""
        self.barcodes = {key: id for key, id in self.barcodes.items() if id != item.id}
        self.barcodes.update((barcode_key(each.barcode), item.id) for each in item.barcodes)
        self.note(item)

    def note(self, item: Item) -> None:
        """Stores an item under its code and name."""
        if before := self.items.get(item.id):
            self.names[before.name] = [each for each in self.names.get(before.name, []) if each != item.id]
        self.items[item.id] = item
        self.codes[item.code] = item.id
        self.names.setdefault(item.name, []).append(item.id)
        if part := fold_part(item.manufacturer_code):
            owners = self.parts.setdefault(part, [])
            if item.id not in owners:
                owners.append(item.id)


def key_field(values: dict[str, Any], key: ItemKey) -> str | None:
    """The field that identifies the row's item; None when there is none."""
    wanted = AUTO_KEYS if key is ItemKey.AUTO else (key.value,)
    return next((field for field in wanted if values.get(field)), None)


def barcodes_of(values: dict[str, Any]) -> Iterator[str]:
    """Every barcode in the row."""
    if "barcode" in values:
        yield values["barcode"]
    yield from (code for code, _ in values.get("barcodes", ()))


def location_of(values: dict[str, Any]) -> str | None:
    """The path or the name of the row's location; None where a box has it."""
    return None if "box_no" in values else values.get("location_path") or values.get("location")


def paths_to(text: str) -> list[str]:
    """The text as a path, after those of the locations around it: `Garage`, then `Garage / Shelf 2`."""
    steps = [step.strip() for step in text.split(" / ")]
    return [" / ".join(steps[:number]) for number in range(1, len(steps) + 1)]


async def find_references(
    read: Connection, lines: list[Line], key: ItemKey, names: ImportKeys, *, lock: bool
) -> FoundReferences:
    """Reads what these rows refer to; `lock` locks the items until the transaction ends.

    A barcode that was repaired, and that an item has as it is written, is as it is written.
    """
    found = FoundReferences()
    values = [line.values for line in lines]
    wanted_barcodes = {code for each in values for code in barcodes_of(each)}
    wanted_barcodes |= {each.text for line in lines for each in line.repairs.values()}
    rules = await rules_for(read, wanted_barcodes)
    numbers = {code: number for code in wanted_barcodes if (number := item_number(code, rules))} if rules else {}
    wanted_barcodes.update(numbers.values())
    wanted_barcodes |= {barcode_key(code) for code in wanted_barcodes}
    barcodes = await read.all("find_barcodes", _Barcode, code_keys=wanted_barcodes)
    known = {each.code_key for each in barcodes}
    for line in lines:
        line.keep_barcodes(known)
    if numbers:
        _replace_pieces(values, numbers, known)
    codes = await read.all("find_item_codes", _Code, codes={each["code"] for each in values if "code" in each})
    named = {each["name"] for each in values if key_field(each, key) == "name"}
    called = await read.all("find_items_named", _Named, names=named) if named else []
    numbered = {fold_part(each["manufacturer_code"]) for each in values if key_field(each, key) == "manufacturer_code"}
    parts = await find_owners_of_parts(read, numbered) if numbered else {}
    ids = {each.item_id for each in barcodes} | {each.id for each in codes} | {each.id for each in called}
    ids.update(*parts.values())
    if lock:
        await read.all("lock_items", dict[str, Any], ids=ids)
    for item in (await get_items(read, ids)).values():
        found.note(item)
    # The code of a merged item refers to the item it was merged into.
    found.codes.update((each.code, each.id) for each in codes)
    found.barcodes = {each.code_key: each.item_id for each in barcodes if each.item_id in found.items}
    for name in named:
        found.names[name] = sorted(each.id for each in called if each.name == name)
    found.parts = {part: parts.get(part, []) for part in numbered}
    wanted_types = {name_key(each["type"]) for each in values if each.get("type")}
    if wanted_types:
        types = await read.all("find_item_types", _Type, keys=wanted_types)
        found.types = {each.name_key: each.id for each in types}
    if any(is_custom(field) for each in values for field in each):
        type_ids = {item.type_id for item in found.items.values() if item.type_id is not None}
        found.fields = await fields_of_types(read, type_ids | set(found.types.values()))
    stocked = [line for line in lines if line.has_stock]
    if stocked:
        await names.look_up(read, stocked)
        await _find_stock(read, found, stocked, ids, names)
    return found


async def find_parts(read: Connection, lines: list[Line]) -> FoundReferences:
    """Reads the items that rows of parts may mean: by code, barcode, the maker's part number or exact name."""
    found = FoundReferences()
    values = [line.values for line in lines]
    wanted_barcodes = {code for each in values for code in barcodes_of(each)}
    wanted_barcodes |= {barcode_key(code) for code in wanted_barcodes}
    barcodes = await read.all("find_barcodes", _Barcode, code_keys=wanted_barcodes)
    codes = await read.all("find_item_codes", _Code, codes={each["code"] for each in values if "code" in each})
    called = await read.all("find_items_named", _Named, names={name for each in values for name in part_names(each)})
    parts = await find_owners_of_parts(read, {part for each in values for part in part_numbers(each)})
    ids = {each.item_id for each in barcodes} | {each.id for each in codes} | {each.id for each in called}
    ids.update(*parts.values())
    found.items = await get_items(read, ids)
    found.codes = {each.code: each.id for each in codes}
    found.barcodes = {each.code_key: each.item_id for each in barcodes}
    for each in called:
        found.names.setdefault(each.name, []).append(each.id)
    found.parts = parts
    return found


def part_names(values: dict[str, Any]) -> list[str]:
    """The names that the item of a part may have, the most special first."""
    name, footprint = values.get("name", ""), values.get("footprint")
    names = [values.get("manufacturer_code", ""), f"{name}, {footprint}" if name and footprint else "", name]
    return [each for each in dict.fromkeys(names) if each]


def part_numbers(values: dict[str, Any]) -> list[str]:
    """The maker's part number of a part, as it is compared; without one its value may be it."""
    number = fold_part(values.get("manufacturer_code") or values.get("name") or "")
    return [number] if number else []


def _replace_pieces(values: list[dict[str, Any]], numbers: dict[str, str], known: set[str]) -> None:
    """Replaces variable-measure barcodes by the item numbers in them, except for those that an item has as they are."""
    numbers = {code: number for code, number in numbers.items() if code not in known and barcode_key(code) not in known}
    for each in values:
        if "barcode" in each:
            each["barcode"] = numbers.get(each["barcode"], each["barcode"])
        if "barcodes" in each:
            each["barcodes"] = tuple((numbers.get(code, code), pack) for code, pack in each["barcodes"])


async def _find_stock(
    read: Connection, found: FoundReferences, lines: list[Line], ids: set[int], names: ImportKeys
) -> None:
    named = {location_of(line.values) for line in lines} - {None}
    locations = await read.all(
        "find_named_locations",
        Location,
        keys={name_key(path) for text in named if text for path in paths_to(text)},
        box_nos={line.values["box_no"] for line in lines if "box_no" in line.values},
    )
    found.locations = LocationNames(locations)
    for location in locations:
        if location.box_no is not None and location.loc_no is not None:
            found.boxes[location.box_no, location.loc_no] = location
    for level in await read.all("list_skus_of_items", SkuState, ids=ids):
        found.levels[level.item_id, level.location_id, level.key] = level
    if any("unit_price" in line.values for line in lines):
        found.prices = await value_items(read, ids)
    waiting = [(line.number, *names.of(line), 1) for line in lines]
    while waiting:
        event_ids = {name.event_id(number, time) for _, name, number, time in waiting}
        rows = await read.all("find_imported_events", _Imported, event_ids=event_ids)
        imported = {row.event_id: row for row in rows}
        rejected = {row.event_id for row in await read.all("find_refusals", _Rejected, event_ids=event_ids)}
        again = []
        for line, name, number, time in waiting:
            event_id = name.event_id(number, time)
            event = imported.get(event_id)
            if event_id in rejected or (event is not None and event.is_undone):
                # An undone event may be imported again, and a corrected row that was rejected, under another event id.
                again.append((line, name, number, time + 1))
                continue
            if event is not None and event.fingerprint != name.fingerprint(number):
                raise Conflict("This import_key was used for another file; use another key for this file")
            is_own = event is not None and event.batch_id == name.import_id
            is_done = event is not None or name.was_taken(number)
            found.bookings[line] = Booking(event_id, is_done, is_done and not is_own)
        waiting = again
