"""Items and stock in the columns by which other programs import them.

A row has an item, with one of its SKUs or without. What a program has no column for is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import Struct

from stocky.catalogue.schemas import Item
from stocky.exports.csv_cells import Number, quantity_cell
from stocky.quantity import to_milli
from stocky.schema import AnyCase

# Sortly has a primary folder and four levels in it.
_FOLDERS = ("Primary Folder", "Subfolder-level1", "Subfolder-level2", "Subfolder-level3", "Subfolder-level4")
_PATH = " / "


class Program(AnyCase):
    """A program whose columns an export has."""

    HOMEBOX = "homebox"
    PARTDB = "partdb"
    INVENTREE = "inventree"
    SNIPEIT = "snipeit"
    SORTLY = "sortly"


class Exported(Struct, kw_only=True):
    """An item, with one of its SKUs or without; `id` is that of the row."""

    id: int
    item: Item
    sku_id: int | None = None
    path: str = ""
    quantity: Number | None = None
    unit: str = ""
    expiry_date: date | None = None
    notes: str = ""
    unit_price: Number | None = None


# The value of a column.
Read = Callable[[Exported], Any]
Columns = dict[str, Read]


def columns_of(program: Program, *, of_stock: bool) -> Columns:
    """The columns of a file, by header."""
    if program is Program.INVENTREE:
        return _INVENTREE_STOCK if of_stock else _INVENTREE_PARTS
    return _COLUMNS[program]


def _reference(row: Exported) -> str:
    """Identifies the row, so that Homebox imports it once."""
    return row.item.code if row.sku_id is None else f"{row.item.code}-{row.sku_id}"


def _asset_id(row: Exported) -> str | None:
    """The main barcode, if it is a number: Homebox reads no other asset ID."""
    upc = row.item.upc
    return upc if upc is not None and upc.isascii() and upc.isdigit() and len(upc) <= 18 else None


def _minimum(row: Exported) -> Number | None:
    return None if row.item.min_quantity is None else quantity_cell(to_milli(row.item.min_quantity))


def _price(row: Exported) -> Number | None:
    return row.unit_price


def _tags(row: Exported) -> str:
    return ", ".join(tag.replace(",", " ") for tag in row.item.tags)


def _further_barcode(row: Exported) -> str | None:
    return next((each.barcode for each in row.item.barcodes if each.barcode != row.item.upc), None)


def _arrows(path: str | None) -> str:
    """A path as Part-DB writes it."""
    return (path or "").replace(_PATH, "->")


def _folder(level: int) -> Read:
    def read(row: Exported) -> str:
        names = row.path.split(_PATH)
        if level == len(_FOLDERS) - 1:
            return _PATH.join(names[level:])
        return names[level] if level < len(names) else ""

    return read


_INVENTREE_PARTS: Columns = {
    "Name": lambda row: row.item.name,
    "IPN": lambda row: row.item.upc,
    "Description": lambda row: row.item.description,
    "Keywords": _tags,
    "Category Name": lambda row: row.item.type_name,
    "Minimum Stock": _minimum,
    "Link": lambda row: row.item.seller_link,
    "Manufacturer Part Number": lambda row: row.item.manufacturer_code,
}
_INVENTREE_STOCK: Columns = {
    "Part.Name": lambda row: row.item.name,
    "Part.IPN": lambda row: row.item.upc,
    "Part.Description": lambda row: row.item.description,
    "Location.Path": lambda row: row.path.replace(_PATH, "/"),
    "Quantity": lambda row: row.quantity,
    "Part.Units": lambda row: row.unit,
    "Purchase Price": _price,
    "Expiry Date": lambda row: row.expiry_date,
    "Notes": lambda row: row.notes,
    "Manufacturer Part Number": lambda row: row.item.manufacturer_code,
}
_COLUMNS: dict[Program, Columns] = {
    Program.HOMEBOX: {
        "HB.import_ref": _reference,
        "HB.location": lambda row: row.path,
        # Older versions have no tags, and newer ones read labels as tags.
        "HB.labels": lambda row: "; ".join(tag.replace(";", ",") for tag in row.item.tags),
        "HB.asset_id": _asset_id,
        "HB.name": lambda row: row.item.name,
        "HB.quantity": lambda row: row.quantity,
        "HB.description": lambda row: row.item.description,
        "HB.notes": lambda row: row.notes,
        "HB.purchase_from": lambda row: row.item.seller,
        "HB.purchase_price": _price,
        "HB.model_number": lambda row: row.item.manufacturer_code,
        "HB.low_stock_threshold": _minimum,
    },
    Program.PARTDB: {
        "name": lambda row: row.item.name,
        "description": lambda row: row.item.description,
        "notes": lambda row: row.notes,
        "category": lambda row: _arrows(row.item.type_name),
        "tags": _tags,
        "ipn": lambda row: row.item.upc,
        "mpn": lambda row: row.item.manufacturer_code,
        "supplier": lambda row: row.item.seller,
        "supplier_part_number": _further_barcode,
        "minamount": _minimum,
        "partUnit": lambda row: row.unit,
        "price": _price,
        "storage_location": lambda row: _arrows(row.path),
        "quantity": lambda row: row.quantity,
    },
    Program.SNIPEIT: {
        "Name": lambda row: row.item.name,
        "Category": lambda row: row.item.type_name,
        "Supplier": lambda row: row.item.seller,
        "Purchase Cost": _price,
        # A consumable has a quantity.
        "QTY": lambda row: row.quantity or Number("0"),
        "Location": lambda row: row.path,
        "Min Amount": _minimum,
        "Model Number": lambda row: row.item.manufacturer_code,
        "Item Number": lambda row: row.item.upc,
        "Notes": lambda row: row.notes,
    },
    Program.SORTLY: {
        "Entry Type": lambda row: "Item",
        "Entry Name": lambda row: row.item.name,
        "Quantity": lambda row: row.quantity,
        "Unit": lambda row: row.unit,
        "Price": _price,
        "Min Level": _minimum,
        "Notes": lambda row: row.notes,
        "Tags": _tags,
        "Product Link": lambda row: row.item.seller_link,
        **{header: _folder(level) for level, header in enumerate(_FOLDERS)},
        "Barcode/QR1-Data": lambda row: row.item.upc,
        "Barcode/QR2-Data": _further_barcode,
        "Expiry Date": lambda row: row.expiry_date,
    },
}
