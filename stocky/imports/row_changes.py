"""What a row comes to, given what is there: a pure function that a dry run and the import itself share."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from stocky.barcodes.keys import normalize_barcode as barcode_key
from stocky.catalogue.schemas import Item
from stocky.catalogue.tag_repository import name_key
from stocky.imports.references import FoundReferences, Place, barcodes_of, key_of
from stocky.imports.row_parser import Line
from stocky.imports.schemas import ImportOptions, ItemKey, StockMode
from stocky.quantity import from_milli, to_milli
from stocky.schema import StorageType
from stocky.stock import units
from stocky.stock.models import SkuState

# Fields of a row that are fields of an item as they stand.
_PLAIN = {
    "name": "name",
    "description": "description",
    "storage_type": "default_storage_type",
    "oversell_policy": "oversell_policy",
    "manufacturer_code": "manufacturer_code",
    "seller": "seller",
    "seller_link": "seller_link",
}


class RowRejected(Exception):
    """A row that cannot be imported; `field` is the one that it is because of."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ItemStep(msgspec.Struct):
    """What becomes of the item: made of `fields`, or changed in them. `type_name` is of a type to be found or made."""

    fields: dict[str, Any] = {}
    type_name: str | None = None
    told: list[str] = []

    @property
    def changes(self) -> bool:
        return bool(self.fields) or self.type_name is not None


class StockStep(msgspec.Struct):
    """What becomes of the stock. `books` says whether there is an event; `details` change what is said of a SKU."""

    mode: StockMode
    quantity_milli: int
    lot: date | None
    place: Place | None
    place_name: str
    storage_type: StorageType
    sku_id: int | None
    event_id: str
    books: bool
    unit: str | None
    notes: str | None
    details: dict[str, str]
    told: list[str]

    @property
    def changes(self) -> bool:
        return self.books or bool(self.details)


def match(line: Line, found: FoundReferences, key: ItemKey) -> Item | None:
    """The item that the row names, None for one that is not there yet. Raises RowRejected."""
    field = key_of(line.values, key)
    if field is None:
        named = "code, barcode and name are" if key is ItemKey.AUTO else f"{key.value} is"
        raise RowRejected(f"It names no item: {named} empty", None if key is ItemKey.AUTO else key.value)
    text = line.values[field]
    if field == "name":
        ids = found.names.get(text, [])
        if len(ids) > 1:
            raise RowRejected(f"{len(ids)} items have the name {text!r}; name it by code or barcode", "name")
        return found.items[ids[0]] if ids else None
    if field == "barcode":
        return found.owner(text)
    return found.items[found.codes[text]] if text in found.codes else None


def new_item(line: Line, found: FoundReferences) -> ItemStep:
    """An item made of the row. Raises RowRejected."""
    values = line.values
    if not values.get("name"):
        raise RowRejected("There is no such item, and a new one needs a name", "name")
    _check_barcodes(values, found, None)
    fields = {name: values[field] for field, name in _PLAIN.items() if field in values}
    if "code" in values:
        fields["code"] = values["code"]
    if values.get("min_quantity") is not None:
        fields["min_quantity"] = from_milli(values["min_quantity"])
    if values.get("tags"):
        fields["tags"] = list(values["tags"])
    main, packs = _barcodes(values, None)
    if packs:
        fields |= {"upc": main, "barcodes": packs}
    return ItemStep(fields, values.get("type"), [f"new item {values['name']}"])


def item_change(line: Line, item: Item, found: FoundReferences) -> ItemStep:
    """What the row changes of its item; no fields when it says what is there. Raises RowRejected."""
    values = line.values
    _check_barcodes(values, found, item)
    step = ItemStep({}, None, [])
    if not item.is_active:
        step.fields["is_active"] = True
        step.told.append("in use again")
    for field, name in _PLAIN.items():
        if field in values and values[field] != _bare(getattr(item, name)):
            step.fields[name] = values[field]
            step.told.append(_change(field, getattr(item, name), values[field]))
    if "min_quantity" in values:
        before = None if item.min_quantity is None else to_milli(item.min_quantity)
        if values["min_quantity"] != before:
            after = None if values["min_quantity"] is None else from_milli(values["min_quantity"])
            step.fields["min_quantity"] = after
            step.told.append(_change("min_quantity", item.min_quantity, after))
    if "tags" in values and {name_key(each) for each in values["tags"]} != {name_key(each) for each in item.tags}:
        step.fields["tags"] = list(values["tags"])
        step.told.append(_change("tags", "; ".join(item.tags), "; ".join(values["tags"])))
    if "type" in values and name_key(values["type"] or "") != name_key(item.type_name or ""):
        step.type_name = values["type"]
        if step.type_name is None:
            step.fields["type_id"] = None
        step.told.append(_change("type", item.type_name, values["type"]))
    main, packs = _barcodes(values, item)
    there = {each.barcode: to_milli(each.pack_quantity) for each in item.barcodes}
    if (main, packs) != (item.upc, there):
        step.fields |= {"upc": main, "barcodes": packs}
        step.told.append(_change("barcodes", ", ".join(there), ", ".join(packs)))
    return step


