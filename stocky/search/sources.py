"""Reads what is written about items, for the index and for what is searched without it; one reading for both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from stocky.db import Ask, Script
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


def read_sources(ids: Iterable[int]) -> Script[list[Source]]:
    """Of those of the items that there are, hidden ones included."""
    wanted = {"ids": as_list(ids)}
    sources: list[Source] = yield Ask("list_search_sources", wanted, Source)
    named: list[_DocumentName] = yield Ask("list_document_names", wanted, _DocumentName)
    names: dict[int, list[str]] = defaultdict(list)
    for each in named:
        names[each.item_id].append(each.name)
    for source in sources:
        source.documents = names[source.item_id]
    return sources


def as_list(ids: Iterable[int]) -> str:
    """Ids as a list for a query: JSON, in their order."""
    return msgspec.json.encode(sorted(ids)).decode()
