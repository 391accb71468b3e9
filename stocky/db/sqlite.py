"""SQLite behind the verbs of `connection`: one connection on one thread does all the writing and checkpointing."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import aiosqlite

from stocky.db.connection import Ask, Connection, Database, Script, to_structs
from stocky.db.queries import Query
from stocky.errors import Conflict, Invalid, OutOfSpace, Unavailable

T = TypeVar("T")

READERS = 3
BUSY_TIMEOUT_MS = 5_000
# Few, large checkpoints: with a ledger of many gigabytes each one writes pages all over the file.
CHECKPOINT_PAGES = 8_000
CACHE_KIB = 32_768

_UNIQUE = re.compile(r"UNIQUE constraint failed: (?:index '(?P<index>\w+)'|(?P<columns>[\w., ]+))")
_CHECK = re.compile(r"CHECK constraint failed: (?P<name>\w+)")


def open_connection(path: Path | str, *, readonly: bool = False) -> sqlite3.Connection:
    """A plain connection with Stocky's settings, without Python's own transaction handling."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for pragma in pragmas(readonly=readonly):
        connection.execute(pragma)
    return connection


def pragmas(*, readonly: bool) -> list[str]:
    """What every connection is told. FULL makes a commit survive a power cut in WAL mode."""
    told = [
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA foreign_keys = ON",
        f"PRAGMA cache_size = -{CACHE_KIB}",
        "PRAGMA temp_store = MEMORY",
    ]
    if readonly:
        # A reader must never run the checkpoint: before 3.51.3 a commit could be lost to that race.
        return [*told, "PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0"]
    return [
        *told,
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ]


class SqliteDatabase(Database):
    """An open SQLite file: a writer on a thread of its own and a few readers on aiosqlite."""

    dialect = "sqlite"

    def __init__(self, path: Path, queries: dict[str, Query]) -> None:
        self.path = path
        self.queries = queries
        self._writer = _Writer()
        self._write_lock = asyncio.Lock()
        self._readers: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        self._opened: list[aiosqlite.Connection] = []

    async def open(self) -> None:
        """Opens the writer, then the readers. Raises Unavailable when the file cannot be opened."""
        await self._writer.open(self.path)
        for _ in range(READERS):
            reader = await aiosqlite.connect(self.path, isolation_level=None, cached_statements=256)
            for pragma in pragmas(readonly=True):
                await reader.execute_fetchall(pragma)
            reader.row_factory = sqlite3.Row
            self._opened.append(reader)
            self._readers.put_nowait(reader)

    async def close(self) -> None:
        """Closes everything; what is committed is in the file, and the WAL is folded into it."""
        for reader in self._opened:
            await reader.close()
        self._opened.clear()
        async with self._write_lock:
            await self._writer.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[_Reader]:
        reader = await self._readers.get()
        try:
            yield _Reader(self.queries, reader)
        finally:
            self._readers.put_nowait(reader)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Transaction]:
        async with self._write_lock:
            transaction = _Transaction(self.queries, self._writer)
            try:
                # Inside the block: whoever is cancelled while this waits has begun a transaction all the same.
                await self._writer.call(_begin)
                yield transaction
            except BaseException:
                await asyncio.shield(self._writer.call(_rollback))
                raise
            await asyncio.shield(self._writer.call(_commit))

    async def run(self, script: Script[T]) -> T:
        async with self._write_lock:
            return await asyncio.shield(self._writer.call(self._run_in_one_hop, script))

    def _run_in_one_hop(self, connection: sqlite3.Connection, script: Script[T]) -> T:
        with _domain_errors():
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = run_script(connection, self.queries, script)
                connection.execute("COMMIT")
            except BaseException:
                _rollback(connection)
                raise
            return result


def run_script(connection: sqlite3.Connection, queries: dict[str, Query], script: Script[T]) -> T:
    """Runs a script on a plain connection, inside whatever transaction is open there."""
    answer: Any = None
    while True:
        try:
            ask = script.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = _answer(connection, queries[ask.query], ask)


def _answer(connection: sqlite3.Connection, query: Query, ask: Ask) -> Any:
    if ask.rows is not None:
        return connection.executemany(query.text, ask.rows).rowcount
    cursor = connection.execute(query.text, query.values(ask.arguments))
    rows = cursor.fetchall()
    if ask.into is None:
        return rows
    return to_structs(ask.into, [column[0] for column in cursor.description], rows)


