"""Responses of the search."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.catalogue.schemas import Item
from stocky.schema import LocationKind, StorageType

MatchKind = Literal["exact", "whole", "begins", "words", "contains", "similar"]


class Match(Struct, kw_only=True):
    """Why an item was found: `fields` contain the words; `score` is 1 except for similar spelling.

    `exact`: its code or a barcode; `whole`: its whole name or manufacturer's code; `begins`: the start of its name;
    `words`: starts of words; `contains`: text inside words; `similar`: a similar spelling.
    """

    kind: MatchKind
    fields: Annotated[list[str], Meta(examples=[["name"]])]
    score: Annotated[float, Meta(examples=[1.0])]


class FoundPlace(Struct, kw_only=True):
    """A location in a search result."""

    id: int
    name: str
    path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Shelf 2"])]
    storage_type: StorageType
    kind: LocationKind
    box_no: int | None
    loc_no: int | None


class FoundStock(Struct, kw_only=True):
    """The stock of an item at a location, with the earliest expiry date of its lots there."""

    location: FoundPlace
    quantity: float
    unit: str
    expiry_date: date | None


class FoundItem(Item, kw_only=True, gc=False):
    """An item, its stock per location, and why it was found."""

    locations: list[FoundStock]
    match: Match
