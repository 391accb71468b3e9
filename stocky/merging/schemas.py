"""Request and response types of merges and the review queue."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from stocky.catalogue.schemas import Item
from stocky.schema import Id


class MergeRequest(Struct, kw_only=True):
    """The item to merge into."""

    into: Id


class Merge(Struct, kw_only=True):
    """A merge of one item into another; `undoable_until` is null when it was undone or is too old to undo."""

    id: int
    source_id: int
    target_id: int
    source_name: str
    target_name: str
    batch_id: str
    user_id: int | None
    merged_at: datetime
    undone_at: datetime | None
    undoable_until: datetime | None = None


class Stub(Struct, kw_only=True):
    """An item that a scan created and that is not named yet, with how often and when it was scanned.

    `scan_count` counts its events without those that undo another one; `event_count` counts all.
    `misread` are its barcodes with a wrong check digit: they were probably misread.
    """

    item: Item
    event_count: int
    scan_count: int
    last_event_id: int | None
    last_seen: datetime | None
    misread: list[str] = []


class SameBarcode(Struct, kw_only=True):
    """A barcode that turned out to be the same as another one, of another item or of the same.

    `barcode` is found by exactly its text, and every other form of it finds `same_barcode`.
    """

    barcode: str
    item_id: int
    item_name: str
    same_barcode: str
    same_item_id: int
    same_item_name: str


class MovedBarcode(Struct):
    """A barcode that moved."""

    code: str
    is_primary: bool


class MovedEntry(Struct):
    """A moved entry of a shopping list or project; it was added to the target's entry there, if any.

    Older merges did not store `created_at` and `into_milli`, the quantity of the target's entry.
    """

    parent_id: int
    quantity_milli: int
    created_at: datetime | None = None
    into_milli: int | None = None


class Moved(Struct, kw_only=True):
    """What moves back when a merge is undone, apart from stock, which its events record."""

    barcodes: list[MovedBarcode] = []
    # All SKUs of each item, including empty ones.
    source_skus: list[int] = []
    target_skus: list[int] = []
    merged_before: list[int] = []
    list_entries: list[MovedEntry] = []
    project_entries: list[MovedEntry] = []
    documents: list[int] = []
    image_document_id: int | None = None
    # The texts of the values that the target lacked and got; the source has the values, too.
    fields: dict[str, str] = {}


class OpenMerge(Struct, kw_only=True):
    """A merge that has not been undone."""

    id: int
    source_id: int
    target_id: int
    batch_id: str
    moved: Moved
    user_id: int | None
    merged_at: datetime
    undone_at: datetime | None
