"""What earlier rows of a file make, so that later ones are checked against it; some bytes an item, not the rows."""

from __future__ import annotations

from array import array
from typing import Any

from stocky.barcodes.keys import normalize_barcode as barcode_key
from stocky.catalogue.schemas import Item
from stocky.imports.fields import FIELDS, About
from stocky.imports.references import barcodes_of, key_of
from stocky.imports.row_changes import RowRejected, StockStep
from stocky.imports.row_parser import ORIGIN_COLUMN, Line
from stocky.imports.schemas import ItemKey, StockMode

# Stands for the owner of a name that several items have.
_SEVERAL = 0
_ITEM_FIELDS = tuple(field.name for field in FIELDS if field.about is About.ITEM)


class FileIndex:
    """The items, barcodes, places and stock that the rows so far were about.

    An item is known by its id, or by a negative number where it is made by the file.
    Text is remembered by its hash: 64 bits, of which two never meet in a file of this size.
    """

    def __init__(self, key: ItemKey) -> None:
        self._key = key
        self._owners: dict[int, int] = {}
        self._said: dict[int, tuple[int, bytes]] = {}
        self._stock: dict[int, int] = {}
        self._origins: dict[int, int] = {}
        self._made = 0
        self.places: dict[str, None] = {}
        self.types: dict[str, None] = {}

    def item_of(self, line: Line, item: Item | None) -> int | None:
        """The item of the row; None when no row before was about it. Raises RowRejected for a name that means two."""
        field = key_of(line.values, self._key)
        owner = None if field is None else self._owners.get(_key(field, line.values[field]))
        if field == "name" and (owner == _SEVERAL or (item is not None and owner not in (None, item.id))):
            raise RowRejected(
                f"Several items have the name {line.values['name']!r}; name it by code or barcode", "name"
            )
        return owner if item is None else item.id

    def said_before(self, id: int | None, line: Line) -> bool:
        """Whether an earlier row told of this item. Raises RowRejected when it said otherwise or less."""
        if id is None or id not in self._said:
            return False
        first, said = self._said[id]
        for field, mine, its in zip(_ITEM_FIELDS, _digest(line.values), array("q", said), strict=True):
            if mine and mine != its:
                raise RowRejected(f"Row {first} is about the same item and says otherwise; say it there", field)
        return True

    def check_barcodes(self, id: int | None, line: Line) -> None:
        """Raises RowRejected for a barcode that an earlier row gave to another item."""
        for code in barcodes_of(line.values):
            owner = self._owners.get(_key("barcode", code))
            if owner is not None and owner != id:
                raise RowRejected(
                    f"Row {self._said[owner][0]} gives the barcode {code} to another item",
                    "barcode" if line.values.get("barcode") == code else "barcodes",
                )

    def add_item(self, id: int | None, line: Line) -> int:
        """Remembers what the row says of its item."""
        if id is None:
            self._made += 1
            id = -self._made
        self._said[id] = (line.number, _digest(line.values).tobytes())
        for code in barcodes_of(line.values):
            self._owners[_key("barcode", code)] = id
        if "code" in line.values:
            self._owners[_key("code", line.values["code"])] = id
        if "name" in line.values:
            name = _key("name", line.values["name"])
            self._owners[name] = id if self._owners.get(name, id) == id else _SEVERAL
        return id

    def check_origin(self, line: Line) -> None:
        """Raises RowRejected when an earlier row is the same row of an earlier import: only one would be booked."""
        earlier = None if line.origin is None else self._origins.get(hash(line.origin))
        if earlier is not None:
            raise RowRejected(f"Row {earlier} has the same {ORIGIN_COLUMN}; empty it in one of the two to book both")

    def check_stock(self, id: int, step: StockStep) -> None:
        """Raises RowRejected when an earlier row counts the same stock."""
        earlier = self._stock.get(_stock_key(id, step))
        if earlier is not None and step.mode is StockMode.SET:
            raise RowRejected(f"Row {earlier} counts the same stock; add the two up, or use stock=add", "quantity")

    def add_stock(self, id: int, step: StockStep, line: Line) -> None:
        """Remembers the stock of the row."""
        self._stock[_stock_key(id, step)] = line.number
        if line.origin is not None:
            self._origins[hash(line.origin)] = line.number
        if step.place is None:
            self.places.setdefault(step.place_name)


def _key(field: str, text: str) -> int:
    return hash((field, barcode_key(text) if field == "barcode" else text))


def _stock_key(id: int, step: StockStep) -> int:
    place: Any = step.place_name if step.place is None else step.place.id
    return hash((id, place, step.lot))


def _digest(values: dict[str, Any]) -> array[int]:
    """A number for each field that is about the item, 0 for one that the row says nothing of."""
    said = dict(values)
    if "barcode" in said:
        said["barcode"] = barcode_key(said["barcode"])
    return array("q", [hash((field, said[field])) or 1 if field in said else 0 for field in _ITEM_FIELDS])
