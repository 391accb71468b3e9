"""Reads what is written about items, for the index and for what is searched without it; one reading for both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from stocky.db import Connection
from stocky.search.normalize import Source


class ItemId(Struct):
    """An item, by its id."""

    item_id: int


class Mark(Struct):
    """That an item has changed since the index was brought in step; `item_id` 0 is all that is missing in it."""

    id: int
    item_id: int


class _DocumentName(Struct):
    item_id: int
    name: str


async def read_sources(tx: Connection, ids: Iterable[int]) -> list[Source]:
    """Of those of the items that there are, hidden ones included."""
    wanted = {"ids": ids}
    sources: list[Source] = await tx.all("list_search_sources", Source, **wanted)
    named: list[_DocumentName] = await tx.all("list_document_names", _DocumentName, **wanted)
    names: dict[int, list[str]] = defaultdict(list)
    for each in named:
        names[each.item_id].append(each.name)
    for source in sources:
        source.documents = names[source.item_id]
    return sources
