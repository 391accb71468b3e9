"""The fields of items and stock that a column can hold, and the headers recognised for each.

A custom field is named `field.` and the key of its own name, and is recognised by this header only.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import msgspec

from stocky.barcodes.codes import LONGEST
from stocky.catalogue.field_repository import list_field_names
from stocky.catalogue.schemas import LONGEST_PATH
from stocky.db import Connection
from stocky.imports import cell_values
from stocky.names import name_key
from stocky.schema import FIELD_PREFIX


class About(str, Enum):
    """The subject of a field."""

    ITEM = "item"
    STOCK = "stock"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field that a column can hold. `headers` match without regard to case, blanks and punctuation."""

    name: str
    about: About
    meaning: str
    example: str
    headers: tuple[str, ...] = ()


# How cells are parsed; other fields are text of a bounded length.
Kind = Literal["text", "quantity", "list"]
MAX_LENGTHS = {
    "name": 200,
    "description": 1000,
    "barcode": LONGEST,
    "manufacturer_code": 200,
    "type": 100,
    "seller": 200,
    "seller_link": 2000,
    "location": LONGEST_PATH,
    "location_path": LONGEST_PATH,
    "unit": 50,
    "notes": 1000,
    "lot": 100,
    "serial": 100,
    # Fields that only presets for parts of a project have.
    "footprint": 200,
    "references": 10_000,
}
QUANTITIES = frozenset({"quantity", "min_quantity", "reorder_quantity"})
READERS: dict[str, Callable[[str], Any]] = {
    "storage_type": cell_values.storage_type_of,
    "location_storage_type": cell_values.storage_type_of,
    "location_kind": cell_values.location_kind_of,
    "oversell_policy": cell_values.oversell_policy_of,
    "box_no": cell_values.number_of,
    "loc_no": cell_values.number_of,
    "shelf_life_days": cell_values.days_of,
    "opened_days": cell_values.days_of,
}

