"""Projects, what they need and their withdrawal as they are asked for and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.auth.schemas import ShownUser
from stocky.catalogue.schemas import Item, Name
from stocky.schema import Id
from stocky.shopping.schemas import Entry, NewEntry, ShoppingList
from stocky.stock.schemas import EventId, Notes, StockEvent

MAX_REQUIREMENTS = 1000
ProjectNotes = Annotated[str, Meta(max_length=4000, examples=["Mind the polarity of the capacitors"])]


class ProjectSummary(Struct, kw_only=True):
    """A project without what it needs."""

    id: int
    name: str
    notes: str
    item_count: int
    is_withdrawn: bool
    created_at: datetime
    updated_at: datetime


class Requirement(Struct, kw_only=True):
    """What a project needs: an `item`, or a placeholder with its `text`.

    `missing` is what the stock does not hold of it; of a placeholder, which has no stock, all. Once the project has
    been withdrawn nothing is missing.
    """

    id: int
    item: Item | None
    text: str | None
    quantity: float
    in_stock: float
    missing: float
    created_at: datetime
    updated_at: datetime


class Withdrawal(Struct, kw_only=True):
    """That a project has taken what it needs from stock. Undoing the batch makes it as if it never had."""

    batch_id: str
    user: ShownUser
    withdrawn_at: datetime


class Project(Struct, kw_only=True):
    """A project with what it needs, and its withdrawal from stock while that stands."""

    id: int
    name: str
    notes: str
    items: list[Requirement]
    withdrawal: Withdrawal | None
    created_at: datetime
    updated_at: datetime


class Missing(Struct):
    """What the stock does not hold of what a project needs."""

    is_complete: bool
    items: list[Requirement]


class Shortage(Struct, kw_only=True):
    """An item of which there is too little, as a refusal tells it."""

    item_id: int
    code: str
    name: str
    quantity: float
    in_stock: float
    missing: float


class NewProject(Struct, kw_only=True):
    """A project to plan, with what it needs as far as that is known."""

    name: Name
    notes: ProjectNotes | None = None
    items: Annotated[list[NewEntry], Meta(max_length=MAX_REQUIREMENTS)] = []


class ProjectChange(Struct, kw_only=True):
    """What to change of a project; what is not sent stays."""

    name: Name | UnsetType = UNSET
    notes: ProjectNotes | None | UnsetType = UNSET


class ListWish(Struct, kw_only=True):
    """The shopping list for what is missing: an existing one, or a new one, named like the project if not named."""

    list_id: Id | None = None
    name: Name | None = None
    is_public: bool = False


class Listed(Struct):
    """The list after what is missing was put there; what was there already with less was raised to it."""

    shopping_list: ShoppingList
    added: list[Entry]
    raised: list[Entry]


class NewWithdrawal(Struct, kw_only=True, omit_defaults=True):
    """Optional name and words for a withdrawal."""

    event_id: EventId | None = None
    note: Notes | None = None


class Withdrawn(Struct):
    """The events of a withdrawal. `batch_id` undoes them all: `POST /events/batches/{batch_id}/undo`."""

    batch_id: str
    events: list[StockEvent]
    duplicate: bool
