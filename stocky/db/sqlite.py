"""The SQLite implementation of `connection`: one connection on one thread does all writes and checkpoints."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from contextvars import Context, copy_context
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import aiosqlite

from stocky.db.connection import Connection, Database, DatabaseFunction, SoleLock, to_structs
from stocky.db.lanes import Lane, Lanes
from stocky.db.open_file import FileLost, OpenFile
from stocky.db.queries import Query
from stocky.db.sqlite_file import domain_error, fold, open_connection, pragmas, translate_errors
from stocky.db.sqlite_writer import Writer
from stocky.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
# Work with all its arguments bound, except the connection.
Bound = Callable[[Connection], Coroutine[Any, Any, T]]

# A longer read would block one of the two connections for all other long reads.
LONG_READ_SECONDS = 60.0
READERS = {Lane.IDENTITY: 1, Lane.SHORT: 3, Lane.LONG: 2}


class SqliteDatabase(Database):
    """An open SQLite file: a writer on its own thread and a few readers on aiosqlite."""

    dialect = "sqlite"

    def __init__(
        self, path: Path, queries: Mapping[str, Query], *, readonly: bool = False, runs_checkpoints: bool = False
    ) -> None:
        """With `readonly` there is no writer, and one reader, in the lane BACKGROUND."""
        super().__init__()
        self.path = path
        self.queries = queries
        self._is_readonly = readonly
        self._runs_checkpoints = runs_checkpoints
        readers = {Lane.LONG: 1} if readonly else READERS
        self._writer = Writer()
        self._file = OpenFile(path)
        self._write_lock = asyncio.Lock()
        self.lanes = Lanes(readers)
        # The idle readers of each lane.
        self._idle: dict[Lane, list[aiosqlite.Connection]] = {lane: [] for lane in readers}
        self._idle[Lane.BACKGROUND] = self._idle[Lane.LONG]
        self._opened: list[aiosqlite.Connection] = []
        # Used on the event loop: its query takes microseconds and never waits.
        self._watch: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Opens the writer, then the readers. Raises Unavailable when the file cannot be opened."""
        try:
            await self._open()
        except BaseException:
            # An open reader's thread would keep the process from exiting.
            await self.close()
            raise

    async def _open(self) -> None:
        if not self.path.is_file():
            # The driver would create an empty one.
            raise Unavailable(f"No database at {self.path}; create it with 'stocky migrate'")
        if self._is_readonly:
            self._idle[Lane.LONG].append(await self._open_reader())
            return
        await self._writer.open(self.path, runs_checkpoints=self._runs_checkpoints)
        loop = asyncio.get_running_loop()
        await self._writer.call(_note_files, self._file, lambda: loop.call_soon_threadsafe(self._notify_lost))
        for lane, count in READERS.items():
            for _ in range(count):
                self._idle[lane].append(await self._open_reader())
        with translate_errors():
            self._watch = open_connection(self.path, readonly=True)
            self._watch.execute("PRAGMA busy_timeout = 0")

    async def _open_reader(self) -> aiosqlite.Connection:
        # Without mode=rw a missing file would be created.
        reader = await aiosqlite.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, isolation_level=None, cached_statements=256
        )
        self._opened.append(reader)
        await reader.create_function("fold", 1, fold, deterministic=True)
        for pragma in pragmas(readonly=True):
            await reader.execute_fetchall(pragma)
        reader.row_factory = sqlite3.Row
        return reader

    async def close(self) -> None:
        """Closes everything; the last process to close the file checkpoints its WAL."""
        for reader in self._opened:
            # Reads still running are abandoned; their threads would keep the process from exiting.
            await reader.interrupt()
            await reader.close()
        self._opened.clear()
        if self._watch is not None:
            self._watch.close()
        async with self._write_lock:
            await self._writer.close()

    @asynccontextmanager
    async def read(self, lane: Lane = Lane.SHORT, *, may_use_replica: bool = False) -> AsyncIterator[_Reader]:
        with self.gate.enter():
            async with self.lanes.enter(lane):
                idle = self._idle[lane]
                reader = idle.pop()
                try:
                    yield _Reader(self.queries, reader, LONG_READ_SECONDS if lane is Lane.LONG else None)
                finally:
                    idle.append(reader)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Transaction]:
        with self.gate.enter():
            self._refuse_lost()
            async with self._write_lock, self._one_transaction() as transaction:
                yield transaction
        self._notify_commit()

    @asynccontextmanager
    async def _one_transaction(self) -> AsyncIterator[_Transaction]:
        transaction = _Transaction(self.queries, self._writer)
        try:
            # Inside the block: the transaction begins even when the caller is cancelled while this waits.
            await self._writer.call(_begin)
            yield transaction
        except BaseException:
            await asyncio.shield(self._writer.call(_rollback))
            raise
        await asyncio.shield(self._writer.call(_commit, self._file))

    def _refuse_lost(self) -> None:
        # Here and not only on the writer's thread, which may be busy rescuing the open database.
        if self._file.is_lost:
            raise FileLost

    async def copy_to(self, target: Path) -> None:
        """Writes the open database to a new file, also when the file at its path is gone.

        Raises Unavailable or OutOfSpace.
        """
        async with self._write_lock:
            await asyncio.shield(self._writer.call(_copy, target))

    def revision(self) -> object | None:
        """SQLite's counter of commits by other connections, as this one connection sees it."""
        assert self._watch is not None
        try:
            version: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None
        return version

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """No-op: one process serves one SQLite file."""
        yield

    @asynccontextmanager
    async def try_sole_lock(self, lock: SoleLock) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]] | None]:
        """No-op: one process serves one SQLite file."""
        yield _never_lost

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
        """Exclusive access; yields a function that calls another with the writing connection, on its thread.

        Raises Conflict while another caller has it, Unavailable when a user does not leave in time.
        """
        async with self.gate.drained(), self._write_lock:
            self._refuse_lost()
            yield partial(self._writer.call, _checked, self._file)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls `function(connection, *arguments)` with the writing connection, on its thread.

        The function begins and ends its own transaction.
        """
        with self.gate.enter():
            self._refuse_lost()
            async with self._write_lock:
                return await asyncio.shield(self._writer.call(_checked, self._file, function, *arguments))

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = _bound(work, *args, **kwargs)
        with self.gate.enter():
            self._refuse_lost()
            async with self._write_lock:
                result: T = await asyncio.shield(self._writer.call(self._run_in_one_hop, bound, copy_context()))
        self._notify_commit()
        return result

    def _run_in_one_hop(self, connection: sqlite3.Connection, work: Bound[T], context: Context) -> T:
        with translate_errors():
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = drive(work, DirectConnection(self.queries, connection), context)
                self._file.check()
                connection.execute("COMMIT")
            except BaseException:
                _rollback(connection)
                raise
            return result


async def _never_lost() -> None:
    await asyncio.Event().wait()


def _bound(work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Bound[T]:
    return lambda connection: work(connection, *args, **kwargs)


def drive(work: Bound[T], connection: DirectConnection, context: Context | None = None) -> T:
    """Runs `work(connection)` to its end on this thread, inside any open transaction, and returns its result.

    `context` holds the caller's context variables, for work run on another thread. Raises RuntimeError when the work
    awaits anything but its connection.
    """
    coroutine = work(connection)
    try:
        awaited = context.run(coroutine.send, None) if context is not None else coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} awaits {awaited!r}; work in the database may await only its connection")


class DirectConnection(Connection):
    """The methods on a plain connection, on the thread that owns it: none of them ever suspends."""

    dialect = "sqlite"

    def __init__(self, queries: Mapping[str, Query], connection: sqlite3.Connection) -> None:
        self._queries = queries
        self._connection = connection

    def _fetch(self, query: str, arguments: dict[str, Any]) -> tuple[sqlite3.Cursor, list[Any]]:
        found = self._queries[query]
        try:
            cursor = self._connection.execute(found.text, found.values(arguments))
            return cursor, cursor.fetchall()
        except sqlite3.Error as error:
            raise domain_error(error) from error

    async def one(self, query: str, into: type[T], /, **arguments: Any) -> T | None:
        rows = await self.all(query, into, **arguments)
        return rows[0] if rows else None

    async def all(self, query: str, into: type[T], /, **arguments: Any) -> list[T]:
        cursor, rows = self._fetch(query, arguments)
        return to_structs(into, [column[0] for column in cursor.description], rows)

    async def value(self, query: str, /, **arguments: Any) -> Any:
        rows = self._fetch(query, arguments)[1]
        return rows[0][0] if rows else None

    async def execute(self, query: str, /, **arguments: Any) -> int:
        # A statement with RETURNING is complete only after its rows are fetched.
        return self._fetch(query, arguments)[0].rowcount

    async def rows(self, query: str, /, **arguments: Any) -> list[Any]:
        return self._fetch(query, arguments)[1]

    async def revision(self) -> object | None:
        # They change with the commits of other connections, with rows that this one writes, and with what it writes
        # without rows: changes of the schema, and copies over the database by the backup API.
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        (schema,) = self._connection.execute("PRAGMA schema_version").fetchone()
        return version, self._connection.total_changes, schema

    async def execute_many(self, query: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        found = self._queries[query]
        try:
            self._connection.executemany(found.text, found.many(rows))
        except sqlite3.Error as error:
            raise domain_error(error) from error

    async def compute(self, function: Callable[[], T], /) -> T:
        return function()

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await work(self, *args, **kwargs)


class _Statements(Connection):
    """The methods, in terms of `_fetch`."""

    dialect = "sqlite"

    def __init__(self, queries: Mapping[str, Query]) -> None:
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

    async def rows(self, query: str, /, **arguments: Any) -> list[Any]:
        found = self._queries[query]
        _, rows, _ = await self._fetch(found, found.values(arguments))
        return rows

    async def execute_many(self, query: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        await self.run(lambda direct: direct.execute_many(query, rows))

    async def compute(self, function: Callable[[], T], /) -> T:
        return await asyncio.to_thread(function)


class _Reader(_Statements):
    def __init__(self, queries: Mapping[str, Query], connection: aiosqlite.Connection, seconds: float | None) -> None:
        """`seconds` limits each query; None for no limit."""
        super().__init__(queries)
        self._connection = connection
        self._seconds = seconds

    async def _fetch(self, query: Query, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
        with translate_errors():
            async with self._interrupted_when_left():
                rows = list(await self._connection.execute_fetchall(query.text, values))
        return (rows[0].keys() if rows else ()), rows, 0

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = _bound(work, *args, **kwargs)
        # The driver has no public way to run several statements in one hop to its thread.
        async with self._interrupted_when_left():
            result: T = await self._connection._execute(  # type: ignore[no-untyped-call]  # aiosqlite has no annotation
                self._run, bound, copy_context()
            )
        return result

    @asynccontextmanager
    async def _interrupted_when_left(self) -> AsyncIterator[None]:
        """Interrupts SQLite when the block is cancelled or takes too long. Raises Unavailable for the latter."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError:
            await self._connection.interrupt()
            raise Unavailable(
                f"Reading took longer than {self._seconds:g} seconds; request less at a time, or try again later",
                retry_after=60,
            ) from None
        except asyncio.CancelledError:
            await self._connection.interrupt()
            raise

    def _run(self, work: Bound[T], context: Context) -> T:
        connection = self._connection._conn
        with translate_errors():
            # All queries of the work see one snapshot.
            connection.execute("BEGIN")
            try:
                return drive(work, DirectConnection(self._queries, connection), context)
            finally:
                _rollback(connection)


