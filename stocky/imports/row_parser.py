"""Parses a row into values by field, or problems. Does not read the stock."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

import msgspec

from stocky.barcodes.codes import clean
from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.barcodes.command_codes import is_command
from stocky.catalogue.schemas import Link, TagName, TypeName, is_item_code
from stocky.exports.csv_cells import split_list, split_pack
from stocky.imports.barcode_repair import repair
from stocky.imports.cell_values import Unreadable, milli_of, price_of, total_in
from stocky.imports.column_sources import AUTO_KEYS, cell_at, find_sources, preset_of, require_key
from stocky.imports.csv_reader import Row
from stocky.imports.dates import date_of, is_like_date
from stocky.imports.field_cells import FieldCell
from stocky.imports.fields import MAX_LENGTHS, QUANTITIES, READERS, About, about, is_custom
from stocky.imports.layout import DELIMITERS
from stocky.imports.schemas import Empty, ImportOptions, StockMode, SurveyResult
from stocky.stock.schemas import Lot, Serial, Unit

MAX_BARCODES, MAX_TAGS = 100, 50
_PLACES = ("location", "location_path", "box_no", "loc_no")
STOCK_FIELDS = ("location", "location_path", "box_no", "quantity")
# The fields that an empty cell may clear, with the value they get.
CLEARED: dict[str, Any] = {
    "description": "",
    "min_quantity": None,
    "reorder_quantity": None,
    "shelf_life_days": None,
    "opened_days": None,
    "manufacturer_code": "",
    "type": None,
    "tags": (),
    "seller": "",
    "seller_link": "",
}
_LISTS = frozenset(("barcodes", "tags"))
_NO_ORIGIN = "It names no row of an import; keep the value from refused.csv, or leave it empty to book the row as new"
_PATTERNS: dict[str, tuple[Any, str]] = {
    "seller_link": (Link, "a link that begins with https://"),
    "type": (TypeName, "a name"),
    "unit": (Unit, "a unit; remove characters that are not text"),
    "lot": (Lot, "the number of a lot; remove characters that are not text"),
    "serial": (Serial, "a serial number; remove characters that are not text"),
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


class Repair(msgspec.Struct, frozen=True):
    """The text of a barcode that was repaired, and what a spreadsheet had done to it."""

    text: str
    fault: str


class Line(msgspec.Struct, frozen=True):
    """A parsed row: `values` by field, without empty ones. A row with problems has no values.

    `origin` identifies the row in its earlier import, if it comes from refused.csv. A row that is `skipped`, for this
    reason, is about no item. `repairs` are those of its barcodes.
    """

    number: int
    cells: list[str]
    values: dict[str, Any] = {}
    problems: tuple[Problem, ...] = ()
    origin: Origin | None = None
    skipped: str | None = None
    repairs: dict[str, Repair] = {}

    @property
    def has_stock(self) -> bool:
        return "quantity" in self.values

    def keep_barcodes(self, known: Container[str]) -> None:
        """Undoes the repair of barcodes whose texts are the keys of items, unless the repaired ones are, too."""
        for barcode, repair_of in list(self.repairs.items()):
            if barcode_key(repair_of.text) in known and barcode_key(barcode) not in known:
                del self.repairs[barcode]
                if self.values.get("barcode") == barcode:
                    self.values["barcode"] = repair_of.text
                if "barcodes" in self.values:
                    listed = self.values["barcodes"]
                    self.values["barcodes"] = tuple(
                        (repair_of.text if code == barcode else code, pack) for code, pack in listed
                    )


class Columns:
    """The assignment of columns to fields."""

    def __init__(
        self, header: list[str], options: ImportOptions, delimiter: str = ",", reading: SurveyResult | None = None
    ) -> None:
        """`delimiter` separates cells; in a file that is not separated by commas, a point may separate thousands.

        `reading` is what the survey of the file found. Raises Invalid for a mapping that does not fit the header, or
        without a column that identifies items.
        """
        self.header = header
        self.options = options
        self.reading = reading or SurveyResult()
        self._sources = find_sources(header, options)
        self._preset = preset_of(options)
        self.fields = self._sources.fields
        self.of_field = {field: source.header for field, source in self._sources.by_field.items()}
        self._point_may_group = delimiter != "," or self.reading.has_decimal_commas
        # Of refused.csv: detected, and with the same meaning of a point, although fewer rows may have a decimal comma.
        keeps = delimiter in DELIMITERS and self._point_may_group == (delimiter != ",")
        self.refused_delimiter = delimiter if keeps else ";"
        self._origin_at = header.index(ORIGIN_COLUMN) if ORIGIN_COLUMN in header else None
        require_key(header, self._sources, options)

    def line(self, row: Row) -> Line:
        """Parses the row."""
        if total := total_in(row.cells):
            return Line(row.line, row.cells, skipped=f"{total.rstrip(': ')}: a total, not an item")
        if self._sources.skips is not None and (reason := self._sources.skips(row.cells)):
            return Line(row.line, row.cells, skipped=reason)
        origin_text, origin = self._origin(row.cells)
        if row.problem is not None:
            return Line(row.line, row.cells, problems=(Problem(row.problem),), origin=origin)
        found: dict[str, Any] = {}
        repairs: dict[str, Repair] = {}
        problems = []
        if origin_text and origin is None:
            problems.append(Problem(_NO_ORIGIN, ORIGIN_COLUMN))
        for field, source in self._sources.by_field.items():
            if self.options.fills_project and field == "unit_price":
                # Bills of materials have prices of sellers, which a project has no place for.
                continue
            cell = source.read(row.cells)
            text = cell.strip()
            try:
                if text:
                    if field == "lot" and self._is_expiry(text):
                        field = "expiry_date"
                    # A blank at the end of a list may be escaped; split_list removes any other.
                    found[field] = self._value(field, cell if field in _LISTS else text, repairs)
                elif self.options.empty is Empty.CLEAR and (field in CLEARED or is_custom(field)):
                    found[field] = CLEARED.get(field)
            except Unreadable as error:
                problems.append(Problem(str(error), source.header))
        if self.options.fills_project:
            if "quantity" not in self._sources.by_field:
                # A row for each part.
                found["quantity"] = 1000
        elif self._preset is not None and (
            "quantity" not in found or (self.options.stock is StockMode.ADD and not found["quantity"])
        ):
            # Other programs describe items without stock in the same columns, some with a quantity of 0.
            found = of_item(found)
        if self.options.location and "quantity" in found and not any(each in found for each in _PLACES):
            found["location"] = self.options.location
        if "unit_price" in found:
            found["unit_price"], found["price_unit"] = found["unit_price"]
        if not problems:
            problems = self._contradictions(found)
        return Line(row.line, row.cells, {} if problems else found, tuple(problems), origin, repairs=repairs)

    def names(self, cells: list[str]) -> dict[str, object]:
        """The cells by which a person recognises a row, as they are in the file."""
        sources = [source for field, source in self._sources.by_field.items() if field in AUTO_KEYS]
        return {source.field: source.read(cells).strip()[: MAX_LENGTHS["name"]] for source in sources}

    def _origin(self, cells: list[str]) -> tuple[str, Origin | None]:
        """The text of the origin column, and the origin parsed from it."""
        text = "" if self._origin_at is None else cell_at(cells, self._origin_at).strip()
        match = _ORIGIN.fullmatch(text)
        return text, None if match is None else Origin(match[1], match[2], int(match[3]))

    def _is_expiry(self, text: str) -> bool:
        """Whether the text of a lot is its expiry date."""
        return "expiry_date" not in self._sources.by_field and is_like_date(text)

    def _repaired(self, text: str, repairs: dict[str, Repair]) -> str:
        """The barcode of a text, which is noted if a spreadsheet changed it."""
        if self.options.repair_barcodes is False:
            return text
        repaired = repair(text, adds_zeros=self.options.repair_barcodes or self.reading.adds_zeros)
        if repaired is None:
            return text
        repairs[repaired.barcode] = Repair(text, repaired.fault)
        return repaired.barcode

    def _value(self, field: str, text: str, repairs: dict[str, Repair]) -> Any:
        if is_custom(field):
            dates = self.options.dates or self.reading.dates
            return FieldCell(text, self.options.decimal, self._point_may_group, dates)
        if field in QUANTITIES:
            milli = self._milli(text)
            if field == "min_quantity" and milli < 0:
                raise Unreadable("A minimum is at least 0")
            if field == "reorder_quantity" and milli <= 0:
                raise Unreadable("A reorder quantity is more than 0")
            return milli
        if field == "unit_price":
            return price_of(text, self.options.decimal, point_may_group=self._point_may_group)
        if field in ("expiry_date", "opened_on"):
            return date_of(text, self.options.dates or self.reading.dates)
        if field in READERS:
            return READERS[field](text)
        if field == "barcodes":
            return self._barcodes(text, repairs)
        if field == "tags":
            return _tags(text)
        if field == "code":
            text = clean(text)
            if not is_item_code(text):
                raise Unreadable(f"{text!r} is not an item code of four letters")
            return text.upper()
        if field == "barcode":
            text = self._repaired(_barcode(text), repairs)
        if len(text) > MAX_LENGTHS[field]:
            raise Unreadable(f"It has {len(text)} characters; the maximum is {MAX_LENGTHS[field]}")
        if field in _PATTERNS:
            kind, wanted = _PATTERNS[field]
            if not _fits(text, kind):
                raise Unreadable(f"{text!r} is not {wanted}")
        return text

    def _milli(self, text: str) -> int:
        return milli_of(text, self.options.decimal, point_may_group=self._point_may_group)

    def _barcodes(self, text: str, repairs: dict[str, Repair]) -> tuple[tuple[str, int | None], ...]:
        """Barcodes with the quantity of one scan, in thousandths; None without one."""
        listed: dict[str, int | None] = {}
        keys: set[str] = set()
        for entry in split_list(text):
            barcode, pack = split_pack(entry)
            barcode = self._repaired(_barcode(barcode), repairs)
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
        if self.options.fills_project:
            if found.get("quantity", 0) <= 0:
                return [self._problem("quantity", "It needs a quantity of more than 0")]
            return []
        if not any(field in found for field in STOCK_FIELDS):
            alone = [
                field
                for field in ("expiry_date", "loc_no", "notes", "lot", "serial", "opened_on", "unit_price")
                if field in found
            ]
            return [self._problem(alone[0], "It has no stock; fill in location and quantity too")] if alone else []
        if "quantity" not in found:
            return [self._problem("quantity", "It has a location and no quantity; fill in both, or neither")]
        if ("box_no" in found) != ("loc_no" in found):
            return [self._problem("box_no", "A location in a box needs both box_no and loc_no")]
        if not {"location", "location_path", "box_no"} & found.keys():
            return [self._problem("location", "It has a quantity and no location; fill in both, or neither")]
        if found["quantity"] <= 0 and self.options.stock is StockMode.ADD:
            return [self._problem("quantity", "The quantity to add must be more than 0")]
        return []

    def _problem(self, field: str, message: str) -> Problem:
        return Problem(message, self.of_field.get(field))


def _barcode(text: str) -> str:
    """A barcode without what its scanner put around it. Raises Unreadable for a blank one or a command."""
    if is_command(text):
        raise Unreadable(f"{text!r} is a command for a scanner, not a barcode")
    code = clean(text)
    if text and not code:
        raise Unreadable("The barcode is blank")
    return code


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
    return {field: value for field, value in found.items() if about(field) is About.ITEM}
