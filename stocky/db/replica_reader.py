"""A connection to the read replica that continues on the primary when the replica fails; only for reads.

What failed is repeated there as a whole: a statement, or the work of a snapshot. The primary is never behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from stocky.db.connection import Connection, DatabaseFunction
from stocky.db.postgres_connect import DRIVER_ERRORS
from stocky.errors import StockyError

P = ParamSpec("P")
T = TypeVar("T")


class ReplicaReader(Connection):
    """The methods on the replica, or from its first failure on, on the primary."""

    dialect = "postgres"

    def __init__(
        self,
        on_replica: Connection,
        on_primary: AbstractAsyncContextManager[Connection],
        failed: Callable[[BaseException], None],
    ) -> None:
        """`on_primary` is entered only when the replica fails, after `failed` was called with the error."""
        self._reader = on_replica
        self._primary: AbstractAsyncContextManager[Connection] | None = on_primary
        self._failed = failed
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> ReplicaReader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def one(self, query: str, into: type[T], /, **arguments: Any) -> T | None:
        return await self._read(lambda reader: reader.one(query, into, **arguments))

    async def all(self, query: str, into: type[T], /, **arguments: Any) -> list[T]:
        return await self._read(lambda reader: reader.all(query, into, **arguments))

    async def value(self, query: str, /, **arguments: Any) -> Any:
        return await self._read(lambda reader: reader.value(query, **arguments))

    async def execute(self, query: str, /, **arguments: Any) -> int:
        return await self._read(lambda reader: reader.execute(query, **arguments))

    async def rows(self, query: str, /, **arguments: Any) -> Sequence[Any]:
        return await self._read(lambda reader: reader.rows(query, **arguments))

    async def execute_many(self, query: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        await self._read(lambda reader: reader.execute_many(query, rows))

    async def compute(self, function: Callable[[], T], /) -> T:
        return await self._reader.compute(function)

    async def run(self, work: DatabaseFunction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._read(lambda reader: reader.run(work, *args, **kwargs))

    async def _read(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        if self._primary is None:
            return await read(self._reader)
        try:
            return await read(self._reader)
        except (*DRIVER_ERRORS, StockyError) as error:
            if not _is_of_driver(error):
                raise
            self._failed(error)
        primary, self._primary = self._primary, None
        self._reader = await self._stack.enter_async_context(primary)
        return await read(self._reader)


def _is_of_driver(error: BaseException) -> bool:
    """Whether the driver reported it, perhaps translated, rather than the work itself."""
    return isinstance(error, DRIVER_ERRORS) or isinstance(error.__cause__, DRIVER_ERRORS)
