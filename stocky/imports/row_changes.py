"""Computes the changes of a row from the current data. Pure functions, shared by the dry run and the import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from stocky.barcodes.codes import normalize_barcode as barcode_key
from stocky.catalogue.fields import plain_text
from stocky.catalogue.finding import fold_part
from stocky.catalogue.location_names import AmbiguousName
from stocky.catalogue.repository import check_upc
from stocky.catalogue.schemas import Item, Name
from stocky.errors import Invalid
from stocky.exports.csv_cells import price_cell
from stocky.imports.cell_values import Unreadable
from stocky.imports.field_cells import FieldCell
from stocky.imports.fields import is_custom
from stocky.imports.references import FoundReferences, Location, barcodes_of, key_field, location_of, paths_to
from stocky.imports.row_parser import Line
from stocky.imports.schemas import ImportOptions, ItemKey, StockMode
from stocky.names import name_key
from stocky.prices.known import value_of
from stocky.quantity import from_milli, to_milli
from stocky.schema import FIELD_PREFIX, LocationKind, StorageType
from stocky.stock import units
from stocky.stock.models import LotKey, SkuState

# Fields of a row that are stored unchanged in an item.
_PLAIN = {
    "name": "name",
    "description": "description",
    "storage_type": "default_storage_type",
    "oversell_policy": "oversell_policy",
    "manufacturer_code": "manufacturer_code",
    "seller": "seller",
    "seller_link": "seller_link",
}
# Fields of a row in thousandths, stored as quantities of an item.
_LEVELS = ("min_quantity", "reorder_quantity")
_DAYS = ("shelf_life_days", "opened_days")


class RowRejected(Exception):
    """A row that cannot be imported; `field` is the cause."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ItemStep(msgspec.Struct):
    """The creation or change of an item. `type_name` names a type to look up or create."""

    fields: dict[str, Any] = {}
    type_name: str | None = None
    messages: list[str] = []

    @property
    def changes(self) -> bool:
        return bool(self.fields) or self.type_name is not None


class StockStep(msgspec.Struct):
    """The change of the stock. `books`: it needs an event; `details`: new unit and notes of the SKU.

    `price_micro` is a new price of one `price_unit`, or of the unit of the SKU. It is recorded with the event, if any.
    """

    mode: StockMode
    quantity_milli: int
    lot: LotKey
    location: Location | None
    # Its path; of one to create as the row has it, with those that are to be created, from the top down.
    location_path: str
    new_paths: list[str]
    # Whether the row has a path, and not what may be the name of a location elsewhere.
    is_path: bool
    storage_type: StorageType
    # None: the row does not say.
    kind: LocationKind | None
    sku_id: int | None
    event_id: str
    books: bool
    unit: str | None
    notes: str | None
    details: dict[str, str]
    messages: list[str]
    price_micro: int | None = None
    price_unit: str | None = None
    seller: str | None = None
    # The unit of the row, in the singular or plural in which its item is counted already.
    row_unit: str | None = None

    @property
    def changes(self) -> bool:
        return self.books or bool(self.details) or self.price_micro is not None


def match(line: Line, found: FoundReferences, key: ItemKey) -> Item | None:
    """The existing item of the row, None for a new one. Raises RowRejected."""
    field = key_field(line.values, key)
    if field is None:
        named = "code, barcode, name and manufacturer_code are" if key is ItemKey.AUTO else f"{key.value} is"
        raise RowRejected(f"The row names no item: {named} empty", None if key is ItemKey.AUTO else key.value)
    text = line.values[field]
    if field == "name":
        ids = found.names.get(text, [])
        if len(ids) > 1:
            raise RowRejected(f"{len(ids)} items have the name {text!r}; use code or barcode", "name")
        return found.items[ids[0]] if ids else None
    if field == "barcode":
        return found.owner(text)
    if field == "manufacturer_code":
        ids = found.parts.get(fold_part(text), [])
        if len(ids) > 1:
            raise RowRejected(f"{len(ids)} items have the maker's part number {text!r}; use code or barcode", field)
        return found.items[ids[0]] if ids else None
    return found.items[found.codes[text]] if text in found.codes else None


