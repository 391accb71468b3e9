"""Checks that the search index matches the items, except items that are marked as changed; reads only.

A difference is checked twice, since an item may be indexed between two queries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from stocky.config import Config
from stocky.db import Connection, make_database
from stocky.search.index import ALL_MISSING, ItemId, read_sources
from stocky.search.normalize import SearchText, text_of
from stocky.stock.consistency import Fault

PAGE = 1_000
FAULTS = 100
CURE = "'stocky reindex' rebuilds the index"


async def find_index_faults(config: Config) -> list[Fault]:
    """Up to FAULTS faults of the index; none for an index that is not built yet. Raises Unavailable."""
    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            return [Fault("search", f"{message}; {CURE}") async for message in _find_faults(read)]
    finally:
        await database.close()


async def _find_faults(read: Connection) -> AsyncIterator[str]:
    if await read.value("holds_search_texts") is None:
        return
    for gap in await read.all("list_index_gaps", ItemId, limit=FAULTS):
        yield f"item {gap.item_id} is in only one of the index and its texts"
    after, count = 0, 0
    while page := await read.all("list_item_ids", ItemId, after=after, limit=PAGE):
        after = page[-1].item_id
        suspects = await _differing(read, {each.item_id for each in page})
        if suspects:
            suspects = await _differing(read, suspects)
        for item_id in sorted(suspects):
            yield f"item {item_id} has other words in the index than its own"
            count += 1
            if count == FAULTS:
                return


async def _differing(read: Connection, ids: set[int]) -> set[int]:
    """Those of these items that the index lacks or has with another text, and that are not marked as changed."""
    sources = await read.run(read_sources, ids)
    texts = {each.item_id: each for each in await read.all("list_search_texts", SearchText, ids=ids)}
    differing = {source.item_id for source in sources if texts.get(source.item_id) != text_of(source)}
    if not differing:
        return set()
    marks = await read.all("list_marked", ItemId, ids=differing | {ALL_MISSING})
    marked = {mark.item_id for mark in marks}
    return differing - marked if ALL_MISSING not in marked else differing & texts.keys() - marked
