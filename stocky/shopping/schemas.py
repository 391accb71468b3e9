"""Shopping lists, what is on them and their log as they are asked for and answered."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.auth.schemas import ShownUser
from stocky.catalogue.schemas import Item, Name
from stocky.quantity import Quantity, to_milli
from stocky.schema import VISIBLE, AnyCase, Id
from stocky.stock.schemas import EventId, LocationReference, Notes, StockEvent

PlaceholderText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=VISIBLE,
        description="What is no item, in words",
        examples=["Birthday candles"],
    ),
]


class ActionType(AnyCase):
    """What was done to a shopping list."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    ITEM_ADDED = "item_added"
    ITEM_UPDATED = "item_updated"
    ITEM_REMOVED = "item_removed"
    DUPLICATED = "duplicated"


class ListSummary(Struct, kw_only=True):
    """A shopping list without what is on it."""

    id: int
    name: str
    is_public: bool
    creator: ShownUser
    item_count: int
    created_at: datetime
    updated_at: datetime


class Entry(Struct, kw_only=True):
    """What is to be bought: an `item`, or a placeholder with its `text`."""

    id: int
    item: Item | None
    text: str | None
    quantity: float
    created_at: datetime
    updated_at: datetime


class ShoppingList(Struct, kw_only=True):
    """A shopping list with what is on it, in the order it was put there."""

    id: int
    name: str
    is_public: bool
    creator: ShownUser
    items: list[Entry]
    created_at: datetime
    updated_at: datetime


class ListPage(Struct):
    """Some of the shopping lists one may see, and how many there are."""

    items: list[ListSummary]
    total: int
    skip: int
    limit: int


class LogEntry(Struct, kw_only=True):
    """Who did what to a list, and when; `details` depend on what."""

    id: int
    action_type: ActionType
    user: ShownUser
    details: dict[str, Any]
    timestamp: datetime


class NewList(Struct, kw_only=True):
    """A list to make; a private one is its creator's alone."""

    name: Name
    is_public: bool = False


class ListChange(Struct, kw_only=True):
    """What to change of a list; what is not sent stays."""

    name: Name | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET


class Duplication(Struct, kw_only=True):
    """What the copy of a list is called and whether it is public; like the original when not sent."""

    name: Name | None = None
    is_public: bool | None = None


class NewEntry(Struct, kw_only=True):
    """An item by its id, or a placeholder by its text, with how much of it."""

    item_id: Id | None = None
    text: PlaceholderText | None = None
    quantity: Quantity = 1

    def __post_init__(self) -> None:
        if (self.item_id is None) == (self.text is None):
            raise ValueError("item_id: name an item by its id, or something else by text; one of the two")
        more_than_nothing(self.quantity)


class ItemEntryChange(Struct, kw_only=True):
    """How much of an item; what is not sent stays."""

    quantity: Quantity | UnsetType = UNSET

    def __post_init__(self) -> None:
        more_than_nothing(self.quantity)


class PlaceholderChange(Struct, kw_only=True):
    """What to change of a placeholder; what is not sent stays."""

    text: PlaceholderText | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET

    def __post_init__(self) -> None:
        more_than_nothing(self.quantity)


class Filling(Struct, kw_only=True):
    """Up to which quantity each low item is to be bought, where that is more than its minimum."""

    target: Quantity | None = None

    def __post_init__(self) -> None:
        if self.target is not None:
            to_milli(self.target, "target")


class Filled(Struct):
    """What was put on the list. `is_complete` is false when more items are low than one list takes."""

    added: list[Entry]
    is_complete: bool


class Purchase(Struct, kw_only=True, omit_defaults=True):
    """What was bought of an item, and where it was put; without a quantity, all that was to be bought.

    Lists count in the item's main unit (its `unit`); the event is in the unit of the stock it was put to.
    The location may be left out while the item is at one place only. `lot` is the expiry date of what was bought.
    """

    quantity: Quantity | None = None
    location: LocationReference | None = None
    lot: date | None = None
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    note: Notes | None = None

    def __post_init__(self) -> None:
        if self.quantity is not None:
            more_than_nothing(self.quantity)


class Bought(Struct, kw_only=True):
    """The stock event of a purchase, and what is still to be bought of the item (null when it is off the list)."""

    bought: float
    entry: Entry | None
    event: StockEvent
    duplicate: bool


def more_than_nothing(quantity: float | UnsetType) -> None:
    """Raises ValueError for a quantity of 0 or of more than three decimals."""
    if not isinstance(quantity, UnsetType) and to_milli(quantity) == 0:
        raise ValueError("quantity: must be more than 0; delete the entry instead")