def new_item(line: Line, found: FoundReferences) -> ItemStep:
    """A new item from the row. Raises RowRejected."""
    values = line.values
    if not values.get("name"):
        raise RowRejected("No such item exists, and a new item needs a name", "name")
    _check_barcodes(values, found, None)
    fields = {name: values[field] for field, name in _PLAIN.items() if field in values}
    if "code" in values:
        fields["code"] = values["code"]
    for field in _LEVELS:
        if values.get(field) is not None:
            fields[field] = from_milli(values[field])
    fields |= {field: values[field] for field in _DAYS if values.get(field) is not None}
    if values.get("tags"):
        fields["tags"] = list(values["tags"])
    main, packs = _barcodes(values, None)
    if packs:
        fields |= {"upc": main, "barcodes": packs}
    if custom := _custom_values(values, None, found):
        fields["fields"] = custom
    return ItemStep(fields, values.get("type"), [f"new item {values['name']}"])


def item_change(line: Line, item: Item, found: FoundReferences, options: ImportOptions) -> ItemStep:
    """The changes of the row to its item; no fields when the values are equal. Raises RowRejected.

    Without `update_items` it only gets a further barcode.
    """
    values = line.values
    if not options.update_items:
        values = {field: values[field] for field in ("barcode",) if field in values}
    _check_barcodes(values, found, item)
    step = ItemStep({}, None, [])
    if not item.is_active:
        step.fields["is_active"] = True
        step.messages.append("reactivated")
    for field, name in _PLAIN.items():
        if field in values and values[field] != _bare(getattr(item, name)):
            step.fields[name] = values[field]
            step.messages.append(_change(field, getattr(item, name), values[field]))
    for field in _LEVELS:
        before: float | None = getattr(item, field)
        if field in values and values[field] != (None if before is None else to_milli(before)):
            after = None if values[field] is None else from_milli(values[field])
            step.fields[field] = after
            step.messages.append(_change(field, before, after))
    for field in _DAYS:
        if field in values and values[field] != getattr(item, field):
            step.fields[field] = values[field]
            step.messages.append(_change(field, getattr(item, field), values[field]))
    if "tags" in values and {name_key(each) for each in values["tags"]} != {name_key(each) for each in item.tags}:
        step.fields["tags"] = list(values["tags"])
        step.messages.append(_change("tags", "; ".join(item.tags), "; ".join(values["tags"])))
    if "type" in values and name_key(values["type"] or "") != name_key(item.type_name or ""):
        step.type_name = values["type"]
        if step.type_name is None:
            step.fields["type_id"] = None
        step.messages.append(_change("type", item.type_name, values["type"]))
    main, packs = _barcodes(values, item)
    current = {each.barcode: to_milli(each.pack_quantity) for each in item.barcodes}
    if (main, packs) != (item.upc, current):
        step.fields["barcodes"] = packs
        if item.upc is not None and main != item.upc:
            _check_main(main)
            step.fields["upc"] = main
        step.messages.append(_change("barcodes", ", ".join(current), ", ".join(packs)))
    if custom := _custom_values(values, item, found):
        step.fields["fields"] = custom
        before_texts = {name_key(name): plain_text(value) for name, value in item.fields.items()}
        step.messages += [_change(name, before_texts.get(name_key(name)), text) for name, text in custom.items()]
    return step