FIELDS = (
    Field(
        name="code",
        about=About.ITEM,
        meaning="The item's four-letter code; a new item gets it if it is free",
        example="KZMA",
        headers=("item code",),
    ),
    Field(
        name="name",
        about=About.ITEM,
        meaning="The item's name; required for a new item",
        example="Coffee, ground",
        headers=("item name", "product", "title", "article"),
    ),
    Field(
        name="description",
        about=About.ITEM,
        meaning="The item's description",
        example="The one in the blue bag",
        headers=("item description", "details"),
    ),
    Field(
        name="barcode",
        about=About.ITEM,
        meaning="A barcode of the item; without a barcodes column it is added to the item's barcodes",
        example="4006381333931",
        headers=("upc", "ean", "gtin", "bar code", "ean13", "item barcode"),
    ),
    Field(
        name="barcodes",
        about=About.ITEM,
        meaning="All other barcodes, separated by ;, with *6 after the barcode of a pack of six",
        example="4006381333948*6; 40063819",
        headers=("further barcodes", "other barcodes"),
    ),
    Field(
        name="storage_type",
        about=About.ITEM,
        meaning="Where the item belongs: pantry, refrigerator, freezer, counter, garage or other",
        example="pantry",
        headers=("default storage type", "storage"),
    ),
    Field(
        name="min_quantity",
        about=About.ITEM,
        meaning="The quantity at or below which stock is low",
        example="2",
        headers=("minimum", "minimum quantity", "min stock", "reorder level", "reorder point"),
    ),
    Field(
        name="reorder_quantity",
        about=About.ITEM,
        meaning="How much is bought at a time",
        example="6",
        headers=("order quantity", "reorder amount"),
    ),
    Field(
        name="oversell_policy",
        about=About.ITEM,
        meaning="What to do when more is removed than is in stock: reject, clamp or allow",
        example="reject",
        headers=("oversell",),
    ),
    Field(
        name="manufacturer_code",
        about=About.ITEM,
        meaning="The manufacturer's part number",
        example="BC547B",
        headers=("mpn", "part number", "manufacturer part number", "part no", "manufacturer's code"),
    ),
    Field(
        name="type",
        about=About.ITEM,
        meaning="The item's type; a new type is created",
        example="Semiconductors",
        headers=("item type", "category", "kind"),
    ),
    Field(
        name="tags",
        about=About.ITEM,
        meaning="All tags of the item, separated by ;",
        example="transistor; npn",
        headers=("tag", "labels", "keywords"),
    ),
    Field(
        name="seller",
        about=About.ITEM,
        meaning="The seller",
        example="Corner shop",
        headers=("supplier", "vendor", "shop"),
    ),
    Field(
        name="seller_link",
        about=About.ITEM,
        meaning="The item's page at the seller",
        example="https://example.org/bc547",
        headers=("link", "url", "supplier link"),
    ),
    Field(
        name="shelf_life_days",
        about=About.ITEM,
        meaning="How many days it keeps; what is scanned without an expiry date expires after them",
        example="14",
    ),
    Field(
        name="opened_days",
        about=About.ITEM,
        meaning="How many days it keeps once it is opened",
        example="3",
    ),
    Field(
        name="location",
        about=About.STOCK,
        meaning="The name or the path of the location; a new one is created, with those that it is in",
        example="Pantry",
        headers=("location name", "place", "shelf", "where"),
    ),
    Field(
        name="location_path",
        about=About.STOCK,
        meaning="The path of the location, instead of its name",
        example="Garage / Shelf 2",
        headers=("path",),
    ),
    Field(
        name="location_storage_type",
        about=About.STOCK,
        meaning="The storage type of a new location: pantry, refrigerator, freezer, counter, garage or other",
        example="pantry",
    ),
    Field(
        name="location_kind",
        about=About.STOCK,
        meaning="What the location is: place, or person for one to whom things are lent",
        example="place",
    ),
    Field(
        name="box_no",
        about=About.STOCK,
        meaning="The number of an existing box; with loc_no, instead of the location's name",
        example="3",
        headers=("box", "box number"),
    ),
    Field(
        name="loc_no",
        about=About.STOCK,
        meaning="The number of the location in the box",
        example="7",
        headers=("location number", "loc", "place number"),
    ),
    Field(
        name="quantity",
        about=About.STOCK,
        meaning="The quantity in stock, or with stock=add the quantity added; at most three decimals",
        example="2.5",
        headers=("qty", "amount", "count", "stock", "on hand"),
    ),
    Field(
        name="unit",
        about=About.STOCK,
        meaning="The unit of the quantity",
        example="piece",
        headers=("uom", "unit of measure"),
    ),
    Field(
        name="expiry_date",
        about=About.STOCK,
        meaning="The expiry date: 2026-12-31, or in the order of `dates`; empty for stock without one",
        example="2026-12-31",
        headers=("expiry", "expires", "best before", "expiration date", "use by"),
    ),
    Field(
        name="notes",
        about=About.STOCK,
        meaning="Notes on this stock",
        example="Top shelf",
        headers=("note", "remarks", "comment", "comments"),
    ),
    Field(
        name="lot",
        about=About.STOCK,
        meaning="The number of the lot; a date without a column of expiry dates is the expiry date",
        example="L2401",
        headers=("lot number", "batch", "batch number", "lot no", "charge"),
    ),
    Field(
        name="serial",
        about=About.STOCK,
        meaning="The serial number of one piece",
        example="SN-0042",
        headers=("serial number", "serial no", "s/n"),
    ),
    Field(
        name="unit_price",
        about=About.STOCK,
        meaning="What was paid for one of the unit, in the currency of the settings; at most six decimals",
        example="2.49",
        headers=("price per unit", "price each", "unit cost", "purchase price", "purchase cost", "last price"),
    ),
    Field(
        name="opened_on",
        about=About.STOCK,
        meaning="The day on which it was opened; empty for what is closed",
        example="2026-12-01",
    ),
)
BY_NAME = {field.name: field for field in FIELDS}


def plain(header: str) -> str:
    """A header without case, blanks and punctuation."""
    return "".join(letter for letter in header.casefold() if letter.isalnum())


_BY_HEADER = {plain(header): field.name for field in FIELDS for header in (field.name, *field.headers)}


def guess(header: str) -> str | None:
    """The field of a column with this header, None for an unknown header."""
    return custom_field(header) or _BY_HEADER.get(plain(header))


def custom_field(text: str) -> str | None:
    """The custom field of a text such as `field.Voltage`, whose name counts in any case; None for another text."""
    prefix, name = text.strip()[: len(FIELD_PREFIX)], name_key(text.strip()[len(FIELD_PREFIX) :])
    return f"{FIELD_PREFIX}{name}" if name and prefix.lower() == FIELD_PREFIX else None


async def list_all_fields(read: Connection) -> list[Field]:
    """FIELDS, and the custom fields of all types, each as exports name it."""
    custom = [
        Field(name=f"{FIELD_PREFIX}{name}", about=About.ITEM, meaning="A custom field of the item's type", example="5")
        for name in await list_field_names(read, None)
    ]
    return [*FIELDS, *custom]


def is_custom(field: str) -> bool:
    """Whether a field is one that a type of items has."""
    return field.startswith(FIELD_PREFIX)


def about(field: str) -> About:
    """The subject of a field."""
    return About.ITEM if is_custom(field) else BY_NAME[field].about


def count_recognised(header: list[str]) -> int:
    """The number of fields that the headers of a row name."""
    return len({field for name in header if (field := guess(name)) is not None})
