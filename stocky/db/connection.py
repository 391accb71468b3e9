"""What a connection and a database can do, whichever dialect is behind them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import msgspec

from stocky.db.lanes import Lane, Lanes
from stocky.db.maintenance_gate import Gate
from stocky.supervisor import Supervisor

P = ParamSpec("P")
T = TypeVar("T")


# Work for the database: an async function that awaits nothing but the connection it is given first.
Work: TypeAlias = "Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]]"


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
        """The first column of the first row as the driver gives it, or None."""

    @abstractmethod
    async def execute(self, query: str, /, **arguments: Any) -> int:
        """The number of rows changed. Raises Conflict or Invalid where a constraint refuses."""

    @abstractmethod
    async def rows(self, query: str, /, **arguments: Any) -> Sequence[Any]:
        """Every row as the driver gives it, for paths where making Structs costs too much."""

    @abstractmethod
    async def execute_many(self, query: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        """Runs a statement once for each row of arguments, which stand in the order of its parameters."""

    @abstractmethod
    async def compute(self, function: Callable[[], T], /) -> T:
        """What the function returns. It may take milliseconds and runs off the event loop."""

    @abstractmethod
    async def run(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work(connection, *args, **kwargs)` returns, all of its queries on one moment.

        On SQLite it is one hop to the connection's thread. Raises RuntimeError when it awaits anything else.
        """


class Database(ABC):
    """A database that is open. Reads never wait for writes; a transaction commits or leaves nothing.

    All three raise Unavailable while the gate is closed.
    """

    dialect: str
    lanes: Lanes

    def __init__(self) -> None:
        self.gate = Gate()
        # The tasks of this process that work on it: what each service starts is registered here.
        self.supervisor = Supervisor()
        self._hearers: list[Callable[[], None]] = []
        self._lost_callbacks: list[Callable[[], None]] = []

    def on_commit(self, callback: Callable[[], None]) -> None:
        """`callback` is called when the ledger may have grown: after a commit, on Postgres of any process that serves.

        It is a hint that costs nothing, and one may be missed; what there is says the ledger.
        """
        self._hearers.append(callback)

    def _tell_news(self, *_: object) -> None:
        for callback in self._hearers:
            callback()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """`callback` is called once, when the open database file was deleted or replaced; never on Postgres."""
        self._lost_callbacks.append(callback)

    def _tell_lost(self) -> None:
        for callback in self._lost_callbacks:
            callback()

    @abstractmethod
    async def open(self) -> None:
        """Makes it ready. Raises Unavailable when it cannot be reached."""

    @abstractmethod
    async def close(self) -> None:
        """Lets go of every connection."""

    @abstractmethod
    def read(self, lane: Lane = Lane.SHORT) -> AbstractAsyncContextManager[Connection]:
        """A connection that can only read. Raises Unavailable when too many wait in this lane."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction: committed at the end of the block, rolled back by any exception."""

    def revision(self) -> object | None:
        """Equal as long as nothing has been committed in between, by whomever; None where that cannot be told."""
        return None

    @abstractmethod
    def serving(self) -> AbstractAsyncContextManager[None]:
        """Answers requests for the length of the block, and makes way when another process restores a backup."""

    @abstractmethod
    async def run(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work(connection, *args, **kwargs)` returns, as one transaction, after COMMIT.

        On SQLite it is one hop to the writer's thread. Raises RuntimeError when the work awaits anything else.
        """


def to_structs(into: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Rows as Structs; a column `x_json` is JSON text and arrives decoded as `x`."""
    records: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in rows]
    for column in columns:
        if column.endswith("_json"):
            name = column.removesuffix("_json")
            for record in records:
                text = record.pop(column)
                record[name] = None if text is None else msgspec.json.decode(text)
    converted: list[Any] = msgspec.convert(records, list[into], strict=False)
    return converted
