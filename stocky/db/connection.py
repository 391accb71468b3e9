"""What a connection can do, whatever database is behind it; a script is the same work written without a connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import msgspec

from stocky.db.lanes import Lane, Lanes
from stocky.db.maintenance_gate import Gate
from stocky.supervisor import Supervisor

T = TypeVar("T")


class Ask(msgspec.Struct, frozen=True):
    """One query a script wants run: for its rows as `into`, or, with `rows`, once for each row of arguments.

    With `counted` the answer is the number of rows changed.
    """

    query: str
    arguments: dict[str, Any] = {}
    into: Any = None
    rows: Sequence[tuple[Any, ...]] | None = None
    counted: bool = False


class Work(msgspec.Struct, frozen=True):
    """Something a script wants worked out that may take milliseconds: never on the event loop."""

    function: Callable[[], Any]


# A script yields what it asks and is sent the rows. It never sees a connection, so SQLite runs the
# whole of it in one hop to the writer's thread while Postgres awaits query by query.
Script = Generator[Ask | Work, Any, T]


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
    async def run(self, script: Script[T], /) -> T:
        """What the script returns, all of its queries run here and on one moment; on SQLite in one hop."""


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

    def on_news(self, hear: Callable[[], None]) -> None:
        """`hear` is called when the ledger may have grown: after a commit, on Postgres of any process that serves.

        It is a hint that costs nothing, and one may be missed; what there is says the ledger.
        """
        self._hearers.append(hear)

    def _tell_news(self, *_: object) -> None:
        for hear in self._hearers:
            hear()

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
    async def run(self, script: Script[T], /) -> T:
        """A whole script as one transaction (on SQLite in one hop), returned after COMMIT."""


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
