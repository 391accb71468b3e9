"""Requests and responses for items, barcodes, types, tags and locations."""

from __future__ import annotations

import secrets
from datetime import datetime
from string import ascii_uppercase
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.barcodes.codes import LONGEST
from stocky.catalogue.fields import Value
from stocky.quantity import Quantity, to_milli
from stocky.schema import MAX_ID, TRIMMED, VISIBLE, Id, LocationKind, OversellPolicy, StorageType

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=VISIBLE, examples=["Coffee, ground"])]
Description = Annotated[str, Meta(max_length=1000)]
Upc = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=20,
        pattern=r"^[\x21-\x7e]+$(?!\n)",
        examples=["4006381333931"],
        extra={"length_hint": "barcodes accepts any length"},
    ),
]
ManufacturerCode = Annotated[str, Meta(max_length=200, examples=["BC547B"])]
Seller = Annotated[str, Meta(max_length=200, examples=["Corner shop"])]
Link = Annotated[
    str,
    Meta(max_length=2000, pattern=r'^(https?://[^\s\x00-\x1f<>"]+)?$(?!\n)', examples=["https://example.org/bc547"]),
]
MOST_TAGS = 50
TagName = Annotated[str, Meta(min_length=1, max_length=50, pattern=TRIMMED, examples=["transistor"])]
TypeName = Annotated[str, Meta(min_length=1, max_length=100, pattern=TRIMMED, examples=["Semiconductors"])]
# Characters of a path; a Postgres index accepts no key over 2,700 bytes.
LONGEST_PATH = 500
ParentId = Annotated[int, Meta(ge=1, le=MAX_ID, description="The location that it is in; null for none", examples=[1])]
# The values of an item by the names of the fields that its type has.
FieldValues = Annotated[dict[str, Value], Meta(examples=[{"Voltage": 5, "Package": "TO-92"}])]
SentValues = Annotated[dict[str, Value | None], Meta(max_length=100, examples=[{"Voltage": 5, "Package": "TO-92"}])]
BarcodeText = Annotated[str, Meta(min_length=1, max_length=LONGEST, pattern=r"\S", examples=["4006381333931"])]


# A `upc` of a request, as it may come from a scanner; empty text is none, since clients send it for an empty field.
UpcText = Annotated[
    str,
    Meta(
        max_length=LONGEST,
        pattern=r"^(?!\s+$)",
        description="8 to 20 characters, besides what a scanner puts around it; empty for none",
        examples=["4006381333931"],
    ),
]


class Barcode(Struct, gc=False):
    """A barcode of an item or of a pack of it; one scan counts `pack_quantity`."""

    barcode: BarcodeText
    pack_quantity: Quantity = 1

    def __post_init__(self) -> None:
        if to_milli(self.pack_quantity, "pack_quantity") <= 0:
            raise ValueError("pack_quantity: must be more than 0")


# A hundred years.
MAX_DAYS = 36_500
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS, examples=[14])]


class Item(Struct, kw_only=True, gc=False):
    """An item of the catalogue."""

    id: int
    code: str
    name: str
    description: str
    upc: str | None
    default_storage_type: StorageType
    is_active: bool
    uda_fetched: bool
    uda_fetch_attempted: bool
    upc_data: dict[str, Any] | None
    min_quantity: float | None
    reorder_quantity: float | None = None
    shelf_life_days: int | None = None
    opened_days: int | None = None
    oversell_policy: OversellPolicy
    needs_review: bool
    barcodes: list[Barcode]
    manufacturer_code: str
    type_id: int | None
    type_name: str | None
    tags: list[str]
    fields: FieldValues
    seller: str
    seller_link: str
    image_document_id: int | None
    merged_into_id: int | None
    total_quantity: float
    version: int
    # The unit of `total_quantity`, `min_quantity` and `reorder_quantity`; null for an item that has never had a SKU.
    unit: str | None = None
    created_at: datetime
    updated_at: datetime


class NewItem(Struct, kw_only=True):
    """An item to add. `upc` is its first barcode, `barcodes` are the others.

    `upc` has 8 to 20 characters, besides what a scanner puts around it. At or below `min_quantity`, its reorder point,
    the item is low; it is bought in multiples of `reorder_quantity`.
    """

    name: Name
    description: Description | None = None
    upc: UpcText | None = None
    default_storage_type: StorageType = StorageType.PANTRY
    min_quantity: Quantity | None = None
    reorder_quantity: Quantity | None = None
    oversell_policy: OversellPolicy = OversellPolicy.REJECT
    barcodes: Annotated[list[Barcode], Meta(max_length=100)] = []
    manufacturer_code: ManufacturerCode | None = None
    type_id: Id | None = None
    tags: Annotated[list[TagName], Meta(max_length=MOST_TAGS)] = []
    fields: SentValues = {}
    seller: Seller | None = None
    seller_link: Link | None = None
    shelf_life_days: Days | None = None
    opened_days: Days | None = None

    def __post_init__(self) -> None:
        self.upc = self.upc or None
        if self.min_quantity is not None:
            to_milli(self.min_quantity, "min_quantity")
        _check_reorder_quantity(self.reorder_quantity)


