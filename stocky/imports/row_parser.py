"""Parses a row into values by field, or problems. Does not look at the stock."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.catalogue.schemas import Link, TagName, TypeName, is_item_code
from stocky.errors import Invalid
from stocky.exports.csv_cells import split_list, split_pack, unguarded
from stocky.imports.cell_values import Unreadable, milli_of
from stocky.imports.csv_reader import Row
from stocky.imports.fields import BY_NAME, MAX_LENGTHS, QUANTITIES, READERS, About, guess
from stocky.imports.schemas import Empty, ImportOptions, StockMode
from stocky.stock.schemas import Unit

MAX_BARCODES, MAX_TAGS = 100, 50
STOCK_FIELDS = ("location", "box_no", "quantity")
# A long barcode that a spreadsheet converted to a number.
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
# The fields that an empty cell may clear, with the value they get.
CLEARED: dict[str, Any] = {
    "description": "",
    "min_quantity": None,
    "manufacturer_code": "",
    "type": None,
    "tags": (),
    "seller": "",
    "seller_link": "",
}
_NO_ORIGIN = "It names no row of an import; keep the value from refused.csv, or leave it empty to book the row as new"
_PATTERNS: dict[str, tuple[Any, str]] = {
    "seller_link": (Link, "a link that begins with https://"),
    "type": (TypeName, "a name"),
    "unit": (Unit, "a unit; remove characters that are not text"),
}


# The column of refused.csv that identifies the row and its import.
ORIGIN_COLUMN = "import_row"
_ORIGIN = re.compile(r"([0-9a-f]{32}):([0-9a-f]{32}):([0-9]{1,9})")


class Origin(msgspec.Struct, frozen=True):
    """A row of the import that refused it: the import's key, its content fingerprint, and the row number."""

    key: str
    content: str
    number: int

    def __str__(self) -> str:
        return f"{self.key}:{self.content}:{self.number}"


class Problem(msgspec.Struct, frozen=True):
    """Why a row is refused, and the header of the column that caused it."""

    message: str
    column: str | None = None


class Line(msgspec.Struct, frozen=True):
    """A parsed row: `values` by field, without empty ones. A row with problems has no values.

    `origin` identifies the row in its earlier import, if it comes from refused.csv.
    """

    number: int
    cells: list[str]
    values: dict[str, Any] = {}
    problems: tuple[Problem, ...] = ()
    origin: Origin | None = None

    @property
    def has_stock(self) -> bool:
        return "quantity" in self.values