class _Transaction(_Statements):
    def __init__(self, queries: Mapping[str, Query], writer: Writer) -> None:
        super().__init__(queries)
        self._writer = writer

    async def _fetch(self, query: Query, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
        return await self._writer.call(_fetch, query.text, values)

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._writer.call(self._run, _bound(work, *args, **kwargs), copy_context())

    def _run(self, connection: sqlite3.Connection, work: Bound[T], context: Context) -> T:
        return drive(work, DirectConnection(self._queries, connection), context)


def _fetch(connection: sqlite3.Connection, text: str, values: Sequence[Any]) -> tuple[Sequence[str], list[Any], int]:
    with translate_errors():
        cursor = connection.execute(text, values)
        rows = cursor.fetchall()
    return [column[0] for column in cursor.description or ()], rows, cursor.rowcount


def _note_files(connection: sqlite3.Connection, file: OpenFile, on_lost: Callable[[], object]) -> None:
    with translate_errors():
        # The write-ahead log exists from the first transaction on.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    file.note(on_lost)


def _checked(connection: sqlite3.Connection, file: OpenFile, function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function with its own transaction; raises FileLost when the file was lost meanwhile."""
    file.check()
    result = function(connection, *arguments)
    file.check()
    return result


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    with translate_errors(), closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)


def _begin(connection: sqlite3.Connection) -> None:
    with translate_errors():
        connection.execute("BEGIN IMMEDIATE")


def _commit(connection: sqlite3.Connection, file: OpenFile) -> None:
    with translate_errors():
        try:
            file.check()
            connection.execute("COMMIT")
        except BaseException:
            _rollback(connection)
            raise


def _rollback(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        # SQLite rolls back automatically when the disk is full; a second ROLLBACK then fails.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