class ItemChange(Struct, kw_only=True):
    """Changes to an item; fields not sent keep their values. `barcodes` and `tags`, if sent, replace all of them.

    Of `fields`, those that are named get their values, and null removes one.

    A new `upc` has 8 to 20 characters; a barcode the item already has is accepted at any length, as from a scan.
    """

    name: Name | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    upc: UpcText | None | UnsetType = UNSET
    default_storage_type: StorageType | UnsetType = UNSET
    min_quantity: Quantity | None | UnsetType = UNSET
    reorder_quantity: Quantity | None | UnsetType = UNSET
    oversell_policy: OversellPolicy | UnsetType = UNSET
    needs_review: bool | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    barcodes: Annotated[list[Barcode], Meta(max_length=100)] | UnsetType = UNSET
    manufacturer_code: ManufacturerCode | None | UnsetType = UNSET
    type_id: Id | None | UnsetType = UNSET
    tags: Annotated[list[TagName], Meta(max_length=MOST_TAGS)] | UnsetType = UNSET
    fields: SentValues | UnsetType = UNSET
    seller: Seller | None | UnsetType = UNSET
    seller_link: Link | None | UnsetType = UNSET
    shelf_life_days: Days | None | UnsetType = UNSET
    opened_days: Days | None | UnsetType = UNSET
    image_document_id: Annotated[
        Id | None | UnsetType, Meta(description="One of its documents, a picture, as its image")
    ] = UNSET

    def __post_init__(self) -> None:
        if self.upc == "":
            self.upc = None
        if isinstance(self.min_quantity, (int, float)):
            to_milli(self.min_quantity, "min_quantity")
        _check_reorder_quantity(self.reorder_quantity)


def _check_reorder_quantity(quantity: float | UnsetType | None) -> None:
    if isinstance(quantity, (int, float)) and to_milli(quantity, "reorder_quantity") == 0:
        raise ValueError("reorder_quantity: must be more than 0")


class LocationCounts(Struct, kw_only=True):
    """What is at a location: items with stock, and the same with all that is inside it."""

    items: Annotated[int, Meta(description="Items with stock at the location itself")]
    items_with_inside: Annotated[int, Meta(description="Items with stock at it or at any location inside it")]
    locations_inside: Annotated[int, Meta(description="Locations inside it, at any depth")]


class Location(Struct, kw_only=True):
    """A location for stock. A place of a box has `box_no` and `loc_no`, the box itself only `box_no`.

    One of the kind `person` holds what is lent to that person.
    """

    id: int
    name: str
    description: str
    storage_type: StorageType
    is_active: bool
    box_no: int | None
    loc_no: int | None
    parent_id: Annotated[int | None, Meta(description="The location that it is in")]
    path: Annotated[
        str, Meta(description="The names from the top down, which name it everywhere", examples=["Garage / Shelf 2"])
    ]
    kind: LocationKind = LocationKind.PLACE
    created_at: datetime
    updated_at: datetime
    counts: Annotated[LocationCounts | None, Meta(description="With `counts=true`, else null")] = None


class NewLocation(Struct, kw_only=True):
    """A location to add."""

    name: Name
    description: Description | None = None
    storage_type: StorageType = StorageType.OTHER
    parent_id: ParentId | None = None
    kind: LocationKind = LocationKind.PLACE


class LocationChange(Struct, kw_only=True):
    """Changes to a location; fields not sent keep their values. With another `parent_id` all in it moves along."""

    name: Name | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    parent_id: ParentId | None | UnsetType = UNSET
    kind: LocationKind | UnsetType = UNSET


class DuplicateLocation(Struct, kw_only=True):
    """A location with the path of an older one: only case or blanks tell them apart."""

    id: int
    path: str
    same_id: int
    same_path: str


class ItemType(Struct, kw_only=True):
    """A type of items."""

    id: int
    name: str
    description: str
    item_count: int
    created_at: datetime
    updated_at: datetime


class NewItemType(Struct, kw_only=True):
    """A type to add."""

    name: TypeName
    description: Description | None = None


class ItemTypeChange(Struct, kw_only=True):
    """Changes to a type; fields not sent keep their values."""

    name: TypeName | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET


class Tag(Struct, kw_only=True):
    """A label that items are found by."""

    id: int
    name: str
    item_count: int
    created_at: datetime
    updated_at: datetime


class NewTag(Struct, kw_only=True):
    """A tag to add, or a new name for one."""

    name: TagName


class SellerCount(Struct):
    """A seller, with the number of items from it."""

    name: str
    item_count: int


def new_code() -> str:
    """A random code such as `QXZB`, which may be taken already."""
    return "".join(secrets.choice(ascii_uppercase) for _ in range(4))


def is_item_code(text: str) -> bool:
    """Whether the text has the form of an item code, in any case."""
    return len(text) == 4 and text.isascii() and text.isalpha()