def stock_step(
    line: Line, item: Item | None, found: FoundReferences, options: ImportOptions, file_units: Iterable[str] = ()
) -> StockStep | None:
    """The stock change of the row; None when it is booked already. Raises RowRejected.

    `file_units` are those of earlier rows about the item.
    """
    values = line.values
    booking = found.bookings[line.number]
    if booking.is_done:
        return None
    location, new_paths = _location(values, found, options)
    kind = values.get("location_kind")
    if location is not None:
        check_kind(kind, location.kind, location.path)
    lot = LotKey(values.get("expiry_date"), values.get("lot", ""), values.get("serial", ""), values.get("opened_on"))
    level = None if item is None or location is None else found.levels.get((item.id, location.id, lot))
    if "unit" in values:
        counted = (None if level is None else level.unit, None if item is None else item.unit, *file_units)
        values = values | {"unit": _in_number_of(values["unit"], [each for each in counted if each])}
    quantity, unit, notes = values["quantity"], values.get("unit"), values.get("notes")
    details = {}
    booked_unit = unit
    if level is not None:
        quantity, booked_unit, unit = _in_unit_of(level, item, quantity, unit, options)
        sent = {"unit": unit, "notes": notes}
        details = {name: text for name, text in sent.items() if text and text != _bare(getattr(level, name))}
    current = level.quantity_milli if level is not None and level.is_active else None
    adds = options.stock is StockMode.ADD
    if lot.serial:
        if booked_unit is None and level is None and item is not None:
            _check_unit_there(item, location, found)
        _check_piece(lot.serial, quantity + (current or 0) * adds, booked_unit, found, item, level)
    books = adds or current != quantity
    if books and quantity < 0:
        raise RowRejected("Stock cannot be set below 0; book a removal instead", "quantity")
    path = location.path if location is not None else new_paths[-1]
    messages = []
    if books:
        what = f"+{units.describe(quantity)}" if adds else units.describe(quantity)
        was = "" if adds or current is None else f" instead of {units.describe(current)}"
        messages.append(f"{what} at {path}{was}" + lot.describe())
    messages += [_change(field, getattr(level, field), text) for field, text in details.items()]
    price_unit = _price_unit(values, item, level)
    price = _new_price(values, price_unit, level, found, adds=adds)
    if price is not None:
        messages.append(f"price {price_cell(price)}" + (f" per {price_unit}" if values.get("price_unit") else ""))
    storage_type = values.get("location_storage_type") or StorageType.OTHER
    sku_id = None if level is None else level.id
    return StockStep(
        mode=options.stock,
        quantity_milli=quantity,
        lot=lot,
        location=location,
        location_path=path,
        new_paths=new_paths,
        is_path="location_path" in values,
        storage_type=storage_type,
        kind=kind,
        sku_id=sku_id,
        event_id=booking.event_id,
        books=books,
        unit=booked_unit,
        notes=notes,
        details=details,
        messages=messages,
        price_micro=price,
        price_unit=price_unit,
        seller=values.get("seller"),
        row_unit=values.get("unit"),
    )


def _in_number_of(unit: str, counted: list[str]) -> str:
    """The unit of a row, or the first of those `counted` in that is its plural or its singular: `Can` of `Cans`."""
    for each in counted:
        if units.name_of(each) == units.name_of(unit):
            return unit
        if units.is_plural(each, unit):
            return each
    return unit


def check_kind(kind: LocationKind | None, actual: LocationKind, path: str) -> None:
    """Raises RowRejected for a row that says a location of another kind than it is: what is lent would be at hand."""
    if kind is not None and kind is not actual:
        raise RowRejected(f"{path} is a {actual.value}, not a {kind.value}; name another location", "location_kind")


def _price_unit(values: dict[str, Any], item: Item | None, level: SkuState | None) -> str | None:
    """The unit that costs the price of a row, None for that of the SKU. Raises RowRejected for one of another kind."""
    unit: str | None = values.get("unit")
    written: str | None = values.get("price_unit")
    if written is None:
        return unit
    own = unit or (level.unit if level is not None else None) or (item.unit if item is not None else None)
    own = own or units.PIECE
    if units.is_plural(written, own):
        return own
    packs = [to_milli(each.pack_quantity) for each in item.barcodes] if item else []
    if units.ratio(written, own, units.pack_size(packs)) is None:
        raise RowRejected(f"The price is that of one {written}, and the stock is counted in {own}", "unit_price")
    return written


def _new_price(
    values: dict[str, Any], price_unit: str | None, level: SkuState | None, found: FoundReferences, *, adds: bool
) -> int | None:
    """The price of a row; None if it has none, or counts stock that costs as much already."""
    price: int | None = values.get("unit_price")
    valued = None if level is None else found.prices.get(level.id)
    if price is None or adds or level is None or valued is None or valued.paid is None:
        return price
    current = value_of(1000, price_unit or level.unit, valued.paid, valued.pack_milli)
    return None if current == price else price


