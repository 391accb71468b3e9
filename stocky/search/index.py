"""Updates the search index: a change marks its item in its own transaction, and the item is indexed here later.

An item's text in the index matches its tables, or the item is marked; `stocky check` checks this.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct

from stocky.config import Config
from stocky.db import Connection, Database, make_database
from stocky.errors import StockyError
from stocky.search.normalize import Source, text_of

# Items indexed in one transaction, which bounds how long scans wait.
BATCH = 100
LOOK_SECONDS = 1.0
# A mark with this id stands for all items that the index lacks.
ALL_MISSING = 0

INDEXED = {"sqlite": "an index of trigrams (FTS5)", "postgres": "an index of trigrams (pg_trgm)"}
PLAIN = (
    "no index: every item is read, because the extension pg_trgm is missing and cannot be created;"
    " run CREATE EXTENSION pg_trgm as an administrator of the server, and restart Stocky"
)

_log = logging.getLogger(__name__)


class SearchIndex:
    """The index of one database, updated by one process at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_prepared = False
        self._is_behind = False
        self._is_indexed: bool | None = None
        database.gate.on_data_replaced(self._forget)

    @property
    def state(self) -> str:
        """Describes how items are looked up, and whether indexing is complete."""
        if self._is_indexed is None:
            return "not checked yet"
        description = INDEXED[self._database.dialect] if self._is_indexed else PLAIN
        return f"{description}; indexing is in progress" if self._is_behind else description

    async def start(self) -> None:
        """Creates a missing index, as of a database loaded by hand: lists use it from the first request on."""
        # What fails here is repeated and logged by the periodic task.
        with suppress(StockyError):
            await self._prepare()

    async def sync(self) -> None:
        """The periodic task: processes all marks. Raises Unavailable while a restore replaces the data."""
        await self.process_pending()

    async def process_pending(self) -> bool:
        """Processes all marks; False while another process does."""
        if self._is_prepared:
            async with self._database.read() as read:
                if await read.value("list_pending", limit=1) is None:
                    return True
        elif not await self._prepare():
            return False
        while (processed := await self._database.run(_process_pending)) == BATCH:
            self._is_behind = True
            await asyncio.sleep(0)
        if processed is None:
            return False
        self._is_behind = False
        return True

    async def _prepare(self) -> bool:
        """Creates a missing index and marks what it lacks; False while another process works on it."""
        is_indexed = await self._database.run(_prepare)
        if is_indexed is None:
            return False
        if is_indexed is False and self._is_indexed is None:
            _log.warning("The search has %s", PLAIN)
        self._is_indexed = is_indexed
        self._is_prepared = True
        return True

    def _forget(self) -> None:
        """A restore replaced the tables without their index."""
        self._is_prepared = False


async def reindex(config: Config) -> str:
    """Rebuilds the index; returns a description of it. Raises Unavailable."""
    database = make_database(config)
    await database.open()
    try:
        await database.run(_empty)
        index = SearchIndex(database)
        while True:
            if await index.process_pending():
                return index.state
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await database.close()


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


async def _prepare(tx: Connection) -> bool | None:
    """Creates the index if possible and marks what it lacks; whether it exists, None while another process works."""
    if not (await tx.rows("lock_search_index"))[0][0]:
        return None
    await _make(tx)
    await tx.execute("mark_everything")
    return bool((await tx.rows("has_search_index"))[0][0])


async def _empty(tx: Connection) -> None:
    await tx.execute("drop_search_insert_trigger")
    await tx.execute("drop_search_delete_trigger")
    await tx.execute("drop_search_index")
    await tx.execute("empty_search_index")
    await _make(tx)
    # A serving process, or the next run after a kill, indexes everything from this mark.
    await tx.execute("mark_everything")


async def _make(tx: Connection) -> None:
    """Creates a missing index with its triggers."""
    await tx.execute("make_search_index")
    await tx.execute("make_search_insert_trigger")
    await tx.execute("make_search_delete_trigger")


async def _process_pending(tx: Connection) -> int | None:
    """Processes one batch of marks; returns their number, None while another process works."""
    if not (await tx.rows("lock_search_index"))[0][0]:
        return None
    marks: list[Mark] = await tx.all("list_pending", Mark, limit=BATCH)
    if not marks:
        return 0
    ids = {mark.item_id for mark in marks}
    if ALL_MISSING in ids:
        await tx.execute("mark_missing")
    texts = [text_of(source) for source in (await read_sources(tx, ids))]
    await tx.execute("remove_search_texts", ids=ids)
    if texts:
        await tx.execute_many("add_search_text", [(each.item_id, each.name, each.text) for each in texts])
    await tx.execute("remove_pending", ids={mark.id for mark in marks})
    # A full batch is reported, since mark_missing has just added marks.
    return BATCH if ALL_MISSING in ids else len(marks)
