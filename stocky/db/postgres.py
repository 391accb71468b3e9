"""The Postgres implementation of `connection`: an asyncpg pool that survives restarts of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

import asyncpg

from stocky.config import ReplicaSettings
from stocky.database_address import parse
from stocky.db.connection import Connection, Database, DatabaseFunction, SoleLock, to_structs
from stocky.db.lanes import Lane, Lanes
from stocky.db.postgres_connect import COMMAND_SECONDS, DRIVER_ERRORS, connect, examine, session
from stocky.db.postgres_coordination import ServingLease, exclusive_access, sole_lock
from stocky.db.queries import Query
from stocky.db.read_position import read_position
from stocky.db.replica import POSITION, Replica
from stocky.db.replica_reader import ReplicaReader
from stocky.db.sqlstates import AWAY, error_of_state
from stocky.errors import Conflict, Contention, Invalid, StockyError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

# Each lane has its own connections, so transactions that wait for locks do not block reads.
CONNECTIONS = {Lane.IDENTITY: 1, Lane.SHORT: 4, Lane.LONG: 2, Lane.WRITE: 5}
POOL_SIZE = sum(CONNECTIONS.values())
ACQUIRE_SECONDS = 5


async def _no_reset(connection: Any) -> None:
    """No-op: the pool has ended any open transaction, and a pooled server connection holds no state of Stocky."""


# The next transaction may get another server connection, so nothing is prepared on one, and nothing reset.
_THROUGH_A_POOLER: dict[str, Any] = {"statement_cache_size": 0, "reset": _no_reset}
# Compiling a query takes longer than running it, and Postgres overestimates some. Poolers refuse this parameter.
_DIRECTLY: dict[str, Any] = {"server_settings": {"jit": "off"}}


class PostgresDatabase(Database):
    """A pool of connections to one Postgres database; every failure to reach it raises Unavailable."""

    dialect = "postgres"

    def __init__(
        self,
        url: str,
        queries: Mapping[str, Query],
        direct_url: str | None = None,
        replica: ReplicaSettings | None = None,
    ) -> None:
        """Queries go to `url`, which may be a pooler's; what needs a session goes to `direct_url`, if given."""
        super().__init__()
        self.url = url
        self.session_url = direct_url or url
        self._direct_url = direct_url
        self.queries = queries
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.lanes = Lanes(CONNECTIONS)
        self.replica: Replica | None = None
        if replica is not None:
            self.replica = Replica(replica, self._ask, self.gate, self.supervisor)

    async def open(self) -> None:
        """Opens the pool. Raises Unavailable when the server does not answer, or the two addresses do not match."""
        with translate_errors():
            pooled = await examine(self.url, self._direct_url)
            self._pool = await asyncpg.create_pool(
                min_size=1,
                max_size=POOL_SIZE,
                command_timeout=COMMAND_SECONDS,
                connect=self._connect,
                **(_THROUGH_A_POOLER if pooled else _DIRECTLY),
            )
        if self.replica:
            self.replica.start()

    async def close(self) -> None:
        if self.replica:
            await self.replica.close()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), ACQUIRE_SECONDS)
            except DRIVER_ERRORS:
                pool.terminate()

    @asynccontextmanager
    async def read(self, lane: Lane = Lane.SHORT, *, may_use_replica: bool = False) -> AsyncIterator[Connection]:
        with self.gate.enter():
            held = await self.replica.acquire(lane, read_position.get()) if self.replica and may_use_replica else None
            if self.replica is None or held is None:
                async with self._reading(lane) as reader:
                    yield reader
                return
            on_replica = _Reader(self.queries, held.connection)
            try:
                async with ReplicaReader(on_replica, self._reading(lane), self.replica.failed) as reader:
                    yield reader
            finally:
                await self.replica.release(held)

    @asynccontextmanager
    async def _reading(self, lane: Lane) -> AsyncIterator[Connection]:
        async with self.lanes.enter(lane), self._acquired() as connection:
            yield _Reader(self.queries, connection)

    async def position(self) -> int | None:
        if self.replica is None:
            return None
        try:
            position: int = (await self._ask(POSITION))[0]
        except DRIVER_ERRORS:
            # Such as a server that has become a standby.
            return None
        return position

    async def _ask(self, query: str) -> Any:
        """The row of a query that is not one of `sql/`. Raises Unavailable, and asyncpg's errors."""
        async with self.lanes.enter(Lane.SHORT), self._acquired() as connection:
            with translate_errors():
                return await connection.fetchrow(query)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresConnection]:
        with self.gate.enter():
            async with self.connection() as connection, _transaction(connection):
                yield PostgresConnection(self.queries, connection)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        with translate_errors():
            # Fails here, before anything waits for a lease.
            async with session(self.session_url):
                pass
        lease = ServingLease(self.session_url, self.gate, self._notify_commit, self.supervisor)
        await lease.start()
        try:
            yield
        finally:
            await lease.close()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Any]:
        """Exclusive access across all processes; yields an asyncpg connection.

        Raises Unavailable when a process does not pause.
        """
        with translate_errors():
            async with exclusive_access(self.session_url, self.gate) as connection:
                yield connection

    @asynccontextmanager
    async def try_sole_lock(self, lock: SoleLock) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]] | None]:
        async with sole_lock(self.session_url, lock) as watch:
            yield watch

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self.transaction() as transaction:
            return await work(transaction, *args, **kwargs)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A pooled asyncpg connection to write with; the caller is inside the gate. Raises Unavailable."""
        async with self.lanes.enter(Lane.WRITE), self._acquired() as connection:
            yield connection

    async def _connect(self, dsn: None, **arguments: Any) -> Any:
        """The pool's connect callback, which it calls without an address."""
        return await connect(parse(self.url), **arguments)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise Unavailable("The database is closed")
        pool = self._pool
        with translate_errors():
            connection = await pool.acquire(timeout=ACQUIRE_SECONDS)
        try:
            yield connection
        finally:
            # The block has committed or rolled back; the pool closes a connection that it cannot reset.
            with suppress(*DRIVER_ERRORS):
                await pool.release(connection)