def _check_piece(
    serial: str, after: int, unit: str | None, found: FoundReferences, item: Item | None, level: SkuState | None
) -> None:
    """Raises RowRejected for a serial number that would not be that of one piece at one place."""
    if unit is not None and not units.counts_pieces(unit):
        raise RowRejected(f"A serial number names one piece, which is not counted in {unit}", "unit")
    if after not in (0, 1000):
        raise RowRejected(f"A serial number names one piece: there would be {units.describe(after)} of it", "quantity")
    if item is None or not after:
        return
    pieces = [each for each in found.levels.values() if each.item_id == item.id and each.serial == serial]
    if any(each.quantity_milli for each in pieces if each is not level):
        raise RowRejected(f"The piece with the serial number {serial} is in stock at another place already", "serial")


def _check_unit_there(item: Item, location: Location | None, found: FoundReferences) -> None:
    """Raises RowRejected where a new SKU of a piece would not count pieces, as Ledger.unit_of says it."""
    there = [
        level
        for level in found.levels.values()
        if level.item_id == item.id and location is not None and level.location_id == location.id and level.is_active
    ]
    unit = min(there, key=lambda level: level.id).unit if there else item.unit or units.PIECE
    if not units.counts_pieces(unit):
        raise RowRejected(
            f"A serial number names one piece, and {item.name} is counted in {unit} there; send the unit piece",
            "serial",
        )


def _in_unit_of(
    level: SkuState, item: Item | None, quantity: int, unit: str | None, options: ImportOptions
) -> tuple[int, str | None, str | None]:
    """The quantity of a row as booked to a SKU, its unit, and the SKU's new unit.

    A quantity in another unit of the same kind is converted, and the SKU keeps its unit. A unit of another kind cannot
    be added; set stock takes the quantity and the unit of the row. Raises RowRejected.
    """
    if unit is None:
        return quantity, None, None
    packs = [to_milli(each.pack_quantity) for each in item.barcodes] if item else []
    try:
        converted = units.convert(quantity, unit, level.unit, units.pack_size(packs))
    except units.OtherKind:
        if options.stock is StockMode.ADD:
            raise RowRejected(
                f"The stock there is counted in {level.unit}; {unit} cannot be converted to it", "unit"
            ) from None
        return quantity, None, unit
    except units.Inexact as inexact:
        raise RowRejected(
            f"{units.describe(quantity, unit)} would be {units.describe(inexact.exact, level.unit)}, which has more"
            " than three decimals; nothing is rounded",
            "quantity",
        ) from None
    is_same = units.measure_of(unit) == units.measure_of(level.unit)
    # Another spelling of the same unit changes the SKU's text, like its notes.
    return converted, level.unit, unit if is_same else None


def _location(
    values: dict[str, Any], found: FoundReferences, options: ImportOptions
) -> tuple[Location | None, list[str]]:
    """The location of the stock; None for one that has to be created first, with the paths to create."""
    if "box_no" in values:
        box_no, loc_no = values["box_no"], values["loc_no"]
        if location := found.boxes.get((box_no, loc_no)):
            return location, []
        raise RowRejected(f"There is no location {loc_no} in box {box_no}; create the box first", "loc_no")
    text, field = location_of(values) or "", "location_path" if "location_path" in values else "location"
    names = found.locations
    try:
        if location := names.at(text) if field == "location_path" else names.find(text):
            return location, []
        if not options.create_locations:
            raise RowRejected(f"There is no location {text!r}, and create_locations is false", field)
        paths = paths_to(text)
        # A name may contain a slash: the longest path that exists is the parent.
        known = next((number for number in range(len(paths) - 1, 0, -1) if names.at(paths[number - 1])), 0)
    except AmbiguousName as ambiguous:
        raise RowRejected(str(ambiguous), field) from None
    if any(not _fits_name(step) for step in text.split(" / ")[known:]):
        raise RowRejected(f"{text!r} is not a path: each name in it has 1 to 200 characters", field)
    return None, paths[known:]


