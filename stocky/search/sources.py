"""Reads the text of items, with the same queries for the index and for searches without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from stocky.db import Connection
from stocky.search.normalize import Source


class ItemId(Struct):
    """The id of an item."""

    item_id: int


class Mark(Struct):
    """Marks an item as changed since the last indexing; `item_id` 0 stands for all items that the index lacks."""

    id: int
    item_id: int


class _DocumentName(Struct):
    item_id: int
    name: str


async def read_sources(tx: Connection, ids: Iterable[int]) -> list[Source]:
    """The text of the existing ones of these items, including inactive ones."""
    wanted = {"ids": ids}
    sources: list[Source] = await tx.all("list_search_sources", Source, **wanted)
    named: list[_DocumentName] = await tx.all("list_document_names", _DocumentName, **wanted)
    names: dict[int, list[str]] = defaultdict(list)
    for each in named:
        names[each.item_id].append(each.name)
    for source in sources:
        source.documents = names[source.item_id]
    return sources
