"""The one thread that writes to a SQLite database; its calls run one at a time, in order."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from stocky.db.sqlite_file import open_connection, translate_errors
from stocky.errors import Unavailable

T = TypeVar("T")


class Writer:
    """The thread that owns the writing connection."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._connection: sqlite3.Connection | None = None

    async def open(self, path: Path, *, runs_checkpoints: bool) -> None:
        """Starts the thread and opens its connection. Raises Unavailable."""
        self._thread.start()
        loop = asyncio.get_running_loop()
        opened = loop.create_future()

        def connect() -> None:
            try:
                with translate_errors():
                    self._connection = open_connection(path, runs_checkpoints=runs_checkpoints)
                loop.call_soon_threadsafe(_resolve, opened, None, None)
            except BaseException as error:  # noqa: BLE001 - re-raised in the caller
                loop.call_soon_threadsafe(_resolve, opened, None, error)

        self._calls.put(connect)
        await opened

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls `function(connection, *arguments)` on the thread; one wake-up of the loop when it is done."""
        if self._connection is None:
            raise Unavailable("The database is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        connection = self._connection

        def work() -> None:
            result, failure = None, None
            try:
                result = function(connection, *arguments)
            except BaseException as error:  # noqa: BLE001 - re-raised in the caller
                failure = error
            with suppress(RuntimeError):  # the loop is closed, so there is no caller
                loop.call_soon_threadsafe(_resolve, done, result, failure)

        self._calls.put(work)
        return await done

    async def close(self) -> None:
        """Finishes queued calls, closes the connection and ends the thread."""
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