def _fits_name(step: str) -> bool:
    try:
        msgspec.convert(step.strip(), Name)
    except msgspec.ValidationError:
        return False
    return True


def _barcodes(values: dict[str, Any], item: Item | None) -> tuple[str | None, dict[str, int]]:
    """The main barcode and all barcodes, in order, with their packs in thousandths, after the row's change."""
    current = {each.barcode: to_milli(each.pack_quantity) for each in item.barcodes} if item else {}
    # Another form of a number that the item has is the same barcode, and keeps the item's spelling.
    written = {barcode_key(code): code for code in current}

    def own(code: str) -> str:
        return code if code in current else written.get(barcode_key(code), code)

    main, given = (item.upc if item else None), own(values["barcode"]) if "barcode" in values else None
    if "barcodes" in values:
        main = given or main
        listed = {own(code): pack for code, pack in values["barcodes"]}
        if main is not None:
            # The main barcode may be listed in another form, with its pack.
            same = next((code for code in listed if barcode_key(code) == barcode_key(main)), main)
            listed = {main: listed.pop(same, None), **listed}
        return main, {code: pack or current.get(code, 1000) for code, pack in listed.items()}
    if given is None or given in current:
        return main, current
    if main is None:
        return given, {given: 1000, **current}
    return main, {**current, given: 1000}


def _custom_values(values: dict[str, Any], item: Item | None, found: FoundReferences) -> dict[str, str | None]:
    """The values of custom fields that the row sets, or that it clears, by their names; without those that are equal.

    Raises RowRejected for a field that the type of the item lacks after the row, and for a value that does not fit.
    """
    cells: dict[str, FieldCell | None] = {field: cell for field, cell in values.items() if is_custom(field)}
    if not cells:
        return {}
    type_id, type_name = (None, None) if item is None else (item.type_id, item.type_name)
    if "type" in values:
        type_name = values["type"]
        type_id = found.types.get(name_key(type_name or ""))
    fields = {} if type_id is None else found.fields.get(type_id, {})
    # Fields of another type of the same names take over the values.
    texts = {} if item is None else {name_key(name): plain_text(value) for name, value in item.fields.items()}
    changed: dict[str, str | None] = {}
    for field, cell in cells.items():
        key = field.removeprefix(FIELD_PREFIX)
        if key not in fields:
            if cell is None:
                continue
            lacks = f"The type {type_name} has no field {key!r}; add it first" if type_name else "It needs a type"
            raise RowRejected(f"{lacks}, to have a value here", field)
        try:
            text = None if cell is None else cell.read(fields[key])
        except Unreadable as error:
            raise RowRejected(str(error), field) from None
        if text != texts.get(key):
            changed[fields[key].name] = text
    return changed


def _check_main(barcode: str | None) -> None:
    """Raises RowRejected for a barcode that cannot replace the main one."""
    if barcode is not None:
        try:
            check_upc(barcode)
        except Invalid as error:
            raise RowRejected(error.detail, "barcode") from None


def _check_barcodes(values: dict[str, Any], found: FoundReferences, item: Item | None) -> None:
    for code in barcodes_of(values):
        other = found.owner(code)
        if other is not None and (item is None or other.id != item.id):
            field = "barcode" if values.get("barcode") == code else "barcodes"
            hidden = "" if other.is_active else ", which is inactive"
            raise RowRejected(f"The barcode {code} belongs to {other.name} ({other.code}){hidden}", field)


def _bare(value: Any) -> Any:
    """A value without surrounding blanks, which cells do not preserve."""
    return value.strip() if type(value) is str else value


def _change(field: str, before: Any, after: Any) -> str:
    return f"{field}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = str(getattr(value, "value", value) if value not in (None, "") else "nothing")
    return text if len(text) <= 60 else f"{text[:57]}..."


def title(line: Line, item: Item | None) -> str:
    """The display name of a row's item."""
    named: str = line.values.get("name") or line.values.get("code") or line.values.get("barcode") or ""
    return item.name if item is not None else named
