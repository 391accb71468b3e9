"""Request and response types of shopping lists, their entries and log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.auth.schemas import ShownUser
from stocky.catalogue.schemas import Item, Name
from stocky.money import UnitPrice
from stocky.quantity import Quantity, to_milli
from stocky.schema import VISIBLE, AnyCase, Id
from stocky.stock.schemas import (
    EventId,
    ExpiryDate,
    LocationReference,
    Lot,
    Notes,
    Seller,
    Serial,
    StockEvent,
    normalized_lot,
    read_price,
)

PlaceholderText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=VISIBLE,
        description="Something to buy that is not an item",
        examples=["Birthday candles"],
    ),
]


class ActionType(AnyCase):
    """The kind of a change of a shopping list."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    ITEM_ADDED = "item_added"
    ITEM_UPDATED = "item_updated"
    ITEM_REMOVED = "item_removed"
    DUPLICATED = "duplicated"


class ListSummary(Struct, kw_only=True):
    """A shopping list without its entries."""

    id: int
    name: str
    is_public: bool
    creator: ShownUser
    item_count: int
    created_at: datetime
    updated_at: datetime


class ListedItem(Item, kw_only=True, gc=False):
    """The item of an entry. That of a placeholder is none of `/items`: its `id` is null, its `name` is the text."""

    id: int | None  # type: ignore[assignment]  # wider than Item's: responses only, never passed as an Item
    is_placeholder: bool


class Entry(Struct, kw_only=True):
    """Something to buy: an `item`, or a placeholder with its `text`."""

    id: int
    item: ListedItem
    text: str | None
    quantity: float
    created_at: datetime
    updated_at: datetime


class ShoppingList(Struct, kw_only=True):
    """A shopping list with its entries, in the order they were added."""

    id: int
    name: str
    is_public: bool
    creator: ShownUser
    items: list[Entry]
    created_at: datetime
    updated_at: datetime


class ListPage(Struct):
    """A page of the visible shopping lists, and their total."""

    items: list[ListSummary]
    total: int
    skip: int
    limit: int


class ListLogEntry(Struct, kw_only=True):
    """A change of a list, its user and time; `details` depend on `action_type`.

    They have `list_name`, and `item_name` for an entry, or for a copy `source_list_id`, `source_list_name` and
    `new_list_name`; the log of a public copy does not name a private list.
    """

    id: int
    action_type: ActionType
    user: ShownUser
    details: dict[str, Any]
    timestamp: datetime


class LogPage(Struct):
    """A page of the changes of a list, and their total."""

    items: list[ListLogEntry]
    total: int
    skip: int
    limit: int


class NewList(Struct, kw_only=True):
    """A list to create; a private list is visible to its creator and admins."""

    name: Name
    is_public: bool = False


class ListChange(Struct, kw_only=True):
    """Changes to a list; fields that are not sent stay unchanged."""

    name: Name | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET


class Duplication(Struct, kw_only=True):
    """The name of the copy and whether it is public; `is_public` defaults to the original's."""

    name: Name | None = None
    is_public: bool | None = None


class NewEntry(Struct, kw_only=True):
    """An item by id, or a placeholder by text, with its quantity."""

    item_id: Id | None = None
    text: PlaceholderText | None = None
    quantity: Quantity = 1

    def __post_init__(self) -> None:
        if (self.item_id is None) == (self.text is None):
            raise ValueError("item_id: send either the id of an item, or a text")
        check_positive(self.quantity)


class ItemEntryChange(Struct, kw_only=True):
    """A new quantity of an item; unchanged when not sent."""

    quantity: Quantity | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_positive(self.quantity)


class PlaceholderChange(Struct, kw_only=True):
    """Changes to a placeholder; fields that are not sent stay unchanged."""

    text: PlaceholderText | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_positive(self.quantity)


class Filling(Struct, kw_only=True):
    """The quantity to fill each low item up to, where it is more than the item's minimum.

    An item with a reorder quantity is bought in multiples of it.
    """

    target: Quantity | None = None

    def __post_init__(self) -> None:
        if self.target is not None:
            to_milli(self.target, "target")


class Filled(Struct):
    """The added entries, and those that had less and were raised.

    `is_complete` is false when more items are low than fit on the list.
    """

    added: list[Entry]
    raised: list[Entry]
    is_complete: bool


class Purchase(Struct, kw_only=True, omit_defaults=True):
    """A purchase of an item and its location; `quantity` defaults to the whole entry.

    Lists count in the item's main unit (its `unit`); the event is in the unit of the stock at the location.
    The location may be omitted while the item is at only one location. `expiry_date`, `lot` and `serial` are those of
    the purchase. A `lot` that is a date, without `expiry_date`, is the expiry date.
    `unit_price` is what was paid for one of the main unit.
    """

    quantity: Quantity | None = None
    location: LocationReference | None = None
    lot: Lot | None = None
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    note: Notes | None = None
    expiry_date: ExpiryDate | None | UnsetType = UNSET
    serial: Serial | None = None
    unit_price: UnitPrice | None = None
    seller: Seller | None = None

    ADDED_LATER: ClassVar = ("expiry_date", "serial", "unit_price", "seller")

    def __post_init__(self) -> None:
        if self.quantity is not None:
            check_positive(self.quantity)
        self.unit_price = read_price(self.unit_price, self.seller)
        self.lot, self.expiry_date, self.serial = normalized_lot(self.lot, self.expiry_date, self.serial)


class Bought(Struct, kw_only=True):
    """The stock event of a purchase, and the remaining entry (null when it is off the list)."""

    bought: float
    entry: Entry | None
    event: StockEvent
    duplicate: bool


def check_positive(quantity: float | UnsetType) -> None:
    """Raises ValueError for a quantity of 0 or of more than three decimals."""
    if not isinstance(quantity, UnsetType) and to_milli(quantity) == 0:
        raise ValueError("quantity: must be more than 0; delete the entry instead")
