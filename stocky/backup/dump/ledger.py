"""Marks where the ledger of a dump ends, so that an increment can continue it; no event is ever changed or deleted.

The rows up to `position` are final: they are in the dump, and no other row up to there can appear later. That the
ledger of a database still begins with them is checked by its name, by their number and by the digest of the last ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from stocky.backup.dump.format import LEDGER, Dialect, Increment, ParentFile
from stocky.backup.dump.lines import line_query
from stocky.db.queries import load_queries
from stocky.resources import resource

# The last rows whose digest is compared.
TAIL = 1_000
# How long a dump on Postgres waits for open transactions that may have reserved ids.
SETTLE_SECONDS = 30.0
_LOOK_SECONDS = 0.05

_OID = "SELECT CAST(CAST('stock_event' AS regclass) AS oid)"


class LedgerMark(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger up to `position`: its number of `events`, and the digest of the last of them.

    `ledger` names the table of one database; a restore, which replaces it, changes the name.
    """

    ledger: str
    position: int
    events: int
    tail: str


class Continued(msgspec.Struct, frozen=True, kw_only=True):
    """The stored dump that an increment is to continue. `base` is the SHA-256 of the start of its chain."""

    base: str
    parent: ParentFile
    dialect: Dialect
    schema: int
    mark: LedgerMark

    def increment(self, events: int) -> Increment:
        """The header of the increment, of a ledger with that many events."""
        return Increment(base=self.base, parent=self.parent, after=self.mark.position, events=events)


def count_in_sqlite(connection: sqlite3.Connection) -> int:
    """The number of all events: SQLite counts the smallest index, where a condition would read the whole table."""
    count: int = connection.execute("SELECT count(*) FROM main.stock_event").fetchone()[0]
    return count


def mark_in_sqlite(connection: sqlite3.Connection, total: int, position: int | None = None) -> LedgerMark:
    """The mark at `position`, or at the end: SQLite has one writer, so ids are committed in their order.

    `total` counts all events. In one transaction, or on a copy that nobody writes to.
    """
    (number,) = connection.execute("PRAGMA main.user_version").fetchone()
    if position is None:
        (position,) = connection.execute("SELECT coalesce(max(id), 0) FROM main.stock_event").fetchone()
    (later,) = connection.execute("SELECT count(*) FROM main.stock_event WHERE id > ?", (position,)).fetchone()
    last = "WHERE id IN (SELECT id FROM main.stock_event WHERE id <= ? ORDER BY id DESC LIMIT ?)"
    rows = connection.execute(line_query(connection, LEDGER, "sqlite", start=last), (position, TAIL))
    return LedgerMark(
        ledger=f"sqlite {number}", position=position, events=total - later, tail=_digest(line for (line,) in rows)
    )


async def settled_position(connection: Any) -> tuple[int, int] | None:
    """The ledger's table and the id up to which no event can appear any more; None during a long transaction.

    Before the snapshot: a transaction that reserved an id below the highest visible one holds the writers' lock, and
    what it commits until the snapshot is taken is in the snapshot.
    """
    table: int = await connection.fetchval(_OID)
    position: int = await connection.fetchval("SELECT coalesce(max(id), 0) FROM stock_event")
    query = load_queries(resource("sql"), "postgres")["list_open_writers"].text
    writers = {row["writer"] for row in await connection.fetch(query)}
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while writers:
                await asyncio.sleep(_LOOK_SECONDS)
                writers &= {row["writer"] for row in await connection.fetch(query)}
    except TimeoutError:
        return None
    return table, position


async def mark_in_postgres(
    connection: Any, lines_where: Callable[[str], str], total: int, settled: tuple[int, int]
) -> LedgerMark | None:
    """The mark at a settled position, in the transaction of the snapshot; None when another ledger is there now.

    `lines_where` gives the query of the ledger's lines that fulfil a condition, `total` counts all events.
    """
    table, position = settled
    if await connection.fetchval(_OID) != table:
        return None
    later: int = await connection.fetchval("SELECT count(*) FROM stock_event WHERE id > $1", position)
    last = "WHERE id IN (SELECT id FROM stock_event WHERE id <= $1 ORDER BY id DESC LIMIT $2)"
    rows = await connection.fetch(lines_where(last), position, TAIL)
    return LedgerMark(
        ledger=f"postgres {table}", position=position, events=total - later, tail=_digest(line for (line,) in rows)
    )


def _digest(lines: Iterable[str]) -> str:
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(f"{line}\n".encode())
    return hashed.hexdigest()