class _Statements(Connection):
    """The verbs, in terms of one that fetches."""

    dialect = "sqlite"

    def __init__(self, queries: dict[str, Query]) -> None:
        self._queries = queries

    async def _fetch(self, query: Query, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
        raise NotImplementedError

    async def one(self, query: str, into: type[T], /, **arguments: Any) -> T | None:
        rows = await self.all(query, into, **arguments)
        return rows[0] if rows else None

    async def all(self, query: str, into: type[T], /, **arguments: Any) -> list[T]:
        found = self._queries[query]
        columns, rows, _ = await self._fetch(found, found.values(arguments))
        return to_structs(into, columns, rows)

    async def value(self, query: str, /, **arguments: Any) -> Any:
        found = self._queries[query]
        _, rows, _ = await self._fetch(found, found.values(arguments))
        return rows[0][0] if rows else None

    async def execute(self, query: str, /, **arguments: Any) -> int:
        found = self._queries[query]
        _, _, changed = await self._fetch(found, found.values(arguments))
        return changed


class _Reader(_Statements):
    def __init__(self, queries: dict[str, Query], connection: aiosqlite.Connection) -> None:
        super().__init__(queries)
        self._connection = connection

    async def _fetch(self, query: Query, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
        with _domain_errors():
            rows = list(await self._connection.execute_fetchall(query.text, values))
        return (rows[0].keys() if rows else ()), rows, 0

    async def run(self, script: Script[T]) -> T:
        raise TypeError(f"{script} writes; run it in a transaction")


class _Transaction(_Statements):
    def __init__(self, queries: dict[str, Query], writer: _Writer) -> None:
        super().__init__(queries)
        self._writer = writer

    async def _fetch(self, query: Query, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
        return await self._writer.call(_fetch, query.text, values)

    async def run(self, script: Script[T]) -> T:
        return await self._writer.call(self._run, script)

    def _run(self, connection: sqlite3.Connection, script: Script[T]) -> T:
        with _domain_errors():
            return run_script(connection, self._queries, script)


def _fetch(connection: sqlite3.Connection, text: str, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
    with _domain_errors():
        cursor = connection.execute(text, values)
        rows = cursor.fetchall()
    return [column[0] for column in cursor.description or ()], rows, cursor.rowcount


def _begin(connection: sqlite3.Connection) -> None:
    with _domain_errors():
        connection.execute("BEGIN IMMEDIATE")


def _commit(connection: sqlite3.Connection) -> None:
    with _domain_errors():
        try:
            connection.execute("COMMIT")
        except BaseException:
            _rollback(connection)
            raise


def _rollback(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        # A full disk rolls back by itself, and a second ROLLBACK then has nothing to do.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")


class _Writer:
    """The thread that owns the writing connection; calls run one after the other, in order."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._connection: sqlite3.Connection | None = None

    async def open(self, path: Path) -> None:
        self._thread.start()
        loop = asyncio.get_running_loop()
        opened = loop.create_future()

        def connect() -> None:
            try:
                with _domain_errors():
                    self._connection = open_connection(path)
                loop.call_soon_threadsafe(_resolve, opened, None, None)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                loop.call_soon_threadsafe(_resolve, opened, None, error)

        self._calls.put(connect)
        await opened

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """`function(connection, *arguments)` on the thread; one wake-up of the loop when it is done."""
        if self._connection is None:
            raise Unavailable("The database is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        connection = self._connection

        def work() -> None:
            result, failure = None, None
            try:
                result = function(connection, *arguments)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                failure = error
            with suppress(RuntimeError):  # the loop is gone: nobody waits
                loop.call_soon_threadsafe(_resolve, done, result, failure)

        self._calls.put(work)
        return await done

    async def close(self) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None

        def close() -> None:
            connection.close()

        self._calls.put(close)
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _resolve(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.cancelled():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)


@lru_cache(maxsize=256)
def encode_time(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000000Z`: one width, so that text order is time order. Raises Invalid."""
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError as error:
        raise Invalid(f"{moment.isoformat()} is a time that cannot be told in UTC") from error


def register_time_formats() -> None:
    """Tells the driver how times are written. It asks for these types only; numbers and text pass without a look."""
    sqlite3.register_adapter(datetime, encode_time)
    sqlite3.register_adapter(date, date.isoformat)


register_time_formats()


class _domain_errors:  # noqa: N801 - reads as a statement
    """A `with` block in which SQLite's errors become Stocky's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sqlite3.Error):
            raise domain_error(error) from error


def domain_error(error: sqlite3.Error) -> Exception:
    """What a driver's error means; one that means a defect of ours stays what it is."""
    text = str(error)
    if unique := _UNIQUE.match(text):
        return Conflict.of(unique["index"] or _constraint_name(unique["columns"]))
    if check := _CHECK.match(text):
        return Invalid.of(check["name"])
    if "FOREIGN KEY constraint failed" in text:
        return Conflict("It refers to something that does not exist, or something still refers to it")
    if "disk is full" in text or "disk I/O error" in text:
        return OutOfSpace()
    if "is locked" in text or "is busy" in text:
        return Unavailable("The database is busy with another program's work; try again")
    if "unable to open" in text or "readonly" in text:
        return Unavailable("The database file cannot be opened for writing; check the data directory and its owner")
    if "malformed" in text or "not a database" in text:
        return Unavailable(f"The database file is damaged ({text}); restore a backup", retry_after=60)
    return error


def _constraint_name(columns: str) -> str:
    """`item.upc, item.x` as the index is named on both dialects: `item__upc__x`."""
    parts = [part.strip().split(".") for part in columns.split(",")]
    return "__".join([parts[0][0], *(column for _, column in parts)])


