"""What a search is answered."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.catalogue.schemas import Item
from stocky.schema import StorageType

MatchKind = Literal["exact", "whole", "begins", "words", "contains", "similar"]


class Match(Struct, kw_only=True):
    """Why an item was found: `fields` are where the words are, `score` is 1 unless they are merely similar.

    `exact` is its code or a barcode, `whole` its whole name or manufacturer's code, `begins` the beginning of its
    name, `words` words that begin so, `contains` text inside of words, `similar` what may have been meant.
    """

    kind: MatchKind
    fields: Annotated[list[str], Meta(examples=[["name"]])]
    score: Annotated[float, Meta(examples=[1.0])]


class FoundPlace(Struct, kw_only=True):
    """A location in a search's answer."""

    id: int
    name: str
    storage_type: StorageType
    box_no: int | None
    loc_no: int | None


class FoundStock(Struct, kw_only=True):
    """How much of an item is at a place, with the earliest expiry date of its lots there."""

    location: FoundPlace
    quantity: float
    unit: str
    expiry_date: date | None


class FoundItem(Item, kw_only=True, gc=False):
    """An item, where it is, and why it was found."""

    locations: list[FoundStock]
    match: Match
