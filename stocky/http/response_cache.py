"""Caches responses of reads until the next commit, for clients that poll the same lists.

A response is never older than the last commit: without a known revision of the database, nothing is cached.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Concatenate, ParamSpec

import msgspec

from stocky.db import Connection, Database, Lane

P = ParamSpec("P")

# The size of the cache.
CACHED_BYTES = 8 * 2**20
# The approximate overhead of an entry beside its JSON.
BESIDE_JSON = 1_024


class ResponseCache:
    """The cached responses of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision: object | None = None
        self._cached: OrderedDict[Hashable, bytes] = OrderedDict()
        self.size_bytes = 0
        database.gate.on_data_replaced(self._clear)

    async def get_or_read(
        self,
        lane: Lane,
        read: Callable[Concatenate[Connection, P], Awaitable[Any]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> msgspec.Raw:
        """The JSON of what `read` returns, which must depend only on its arguments and the database.

        Raises Unavailable.
        """

        async def encoded(tx: Connection) -> bytes:
            return msgspec.json.encode(await read(tx, *args, **kwargs))

        key = (read, args, *kwargs.items())
        self._database.gate.check_open()
        answer = self._look_up(key)
        if answer is None:
            async with self._database.read(lane) as connection:
                # Another request may have cached it while this one waited for a connection.
                answer = self._look_up(key)
                if answer is None:
                    revision = self._revision
                    answer = await connection.run(encoded)
                    # Read after the revision, so at least as new. Not stored if the cache was cleared meanwhile.
                    if revision is not None and revision == self._revision:
                        self._store(key, answer)
        return msgspec.Raw(answer)

    def _look_up(self, key: Hashable) -> bytes | None:
        """The cached response of the current revision."""
        revision = self._database.revision()
        if revision is None or revision != self._revision:
            self._clear()
            self._revision = revision
        elif key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        return None

    def _store(self, key: Hashable, answer: bytes) -> None:
        if key in self._cached:
            return
        self._cached[key] = answer
        self.size_bytes += len(answer) + BESIDE_JSON
        while self.size_bytes > CACHED_BYTES:
            self.size_bytes -= len(self._cached.popitem(last=False)[1]) + BESIDE_JSON

    def _clear(self) -> None:
        self._revision = None
        self._cached.clear()
        self.size_bytes = 0
