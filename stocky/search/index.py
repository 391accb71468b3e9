"""Keeps the search's index in step: what a change has marked in its own transaction is folded and written here.

An item's text in the index is what its tables say, or the item is marked; `stocky check` proves it.
"""

from __future__ import annotations

import asyncio
import logging

from stocky.config import Config
from stocky.db import Connection, Database, make_database
from stocky.search.normalize import text_of
from stocky.search.sources import Mark, read_sources

# Items folded and written in one transaction; scans wait no longer than for that.
BATCH = 100
LOOK_SECONDS = 1.0
# The mark of whatever is missing in the index.
ALL_MISSING = 0

INDEXED = {"sqlite": "an index of trigrams (FTS5)", "postgres": "an index of trigrams (pg_trgm)"}
PLAIN = (
    "no index: every item is read, because the extension pg_trgm is missing and cannot be created here;"
    " CREATE EXTENSION pg_trgm as an administrator of the server, and restart Stocky"
)

_log = logging.getLogger(__name__)


class SearchIndex:
    """The index of one database, looked after by one process at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_prepared = False
        self._is_behind = False
        self._is_indexed: bool | None = None
        database.gate.on_data_replaced(self._forget)

    @property
    def state(self) -> str:
        """In words: how items are looked up, and whether some are not in the index yet."""
        if self._is_indexed is None:
            return "not looked at yet"
        told = INDEXED[self._database.dialect] if self._is_indexed else PLAIN
        return f"{told}; items are still being put in" if self._is_behind else told

    async def sync(self) -> None:
        """A standing duty: sees to every mark there is. Raises Unavailable while a restore replaces the data."""
        await self.process_pending()

    async def process_pending(self) -> bool:
        """Whether none is left; False while another process sees to them."""
        if self._is_prepared:
            async with self._database.read() as read:
                if await read.value("list_pending", limit=1) is None:
                    return True
        elif not await self._prepare():
            return False
        while (seen_to := await self._database.run(_process_pending)) == BATCH:
            self._is_behind = True
            await asyncio.sleep(0)
        if seen_to is None:
            return False
        self._is_behind = False
        return True

    async def _prepare(self) -> bool:
        """Makes the index where it is missing, and marks what is not in it; False while another process works on it."""
        is_indexed = await self._database.run(_prepare)
        if is_indexed is None:
            return False
        if is_indexed is False and self._is_indexed is None:
            _log.warning("The search has %s", PLAIN)
        self._is_indexed = is_indexed
        self._is_prepared = True
        return True

    def _forget(self) -> None:
        """A restore has brought tables without their index."""
        self._is_prepared = False


async def _prepare(tx: Connection) -> bool | None:
    """Whether there is an index, made if it can be, with all that it lacks marked; None while another process works."""
    if not (await tx.rows("take_search_turn"))[0][0]:
        return None
    await _make(tx)
    await tx.execute("mark_everything")
    return bool((await tx.rows("has_search_index"))[0][0])


async def reindex(config: Config) -> str:
    """Makes the index anew, and says in words what there is now. Raises Unavailable."""
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


async def _empty(tx: Connection) -> None:
    await tx.execute("drop_search_index_take_in")
    await tx.execute("drop_search_index_let_go")
    await tx.execute("drop_search_index")
    await tx.execute("empty_search_index")
    await _make(tx)
    # Whoever serves meanwhile, or this one after a kill, finds that everything is missing.
    await tx.execute("mark_everything")


async def _make(tx: Connection) -> None:
    """The index where it is missing, with what keeps it in step."""
    await tx.execute("make_search_index")
    await tx.execute("make_search_index_take_in")
    await tx.execute("make_search_index_let_go")


async def _process_pending(tx: Connection) -> int | None:
    """How many marks it saw to; None while another process does."""
    if not (await tx.rows("take_search_turn"))[0][0]:
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
    # Those that were marked just now are waiting.
    return BATCH if ALL_MISSING in ids else len(marks)