def stock_step(line: Line, item: Item | None, found: FoundReferences, options: ImportOptions) -> StockStep | None:
    """What becomes of the stock that the row states; None when it is booked already. Raises RowRejected."""
    values = line.values
    booking = found.bookings[line.number]
    if booking.is_done:
        return None
    place = _place(values, found, options)
    lot = values.get("expiry_date")
    level = None if item is None or place is None else found.levels.get((item.id, place.id, lot))
    quantity, unit, notes = values["quantity"], values.get("unit"), values.get("notes")
    details = {}
    booked_unit = unit
    if level is not None:
        quantity, booked_unit, unit = _in_unit_of(level, item, quantity, unit, options)
        sent = {"unit": unit, "notes": notes}
        details = {name: text for name, text in sent.items() if text and text != _bare(getattr(level, name))}
    there = level.quantity_milli if level is not None and level.is_active else None
    adds = options.stock is StockMode.ADD
    books = adds or there != quantity
    if books and quantity < 0:
        raise RowRejected("Stock cannot be set to less than 0; remove it by an event", "quantity")
    name = place.name if place is not None else values["location"]
    told = []
    if books:
        what = f"+{units.describe(quantity)}" if adds else units.describe(quantity)
        was = "" if adds or there is None else f" instead of {units.describe(there)}"
        told.append(f"{what} at {name}{was}" + (f", expiring {lot}" if lot else ""))
    told += [_change(field, getattr(level, field), text) for field, text in details.items()]
    storage_type = values.get("location_storage_type") or StorageType.OTHER
    sku_id = None if level is None else level.id
    return StockStep(
        mode=options.stock,
        quantity_milli=quantity,
        lot=lot,
        place=place,
        place_name=name,
        storage_type=storage_type,
        sku_id=sku_id,
        event_id=booking.event_id,
        books=books,
        unit=booked_unit,
        notes=notes,
        details=details,
        told=told,
    )


def _in_unit_of(
    level: SkuState, item: Item | None, quantity: int, unit: str | None, options: ImportOptions
) -> tuple[int, str | None, str | None]:
    """The quantity of a row as it is booked to a SKU, the unit it is in then, and the one that the SKU is to have.

    A quantity in another unit of the same kind is converted, and the SKU keeps its unit. Of another kind nothing can be
    added; but stock that is set has the quantity and the unit of the row from then on. Raises RowRejected.
    """
    if unit is None:
        return quantity, None, None
    packs = [to_milli(each.pack_quantity) for each in item.barcodes] if item else []
    try:
        converted = units.convert(quantity, unit, level.unit, units.pack_size(packs))
    except units.OtherKind:
        if options.stock is StockMode.ADD:
            raise RowRejected(
                f"It is counted in {level.unit} there, which {unit} cannot be converted into", "unit"
            ) from None
        return quantity, None, unit
    except units.Inexact as inexact:
        raise RowRejected(
            f"{units.describe(quantity, unit)} would be {units.describe(inexact.exact, level.unit)}, which has more"
            " than three decimals; nothing is rounded",
            "quantity",
        ) from None
    is_same = units.measure_of(unit) == units.measure_of(level.unit)
    # The same unit in another spelling is what is said of the SKU, as its notes are.
    return converted, level.unit, unit if is_same else None


def _place(values: dict[str, Any], found: FoundReferences, options: ImportOptions) -> Place | None:
    """Where the stock is; None for a place that has to be made first."""
    if "box_no" in values:
        box_no, loc_no = values["box_no"], values["loc_no"]
        if place := found.boxes.get((box_no, loc_no)):
            return place
        raise RowRejected(f"There is no place {loc_no} in box {box_no}; make the box first", "loc_no")
    if place := found.places.get(values["location"]):
        return place
    if not options.create_locations:
        raise RowRejected(f"There is no location {values['location']!r}, and create_locations is false", "location")
    return None


def _barcodes(values: dict[str, Any], item: Item | None) -> tuple[str | None, dict[str, int]]:
    """The main barcode and all of them, in order, with their packs in thousandths, as the row wants them."""
    there = {each.barcode: to_milli(each.pack_quantity) for each in item.barcodes} if item else {}
    # Another form of a number that the item has is not another barcode: it stays as it is written there.
    written = {barcode_key(code): code for code in there}

    def own(code: str) -> str:
        return code if code in there else written.get(barcode_key(code), code)

    main, given = (item.upc if item else None), own(values["barcode"]) if "barcode" in values else None
    if "barcodes" in values:
        main = given or main
        listed = {own(code): pack for code, pack in values["barcodes"]}
        if main is not None:
            # It may be among them in another form, with its pack.
            same = next((code for code in listed if barcode_key(code) == barcode_key(main)), main)
            listed = {main: listed.pop(same, None), **listed}
        return main, {code: pack or there.get(code, 1000) for code, pack in listed.items()}
    if given is None or given in there:
        return main, there
    if main is None:
        return given, {given: 1000, **there}
    return main, {**there, given: 1000}


def _check_barcodes(values: dict[str, Any], found: FoundReferences, item: Item | None) -> None:
    for code in barcodes_of(values):
        other = found.owner(code)
        if other is not None and (item is None or other.id != item.id):
            field = "barcode" if values.get("barcode") == code else "barcodes"
            hidden = "" if other.is_active else ", which is no longer in use"
            raise RowRejected(f"The barcode {code} belongs to {other.name} ({other.code}){hidden}", field)


def _bare(value: Any) -> Any:
    """A value without the blanks around it, which no cell keeps."""
    return value.strip() if type(value) is str else value


def _change(field: str, before: Any, after: Any) -> str:
    return f"{field}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = str(getattr(value, "value", value) if value not in (None, "") else "nothing")
    return text if len(text) <= 60 else f"{text[:57]}..."


def title(line: Line, item: Item | None) -> str:
    """What to call the item of a row."""
    named: str = line.values.get("name") or line.values.get("code") or line.values.get("barcode") or ""
    return item.name if item is not None else named
