"""Keeps the search's index in step: what a change has marked in its own transaction is folded and written here.

An item's text in the index is what its tables say, or the item is marked; `stocky check` proves it.
"""

from __future__ import annotations

import asyncio
import logging

from stocky.config import Config
from stocky.db import Ask, Database, Script, make_database
from stocky.search.normalize import text_of
from stocky.search.sources import Mark, as_list, read_sources

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
        database.gate.on_renewal(self._forget)

    @property
    def state(self) -> str:
        """In words: how items are looked up, and whether some are not in the index yet."""
        if self._is_indexed is None:
            return "not looked at yet"
        told = INDEXED[self._database.dialect] if self._is_indexed else PLAIN
        return f"{told}; items are still being put in" if self._is_behind else told

    async def keep_in_step(self) -> None:
        """A standing duty: sees to every mark there is. Raises Unavailable while a restore replaces the data."""
        await self.see_to_marks()

    async def see_to_marks(self) -> bool:
        """Whether none is left; False while another process sees to them."""
        if self._is_prepared:
            async with self._database.read() as read:
                if await read.value("list_pending", limit=1) is None:
                    return True
        elif not await self._prepare():
            return False
        while (seen_to := await self._database.run(_see_to_marks())) == BATCH:
            self._is_behind = True
            await asyncio.sleep(0)
        if seen_to is None:
            return False
        self._is_behind = False
        return True

    async def _prepare(self) -> bool:
        """Makes the index where it is missing, and marks what is not in it; False while another process works on it."""
        is_indexed = await self._database.run(_prepare())
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


def _prepare() -> Script[bool | None]:
    """Whether there is an index, made if it can be, with all that it lacks marked; None while another process works."""
    if not (yield Ask("take_search_turn"))[0][0]:
        return None
    yield from _make()
    yield Ask("mark_everything")
    return bool((yield Ask("has_search_index"))[0][0])


async def reindex(config: Config) -> str:
    """Makes the index anew, and says in words what there is now. Raises Unavailable."""
    database = make_database(config)
    await database.open()
    try:
        await database.run(_empty())
        index = SearchIndex(database)
        while True:
            if await index.see_to_marks():
                return index.state
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await database.close()


def _empty() -> Script[None]:
    yield Ask("drop_search_index_take_in")
    yield Ask("drop_search_index_let_go")
    yield Ask("drop_search_index")
    yield Ask("empty_search_index")
    yield from _make()
    # Whoever serves meanwhile, or this one after a kill, finds that everything is missing.
    yield Ask("mark_everything")


def _make() -> Script[None]:
    """The index where it is missing, with what keeps it in step."""
    yield Ask("make_search_index")
    yield Ask("make_search_index_take_in")
    yield Ask("make_search_index_let_go")


def _see_to_marks() -> Script[int | None]:
    """How many marks it saw to; None while another process does."""
    if not (yield Ask("take_search_turn"))[0][0]:
        return None
    marks: list[Mark] = yield Ask("list_pending", {"limit": BATCH}, Mark)
    if not marks:
        return 0
    ids = {mark.item_id for mark in marks}
    if ALL_MISSING in ids:
        yield Ask("mark_missing")
    texts = [text_of(source) for source in (yield from read_sources(ids))]
    yield Ask("remove_search_texts", {"ids": as_list(ids)})
    if texts:
        yield Ask("add_search_text", rows=[(each.item_id, each.name, each.text) for each in texts])
    yield Ask("remove_pending", {"ids": as_list(mark.id for mark in marks)})
    # Those that were marked just now are waiting.
    return BATCH if ALL_MISSING in ids else len(marks)
