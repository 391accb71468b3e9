"""What a column of a table can be: the fields of items and of stock, and the headers they are known by."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import msgspec

from stocky.imports import cell_values


class About(str, Enum):
    """What a field tells of."""

    ITEM = "item"
    STOCK = "stock"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field that a column can hold. `headers` are guessed, without regard to case, blanks and punctuation."""

    name: str
    about: About
    meaning: str
    example: str
    headers: tuple[str, ...] = ()


# How cells of these fields are read; the others are text of a bounded length.
Kind = Literal["text", "quantity", "list"]
MAX_LENGTHS = {
    "name": 200,
    "description": 1000,
    "barcode": 128,
    "manufacturer_code": 200,
    "type": 100,
    "seller": 200,
    "seller_link": 2000,
    "location": 200,
    "unit": 50,
    "notes": 1000,
}
QUANTITIES = frozenset({"quantity", "min_quantity"})
READERS: dict[str, Callable[[str], Any]] = {
    "storage_type": cell_values.storage_type_of,
    "location_storage_type": cell_values.storage_type_of,
    "oversell_policy": cell_values.oversell_policy_of,
    "box_no": cell_values.number_of,
    "loc_no": cell_values.number_of,
    "expiry_date": cell_values.date_of,
}

FIELDS = (
    Field(
        name="code",
        about=About.ITEM,
        meaning="The item's four letters; a new item gets them where they are free",
        example="KZMA",
        headers=("item code",),
    ),
    Field(
        name="name",
        about=About.ITEM,
        meaning="What it is called; a new item needs one",
        example="Coffee, ground",
        headers=("item", "item name", "product", "title", "article"),
    ),
    Field(
        name="description",
        about=About.ITEM,
        meaning="More about it",
        example="The one in the blue bag",
        headers=("item description", "details"),
    ),
    Field(
        name="barcode",
        about=About.ITEM,
        meaning="A barcode of the item. Alone it is added to those there are",
        example="4006381333931",
        headers=("upc", "ean", "gtin", "bar code", "ean13", "item barcode"),
    ),
    Field(
        name="barcodes",
        about=About.ITEM,
        meaning="All its other barcodes, with ; between them, and *6 after one of a pack of six",
        example="4006381333948*6; 40063819",
        headers=("further barcodes", "other barcodes"),
    ),
    Field(
        name="storage_type",
        about=About.ITEM,
        meaning="Where it belongs: pantry, refrigerator, freezer, counter, garage or other",
        example="pantry",
        headers=("default storage type", "storage"),
    ),
    Field(
        name="min_quantity",
        about=About.ITEM,
        meaning="From which quantity on it is low",
        example="2",
        headers=("minimum", "minimum quantity", "min stock", "reorder level", "reorder point"),
    ),
    Field(
        name="oversell_policy",
        about=About.ITEM,
        meaning="When more is taken than is there: reject, clamp or allow",
        example="reject",
        headers=("oversell",),
    ),
    Field(
        name="manufacturer_code",
        about=About.ITEM,
        meaning="The manufacturer's number of the part",
        example="BC547B",
        headers=("mpn", "part number", "manufacturer part number", "part no"),
    ),
    Field(
        name="type",
        about=About.ITEM,
        meaning="What kind of thing it is; a type that is new is made",
        example="Semiconductors",
        headers=("item type", "category", "kind"),
    ),
    Field(
        name="tags",
        about=About.ITEM,
        meaning="All its tags, with ; between them",
        example="transistor; npn",
        headers=("tag", "labels", "keywords"),
    ),
    Field(
        name="seller",
        about=About.ITEM,
        meaning="Where it is bought",
        example="Corner shop",
        headers=("supplier", "vendor", "shop"),
    ),
    Field(
        name="seller_link",
        about=About.ITEM,
        meaning="The page it is bought on",
        example="https://example.org/bc547",
        headers=("link", "url", "supplier link"),
    ),
    Field(
        name="location",
        about=About.STOCK,
        meaning="The name of the place; one that is new is made",
        example="Pantry",
        headers=("location name", "place", "shelf", "where"),
    ),
    Field(
        name="location_storage_type",
        about=About.STOCK,
        meaning="What a new place is: pantry, refrigerator, freezer, counter, garage or other",
        example="pantry",
    ),
    Field(
        name="box_no",
        about=About.STOCK,
        meaning="The number of a box that there is; with loc_no, instead of the place's name",
        example="3",
        headers=("box", "box number"),
    ),
    Field(
        name="loc_no",
        about=About.STOCK,
        meaning="The number of the place in the box",
        example="7",
        headers=("location number", "loc", "place number"),
    ),
    Field(
        name="quantity",
        about=About.STOCK,
        meaning="How much is there, or with stock=add how much comes to it; at most three decimals",
        example="2.5",
        headers=("qty", "amount", "count", "stock", "on hand", "number"),
    ),
    Field(
        name="unit",
        about=About.STOCK,
        meaning="What is counted",
        example="piece",
        headers=("uom", "unit of measure"),
    ),
    Field(
        name="expiry_date",
        about=About.STOCK,
        meaning="The lot: the day it expires, as 2026-12-31; empty for stock without one",
        example="2026-12-31",
        headers=("expiry", "expires", "best before", "expiration date", "lot", "use by"),
    ),
    Field(
        name="notes",
        about=About.STOCK,
        meaning="Words about this stock",
        example="Top shelf",
        headers=("note", "remarks", "comment", "comments"),
    ),
)
BY_NAME = {field.name: field for field in FIELDS}


def _plain(header: str) -> str:
    return "".join(letter for letter in header.casefold() if letter.isalnum())


_BY_HEADER = {_plain(header): field.name for field in FIELDS for header in (field.name, *field.headers)}


def guess(header: str) -> str | None:
    """The field that a column of this header holds, None for a header that says nothing."""
    return _BY_HEADER.get(_plain(header))
