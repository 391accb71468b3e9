"""Request and response types of projects, their requirements and withdrawals."""

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
    """A project without its requirements."""

    id: int
    name: str
    notes: str
    item_count: int
    is_withdrawn: bool
    created_at: datetime
    updated_at: datetime


class Requirement(Struct, kw_only=True):
    """A requirement of a project: an `item`, or a placeholder with its `text`.

    `missing` is the quantity that stock does not cover; for a placeholder, which has no stock, all of it. Once the
    project has been withdrawn nothing is missing.
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
    """The withdrawal of a project from stock. Undoing the batch reverses it completely."""

    batch_id: str
    user: ShownUser
    withdrawn_at: datetime


class Project(Struct, kw_only=True):
    """A project with its requirements, and its withdrawal from stock unless undone."""

    id: int
    name: str
    notes: str
    items: list[Requirement]
    withdrawal: Withdrawal | None
    created_at: datetime
    updated_at: datetime


class Missing(Struct):
    """The requirements of a project that stock does not cover."""

    is_complete: bool
    items: list[Requirement]


class Shortage(Struct, kw_only=True):
    """An item with too little stock, in a rejected withdrawal."""

    item_id: int
    code: str
    name: str
    quantity: float
    in_stock: float
    missing: float


class NewProject(Struct, kw_only=True):
    """A project to create, with its requirements as far as they are known."""

    name: Name
    notes: ProjectNotes | None = None
    items: Annotated[list[NewEntry], Meta(max_length=MAX_REQUIREMENTS)] = []


class ProjectChange(Struct, kw_only=True):
    """Changes to a project; fields that are not sent stay unchanged."""

    name: Name | UnsetType = UNSET
    notes: ProjectNotes | None | UnsetType = UNSET


class ListWish(Struct, kw_only=True):
    """The shopping list for what is missing: an existing one, or a new one; `name` defaults to the project's."""

    list_id: Id | None = None
    name: Name | None = None
    is_public: bool = False


class Listed(Struct):
    """The list with what is missing added; entries with less were raised to the missing quantity."""

    shopping_list: ShoppingList
    added: list[Entry]
    raised: list[Entry]


class NewWithdrawal(Struct, kw_only=True, omit_defaults=True):
    """An optional `event_id` and note for a withdrawal."""

    event_id: EventId | None = None
    note: Notes | None = None


class Withdrawn(Struct):
    """The events of a withdrawal. `batch_id` undoes them all: `POST /events/batches/{batch_id}/undo`."""

    batch_id: str
    events: list[StockEvent]
    duplicate: bool