class PostgresConnection(Connection):
    """The methods on an asyncpg connection, inside any transaction open on it."""

    dialect = "postgres"

    def __init__(self, queries: Mapping[str, Query], connection: Any) -> None:
        self._queries = queries
        self._connection = connection

    async def one(self, query: str, into: type[T], /, **arguments: Any) -> T | None:
        rows = await self.all(query, into, **arguments)
        return rows[0] if rows else None

    async def all(self, query: str, into: type[T], /, **arguments: Any) -> list[T]:
        found = self._queries[query]
        with translate_errors():
            return _structs(into, await self._connection.fetch(found.text, *found.values(arguments)))

    async def value(self, query: str, /, **arguments: Any) -> Any:
        found = self._queries[query]
        with translate_errors():
            return await self._connection.fetchval(found.text, *found.values(arguments))

    async def execute(self, query: str, /, **arguments: Any) -> int:
        found = self._queries[query]
        with translate_errors():
            return _changed(await self._connection.execute(found.text, *found.values(arguments)))

    async def rows(self, query: str, /, **arguments: Any) -> Sequence[Any]:
        found = self._queries[query]
        with translate_errors():
            rows: list[Any] = await self._connection.fetch(found.text, *found.values(arguments))
        return rows

    async def execute_many(self, query: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        if not rows:
            return
        found = self._queries[query]
        with translate_errors():
            if found.by_column:
                await self._connection.execute(found.text, *zip(*rows, strict=True))
            else:
                await self._connection.executemany(found.text, rows)

    async def compute(self, function: Callable[[], T], /) -> T:
        return await asyncio.to_thread(function)

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await work(self, *args, **kwargs)


class _Reader(PostgresConnection):
    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        # All queries of the work see one snapshot.
        async with _transaction(self._connection, isolation="repeatable_read", readonly=True):
            return await work(self, *args, **kwargs)


@asynccontextmanager
async def _transaction(connection: Any, **options: Any) -> AsyncIterator[None]:
    """A transaction on an asyncpg connection: committed at the end of the block, rolled back by any exception.

    The exception is re-raised unchanged, also when the connection is lost and cannot be rolled back.
    """
    transaction = connection.transaction(**options)
    with translate_errors():
        await transaction.start()
    try:
        yield
    except BaseException:
        with suppress(*DRIVER_ERRORS):
            await transaction.rollback()
        raise
    with translate_errors():
        await transaction.commit()


def _changed(status: str) -> int:
    """The number of changed rows in a command status such as `UPDATE 3`."""
    return int(status.rpartition(" ")[2]) if status[-1].isdigit() else 0


def _structs(into: Any, rows: Sequence[Any]) -> list[Any]:
    return to_structs(into, tuple(rows[0].keys()), rows) if rows else []


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translates asyncpg's errors to Stocky's; an OSError that asyncpg did not raise passes through."""
    try:
        yield
    except DRIVER_ERRORS as error:
        meaning = _meaning_of(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning_of(error: Exception) -> StockyError | None:
    """The domain error for a driver's error; None for a defect in Stocky, and for an OSError from elsewhere."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict.of(error.constraint_name or "")
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return Conflict("It references something that does not exist, or something still references it")
    if isinstance(error, asyncpg.CheckViolationError):
        return Invalid.of(error.constraint_name or "")
    if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError):
        return Contention("The database's tables have just been changed; send it again")
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return Invalid("A value is outside the range the database can store")
    if isinstance(error, asyncpg.PostgresError):
        return error_of_state(error.sqlstate)
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError) or _is_of_driver(error):
        return Unavailable(AWAY)
    return None


def _is_of_driver(error: BaseException) -> bool:
    """Whether asyncpg or `postgres_connect` raised it, rather than the code inside the block."""
    raised_in, traceback = "", error.__traceback__
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.startswith(("asyncpg.", "stocky.")):
            raised_in = module
        traceback = traceback.tb_next
    return raised_in.startswith("asyncpg.") or raised_in == connect.__module__
