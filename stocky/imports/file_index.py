"""Indexes the earlier rows of a file, to check later rows against them. Stores some bytes per item, not the rows."""

from __future__ import annotations

from array import array
from typing import Any

from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.catalogue.schemas import Item
from stocky.imports.fields import FIELDS, About
from stocky.imports.references import barcodes_of, key_of
from stocky.imports.row_changes import RowRejected, StockStep
from stocky.imports.row_parser import ORIGIN_COLUMN, Line
from stocky.imports.schemas import ItemKey, StockMode

# The owner of a name that several items share.
_SEVERAL = 0
_ITEM_FIELDS = tuple(field.name for field in FIELDS if field.about is About.ITEM)


class FileIndex:
    """The items, barcodes, locations and stock of the rows so far.

    An item has its id, or a negative number if the file creates it.
    Text is stored as its hash: 64 bits, without practical collisions in a file of this size.
    """

    def __init__(self, key: ItemKey) -> None:
        self._key = key
        self._owners: dict[int, int] = {}
        self._rows: dict[int, tuple[int, bytes]] = {}
        self._stock: dict[int, int] = {}
        self._origins: dict[int, int] = {}
        self._made = 0
        self.locations: dict[str, None] = {}
        self.types: dict[str, None] = {}

    def item_of(self, line: Line, item: Item | None) -> int | None:
        """The item of the row; None when no earlier row names it. Raises RowRejected for an ambiguous name."""
        field = key_of(line.values, self._key)
        owner = None if field is None else self._owners.get(_key(field, line.values[field]))
        if field == "name" and (owner == _SEVERAL or (item is not None and owner not in (None, item.id))):
            raise RowRejected(
                f"Several items have the name {line.values['name']!r}; name it by code or barcode", "name"
            )
        return owner if item is None else item.id

    def has_earlier_row(self, id: int | None, line: Line) -> bool:
        """Whether an earlier row describes this item. Raises RowRejected when the two contradict each other.

        A field that only the later row has counts as a contradiction.
        """
        if id is None or id not in self._rows:
            return False
        first, digest = self._rows[id]
        for field, value, earlier in zip(_ITEM_FIELDS, _digest(line.values), array("q", digest), strict=True):
            if value and value != earlier:
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
        if "name" in line.values:
            name = _key("name", line.values["name"])
            self._owners[name] = id if self._owners.get(name, id) == id else _SEVERAL
        return id

    def check_origin(self, line: Line) -> None:
        """Raises RowRejected when an earlier row has the same origin: only one of the two would be booked."""
        earlier = None if line.origin is None else self._origins.get(hash(line.origin))
        if earlier is not None:
            raise RowRejected(f"Row {earlier} has the same {ORIGIN_COLUMN}; empty it in one of the two to book both")

    def check_stock(self, id: int, step: StockStep) -> None:
        """Raises RowRejected when an earlier row sets the same stock."""
        earlier = self._stock.get(_stock_key(id, step))
        if earlier is not None and step.mode is StockMode.SET:
            raise RowRejected(f"Row {earlier} counts the same stock; add up the two, or use stock=add", "quantity")

    def add_stock(self, id: int, step: StockStep, line: Line) -> None:
        """Stores the row's stock."""
        self._stock[_stock_key(id, step)] = line.number
        if line.origin is not None:
            self._origins[hash(line.origin)] = line.number
        if step.location is None:
            self.locations.setdefault(step.location_name)


def _key(field: str, text: str) -> int:
    return hash((field, barcode_key(text) if field == "barcode" else text))


def _stock_key(id: int, step: StockStep) -> int:
    location: Any = step.location_name if step.location is None else step.location.id
    return hash((id, location, step.lot))


def _digest(values: dict[str, Any]) -> array[int]:
    """A number for each item field, 0 for a field that the row does not have."""
    fields = dict(values)
    if "barcode" in fields:
        fields["barcode"] = barcode_key(fields["barcode"])
    return array("q", [hash((field, fields[field])) or 1 if field in fields else 0 for field in _ITEM_FIELDS])
