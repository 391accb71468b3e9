"""The interface of connections and databases, the same on both dialects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

import msgspec

from stocky.db.lanes import Lane, Lanes
from stocky.db.listing import Listing
from stocky.db.maintenance_gate import Gate
from stocky.db.totals import Totals
from stocky.supervisor import Supervisor

P = ParamSpec("P")
T = TypeVar("T")


# An async function that awaits only its first argument, the connection.
DatabaseFunction: TypeAlias = "Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]]"


class SoleLock(IntEnum):
    """What one process on a database does at a time; the numbers must never change."""

    MQTT = 7_786_262


class ReadReplica(Protocol):
    """What is known of a read replica."""

    # `ok`, or why it is not used.
    state: str
    # Reads that began on it, and those that the primary served instead.
    served: int
    passed_on: int

    @property
    def lag_seconds(self) -> float:
        """How old its data is at most; infinity while that is unknown."""


class Connection(ABC):
    """A connection inside a read or a transaction. Query names are those of `sql/`."""

    dialect: str

    @abstractmethod
    async def one(self, query: str, into: type[T], /, **arguments: Any) -> T | None:
        """The first row as `into`, or None."""

    @abstractmethod
    async def all(self, query: str, into: type[T], /, **arguments: Any) -> list[T]:
        """Every row as `into`."""

    @abstractmethod
    async def value(self, query: str, /, **arguments: Any) -> Any:
        """The first column of the first row as the driver returns it, or None."""

    @abstractmethod
    async def execute(self, query: str, /, **arguments: Any) -> int:
        """The number of rows changed. Raises Conflict or Invalid when a constraint is violated."""

    @abstractmethod
    async def rows(self, query: str, /, **arguments: Any) -> Sequence[Any]:
        """Every row as the driver returns it, for hot paths where Structs cost too much."""

    async def page(
        self, query: str, into: type[T], listing: Listing | None, /, *, skip: int, limit: int, **arguments: Any
    ) -> list[T]:
        """A page of a list in the order of `listing`, which gets the number of rows of all pages.

        Raises Invalid for an order that the list does not have.
        """
        if listing is None:
            return await self.all(query, into, skip=skip, limit=limit, **arguments)
        name = f"{query} by {listing.order}" if listing.order else query
        rows = await self.all(name, into, skip=skip, limit=limit, **arguments)
        if not listing.is_counted_by(len(rows), skip=skip, limit=limit):
            count = partial(self.count_rows, query, **arguments)
            await listing.count((query, *sorted(arguments.items())), count)
        return rows

    async def sorted_rows(self, query: str, order: str, /, **arguments: Any) -> Sequence[Any]:
        """The rows of a list in another order, as the driver returns them. Raises Invalid."""
        return await self.rows(f"{query} by {order}" if order else query, **arguments)

    async def count_rows(self, query: str, /, **arguments: Any) -> int:
        """The number of rows of all pages of a list."""
        counted: int = await self.value(f"{query} counted", **arguments)
        return counted

    async def revision(self) -> object | None:
        """Compared for equality: the same as before if nothing was written since; None where that is unknown.

        It sees the commits of other connections, and of this one rows written, changes of the schema, and copies over
        the database by the backup API. It does not go back when rows written are rolled back. It cannot see values
        that this connection writes in place with `blobopen`, which Stocky does not use.
        """
        return None

    @abstractmethod
    async def execute_many(self, query: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        """Runs a statement once for each row of arguments, given in the order in which its parameters first occur."""

    @abstractmethod
    async def compute(self, function: Callable[[], T], /) -> T:
        """Runs a function that may take milliseconds off the event loop and returns its result."""

    @abstractmethod
    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work(connection, *args, **kwargs)` on one snapshot and returns its result.

        On SQLite it is one hop to the connection's thread. Raises RuntimeError when the work awaits anything else.
        """


class Database(ABC):
    """An open database. Reads never wait for writes; a transaction commits or changes nothing.

    All three raise Unavailable while the gate is closed.
    """

    dialect: str
    lanes: Lanes
    # None where none is configured.
    replica: ReadReplica | None = None

    def __init__(self) -> None:
        self.gate = Gate()
        self.totals = Totals()
        self.gate.on_data_replaced(self.totals.clear)
        # The background tasks of this process that use the database; each service registers its own.
        self.supervisor = Supervisor()
        self._commit_callbacks: list[Callable[[], None]] = []
        self._lost_callbacks: list[Callable[[], None]] = []

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Registers a callback for when the ledger may have grown: after a commit, on Postgres of any serving process.

        A best-effort hint: it may be missed. The ledger is authoritative.
        """
        self._commit_callbacks.append(callback)

    def _notify_commit(self, *_: object) -> None:
        for callback in self._commit_callbacks:
            callback()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Registers a callback for when the open database file is deleted or replaced; called once, SQLite only."""
        self._lost_callbacks.append(callback)

    def _notify_lost(self) -> None:
        for callback in self._lost_callbacks:
            callback()

    @abstractmethod
    async def open(self) -> None:
        """Opens the connections. Raises Unavailable when the database cannot be reached."""

    @abstractmethod
    async def close(self) -> None:
        """Closes every connection."""

    @abstractmethod
    def read(
        self, lane: Lane = Lane.SHORT, *, may_use_replica: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """A connection that can only read. Raises Unavailable when too many wait in this lane.

        `may_use_replica`: a read replica may serve it as `stocky.db.replica` says, unless it decides about a write or
        about what somebody may do. It has to be safe to do the work of one `run` again.
        """

    async def position(self) -> int | None:
        """What has been committed, for clients to send with later reads; None without a read replica.

        Raises Unavailable.
        """
        return None

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction: committed at the end of the block, rolled back by any exception."""

    def revision(self) -> object | None:
        """Changes with every commit of any process; None where that cannot be determined."""
        return None

    @abstractmethod
    def serving(self) -> AbstractAsyncContextManager[None]:
        """Registers this process as serving for the block; it pauses when another process restores a backup."""

    @abstractmethod
    def try_sole_lock(
        self, lock: SoleLock
    ) -> AbstractAsyncContextManager[Callable[[], Coroutine[Any, Any, None]] | None]:
        """Holds a lock that one process on this database has at a time, for the block; None where another has it.

        Yields a coroutine function that runs until the lock is lost, and then raises Unavailable.
        """

    @abstractmethod
    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work(connection, *args, **kwargs)` as one transaction and returns its result after COMMIT.

        On SQLite it is one hop to the writer's thread. Raises RuntimeError when the work awaits anything else.
        """


def to_structs(into: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Rows as Structs; a column `x_json` holds JSON text and becomes the decoded field `x`.

    A Struct with `array_like` has the columns as its fields, in their order: no row becomes a dictionary, which is most
    of the time.
    """
    if isinstance(into, msgspec.StructMeta) and into.__struct_config__.array_like:
        values = [tuple(row) for row in rows]
        if values and tuple(columns) != into.__struct_fields__:
            raise TypeError(f"{into.__name__} has other fields than the query's columns: {columns}")
        by_position: list[Any] = msgspec.convert(values, list[into], strict=False)
        return by_position
    records: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in rows]
    for column in columns:
        if column.endswith("_json"):
            name = column.removesuffix("_json")
            for record in records:
                text = record.pop(column)
                record[name] = None if text is None else msgspec.json.decode(text)
    converted: list[Any] = msgspec.convert(records, list[into], strict=False)
    return converted
