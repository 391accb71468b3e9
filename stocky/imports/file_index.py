"""Indexes the earlier rows of a file, to check later rows against them. Stores some bytes per item, not the rows."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import msgspec

from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.catalogue.finding import fold_part
from stocky.catalogue.location_names import AmbiguousName, LocationNames
from stocky.catalogue.schemas import Item
from stocky.imports import presets
from stocky.imports.fields import FIELDS, About, is_custom
from stocky.imports.references import barcodes_of, key_field
from stocky.imports.row_changes import RowRejected, StockStep, check_kind
from stocky.imports.row_parser import ORIGIN_COLUMN, Line
from stocky.imports.schemas import ImportOptions, StockMode
from stocky.names import name_key
from stocky.schema import LocationKind
from stocky.stock import units

# The fields that several items may have in common, in words.
_SHARED = {"name": "name", "manufacturer_code": "maker's part number"}
# The owner of a name that several items share.
_SEVERAL = 0
# Enough for any item, and few enough for a file with another unit in each row.
_MOST_UNITS = 20
# What two rows about one item are compared by; the last stands for all custom fields.
_ITEM_FIELDS = (*(field.name for field in FIELDS if field.about is About.ITEM), "fields")


class NewPath(msgspec.Struct):
    """A location that the file creates."""

    id: int
    name: str
    path: str
    kind: LocationKind


class FileIndex:
    """The items, barcodes, locations and stock of the rows so far.

    An item has its id, or a negative number if the file creates it.
    Text is stored as its hash: 64 bits, without practical collisions in a file of this size.
    """

    def __init__(self, options: ImportOptions) -> None:
        self._key = options.key
        # Files of other programs repeat an item for each of its lots, not always in the same words.
        self.may_differ = options.preset in presets.BY_NAME
        self._owners: dict[int, int] = {}
        self._rows: dict[int, tuple[int, bytes]] = {}
        self._stock: dict[int, int] = {}
        # The rows that have a piece with a serial number in stock.
        self._pieces: dict[int, int] = {}
        self._units: dict[int, tuple[str, ...]] = {}
        self._origins: dict[int, int] = {}
        self._made = 0
        # Those that earlier rows create.
        self.locations: LocationNames[NewPath] = LocationNames([])
        self.new_paths: list[str] = []
        self.types: dict[str, None] = {}

    def item_of(self, line: Line, item: Item | None) -> int | None:
        """The item of the row; None when no earlier row names it. Raises RowRejected for an ambiguous name."""
        field = key_field(line.values, self._key)
        owner = None if field is None else self._owners.get(_key(field, line.values[field]))
        if field in _SHARED and (owner == _SEVERAL or (item is not None and owner not in (None, item.id))):
            raise RowRejected(
                f"Several items have the {_SHARED[field]} {line.values[field]!r}; name it by code or barcode", field
            )
        return owner if item is None else item.id

    def has_earlier_row(self, id: int | None, line: Line) -> bool:
        """Whether an earlier row describes this item. Raises RowRejected when the two contradict each other.

        A field that only the later row has counts as a contradiction; with a preset the first row counts.
        """
        if id is None or id not in self._rows:
            return False
        first, digest = self._rows[id]
        for field, value, earlier in zip(_ITEM_FIELDS, _digest(line.values), array("q", digest), strict=True):
            if value and value != earlier and not self.may_differ:
                raise RowRejected(f"Row {first} is about the same item with another value; change it there", field)
        return True

    def check_barcodes(self, id: int | None, line: Line) -> None:
        """Raises RowRejected for a barcode that an earlier row gives to another item."""
        for code in barcodes_of(line.values):
            owner = self._owners.get(_key("barcode", code))
            if owner is not None and owner != id:
                raise RowRejected(
                    f"Row {self._rows[owner][0]} gives the barcode {code} to another item",
                    "barcode" if line.values.get("barcode") == code else "barcodes",
                )

    def add_item(self, id: int | None, line: Line) -> int:
        """Stores the row's item fields."""
        if id is None:
            self._made += 1
            id = -self._made
        self._rows[id] = (line.number, _digest(line.values).tobytes())
        for code in barcodes_of(line.values):
            self._owners[_key("barcode", code)] = id
        if "code" in line.values:
            self._owners[_key("code", line.values["code"])] = id
        for field in _SHARED:
            if line.values.get(field):
                shared = _key(field, line.values[field])
                self._owners[shared] = id if self._owners.get(shared, id) == id else _SEVERAL
        return id

    def check_origin(self, line: Line) -> None:
        """Raises RowRejected when an earlier row has the same origin: only one of the two would be booked."""
        earlier = None if line.origin is None else self._origins.get(hash(line.origin))
        if earlier is not None:
            raise RowRejected(f"Row {earlier} has the same {ORIGIN_COLUMN}; empty it in one of the two to book both")

    def check_location(self, step: StockStep) -> None:
        """Takes the location that an earlier row creates, if the row names that. Raises RowRejected."""
        if step.location is None:
            try:
                find = self.locations.at if step.is_path else self.locations.find
                if (created := find(step.location_path)) is not None:
                    check_kind(step.kind, created.kind, created.path)
                    step.location_path, step.new_paths = created.path, []
            except AmbiguousName as ambiguous:
                raise RowRejected(str(ambiguous), "location") from None

    def units_of(self, id: int | None) -> tuple[str, ...]:
        """The units without a measure in which earlier rows count this item."""
        return () if id is None else self._units.get(id, ())

    def check_stock(self, id: int, step: StockStep) -> None:
        """Raises RowRejected when an earlier row sets the same stock, or has the same piece in stock."""
        earlier = self._stock.get(_stock_key(id, step))
        if earlier is not None and step.mode is StockMode.SET:
            raise RowRejected(f"Row {earlier} counts the same stock; add up the two, or use stock=add", "quantity")
        earlier = self._pieces.get(hash((id, step.lot.serial))) if step.lot.serial and step.quantity_milli else None
        if earlier is not None:
            raise RowRejected(f"Row {earlier} has the piece with the serial number {step.lot.serial} already", "serial")

    def add_stock(self, id: int, step: StockStep, line: Line) -> None:
        """Stores the row's stock."""
        self._stock[_stock_key(id, step)] = line.number
        if step.lot.serial and step.quantity_milli:
            self._pieces[hash((id, step.lot.serial))] = line.number
        known = self.units_of(id)
        if step.row_unit and len(known) < _MOST_UNITS and not units.is_listed(step.row_unit):
            self._units[id] = tuple(dict.fromkeys((*known, sys.intern(step.row_unit))))
        if line.origin is not None:
            self._origins[hash(line.origin)] = line.number
        for path in step.new_paths:
            if self.locations.at(path) is None:
                self.new_paths.append(path)
                kind = (step.kind if path == step.location_path else None) or LocationKind.PLACE
                self.locations.add(NewPath(len(self.new_paths), path.rpartition(" / ")[2], path, kind))


def _key(field: str, text: str) -> int:
    if field == "barcode":
        text = barcode_key(text)
    elif field == "manufacturer_code":
        text = fold_part(text)
    return hash((field, text))


def _stock_key(id: int, step: StockStep) -> int:
    location: Any = name_key(step.location_path) if step.location is None else step.location.id
    return hash((id, location, step.lot))


def _digest(values: dict[str, Any]) -> array[int]:
    """A number for each item field, 0 for a field that the row does not have."""
    fields = dict(values)
    if "barcode" in fields:
        fields["barcode"] = barcode_key(fields["barcode"])
    if custom := frozenset((field, value) for field, value in fields.items() if is_custom(field)):
        fields["fields"] = custom
    return array("q", [hash((field, fields[field])) or 1 if field in fields else 0 for field in _ITEM_FIELDS])
