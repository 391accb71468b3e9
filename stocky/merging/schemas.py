"""Merges and the review queue as they are asked for and answered."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from stocky.catalogue.schemas import Item
from stocky.schema import Id


class MergeRequest(Struct, kw_only=True):
    """The item that stays."""

    into: Id


class Merge(Struct, kw_only=True):
    """One item merged into another; `undoable_until` is null when it has been undone or can no longer be."""

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
    """An item that a scan made and nobody has named yet, with how often and when it was scanned."""

    item: Item
    event_count: int
    last_event_id: int | None
    last_seen: datetime | None


class MovedBarcode(Struct):
    """A barcode that went along."""

    code: str
    is_primary: bool


class MovedEntry(Struct):
    """What stood on a shopping list or in a project; it was added to the entry the other item had there, if any.

    Since when it stood there, and what the other had, older merges have not kept.
    """

    parent_id: int
    quantity_milli: int
    created_at: datetime | None = None
    into_milli: int | None = None


class Moved(Struct, kw_only=True):
    """What has to be given back when a merge is undone, apart from stock, which its events tell."""

    barcodes: list[MovedBarcode] = []
    # Those that each of the two had, empty ones included.
    source_skus: list[int] = []
    target_skus: list[int] = []
    merged_before: list[int] = []
    list_entries: list[MovedEntry] = []
    project_entries: list[MovedEntry] = []
    documents: list[int] = []
    image_document_id: int | None = None


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