class Columns:
    """The assignment of columns to fields."""

    def __init__(self, header: list[str], options: ImportOptions, delimiter: str = ",") -> None:
        """`delimiter` separates cells; in a file that is not separated by commas, a point may separate thousands.

        Raises Invalid for a mapping that does not fit the header, or without a column that identifies items.
        """
        self.header = header
        self.options = options
        self.fields = _mapped(header, options.mapping)
        self._by_index = [(index, field) for index, name in enumerate(header) if (field := self.fields[name])]
        self.of_field = {field: header[index] for index, field in self._by_index}
        self._point_may_group = delimiter != ","
        self._origin_at = header.index(ORIGIN_COLUMN) if ORIGIN_COLUMN in header else None
        keys = ["code", "barcode", "name"] if options.key == "auto" else [options.key.value]
        if not any(key in self.of_field for key in keys):
            example = json.dumps({next(filter(None, header)): "name"}, ensure_ascii=False)
            raise Invalid(
                f"No column holds {' or '.join(keys)}, which identifies items. Rename a column, or send a mapping, as"
                f" in {example}",
                field="mapping",
            )

    def line(self, row: Row) -> Line:
        """Parses the row."""
        origin_text, origin = self._origin(row.cells)
        if row.problem is not None:
            return Line(row.line, row.cells, problems=(Problem(row.problem),), origin=origin)
        found: dict[str, Any] = {}
        problems = []
        if origin_text and origin is None:
            problems.append(Problem(_NO_ORIGIN, ORIGIN_COLUMN))
        for index, field in self._by_index:
            text = _text(row.cells, index)
            try:
                if text:
                    found[field] = self._value(field, text)
                elif self.options.empty is Empty.CLEAR and field in CLEARED:
                    found[field] = CLEARED[field]
            except Unreadable as error:
                problems.append(Problem(str(error), self.header[index]))
        if not problems:
            problems = self._contradictions(found)
        return Line(row.line, row.cells, {} if problems else found, tuple(problems), origin)

    def _origin(self, cells: list[str]) -> tuple[str, Origin | None]:
        """The text of the origin column, and the origin parsed from it."""
        text = "" if self._origin_at is None else _text(cells, self._origin_at)
        match = _ORIGIN.fullmatch(text)
        return text, None if match is None else Origin(match[1], match[2], int(match[3]))

    def _value(self, field: str, text: str) -> Any:
        if field in QUANTITIES:
            milli = self._milli(text)
            if field == "min_quantity" and milli < 0:
                raise Unreadable("A minimum is at least 0")
            return milli
        if field in READERS:
            return READERS[field](text)
        if field == "barcodes":
            return self._barcodes(text)
        if field == "tags":
            return _tags(text)
        if field == "code":
            if not is_item_code(text):
                raise Unreadable(f"{text!r} is not an item code of four letters")
            return text.upper()
        if field == "barcode":
            _refuse_shortened(text)
        if len(text) > MAX_LENGTHS[field]:
            raise Unreadable(f"It has {len(text)} characters; the maximum is {MAX_LENGTHS[field]}")
        if field in _PATTERNS:
            kind, wanted = _PATTERNS[field]
            if not _fits(text, kind):
                raise Unreadable(f"{text!r} is not {wanted}")
        return text

    def _milli(self, text: str) -> int:
        return milli_of(text, self.options.decimal, point_may_group=self._point_may_group)

    def _barcodes(self, text: str) -> tuple[tuple[str, int | None], ...]:
        """Barcodes with the quantity of one scan, in thousandths; None without one."""
        listed: dict[str, int | None] = {}
        keys: set[str] = set()
        for entry in split_list(text):
            barcode, pack = split_pack(entry)
            _refuse_shortened(barcode)
            if not barcode or len(barcode) > MAX_LENGTHS["barcode"]:
                raise Unreadable(f"{entry!r} is not a barcode")
            if barcode_key(barcode) in keys:
                raise Unreadable(f"The barcode {barcode} is listed twice")
            pack_milli = None if pack is None else self._milli(pack.strip())
            if pack_milli is not None and pack_milli <= 0:
                raise Unreadable(f"The pack quantity of {barcode} must be more than 0")
            listed[barcode] = pack_milli
            keys.add(barcode_key(barcode))
        if len(listed) > MAX_BARCODES:
            raise Unreadable(f"There are {len(listed)} barcodes; an item has {MAX_BARCODES} at most")
        return tuple(listed.items())

    def _contradictions(self, found: dict[str, Any]) -> list[Problem]:
        """Problems between cells."""
        if not any(field in found for field in STOCK_FIELDS):
            alone = [field for field in ("expiry_date", "loc_no", "notes") if field in found]
            return [self._problem(alone[0], "It has no stock; fill in location and quantity too")] if alone else []
        if "quantity" not in found:
            return [self._problem("quantity", "It has a location and no quantity; fill in both, or neither")]
        if ("box_no" in found) != ("loc_no" in found):
            return [self._problem("box_no", "A location in a box needs both box_no and loc_no")]
        if "location" not in found and "box_no" not in found:
            return [self._problem("location", "It has a quantity and no location; fill in both, or neither")]
        if found["quantity"] <= 0 and self.options.stock is StockMode.ADD:
            return [self._problem("quantity", "The quantity to add must be more than 0")]
        return []

    def _problem(self, field: str, message: str) -> Problem:
        return Problem(message, self.of_field.get(field))


def _text(cells: list[str], index: int) -> str:
    return unguarded(cells[index]).strip() if index < len(cells) else ""


def _mapped(header: list[str], mapping: dict[str, str | None] | None) -> dict[str, str | None]:
    fields: dict[str, str | None] = dict.fromkeys(header)
    if mapping is None:
        taken = set()
        for name in header:
            field = guess(name)
            if field not in taken:
                fields[name] = field
                taken.add(field)
        return fields
    for name, field in mapping.items():
        if name not in fields:
            raise Invalid(
                f"mapping: there is no column {name!r}; the columns are {', '.join(header[:20])}", field="mapping"
            )
        if not field:
            continue
        if field not in BY_NAME:
            raise Invalid(f"mapping: {field!r} is not a field; the fields are {', '.join(BY_NAME)}", field="mapping")
        if field in fields.values():
            raise Invalid(f"mapping: two columns hold {field}; remove one of them", field="mapping")
        fields[name] = field
    return fields


def _refuse_shortened(barcode: str) -> None:
    if _SHORTENED.fullmatch(barcode):
        raise Unreadable(f"{barcode} is a barcode that a spreadsheet shortened; format its column as text")


def _tags(text: str) -> tuple[str, ...]:
    names = split_list(text)
    for name in names:
        if not _fits(name, TagName):
            raise Unreadable(f"{name[:60]!r} is too long for a tag; separate tags with ;")
    if len(names) > MAX_TAGS:
        raise Unreadable(f"There are {len(names)} tags; an item has {MAX_TAGS} at most")
    return tuple(names)


def _fits(text: str, kind: Any) -> bool:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True


def of_item(found: dict[str, Any]) -> dict[str, Any]:
    """The item fields of a row's values."""
    return {field: value for field, value in found.items() if BY_NAME[field].about is About.ITEM}
