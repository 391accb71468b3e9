"""Caches responses of reads until the next commit, for clients that poll the same lists.

A response is never older than the last commit: without a known revision of the database, nothing is cached.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Concatenate, NamedTuple, ParamSpec

import msgspec

from stocky.db import Connection, Database, Lane
from stocky.http.representation import etag_of

P = ParamSpec("P")

# The size of the cache.
CACHED_BYTES = 8 * 2**20
# The approximate overhead of an entry beside its JSON.
BESIDE_JSON = 1_024


class Answer(NamedTuple):
    """A response as JSON, with its ETag; `shown` is the number of entries of a page of a list."""

    json: msgspec.Raw
    shown: int = 0
    etag: str = ""


class ResponseCache:
    """The cached responses of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision: object | None = None
        self._cached: OrderedDict[Hashable, Answer] = OrderedDict()
        self.size_bytes = 0
        database.gate.on_data_replaced(self._clear)

    async def get_or_read(
        self,
        lane: Lane,
        read: Callable[Concatenate[Connection, P], Awaitable[Any]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """The Answer that `read` returns, or the JSON of what it returns.

        It must depend only on its arguments and the database.

        Raises Unavailable.
        """

        async def encoded(tx: Connection) -> Answer:
            found = await read(tx, *args, **kwargs)
            answer = found if isinstance(found, Answer) else Answer(msgspec.Raw(msgspec.json.encode(found)))
            return answer._replace(etag=etag_of(memoryview(answer.json)))

        key = (read, args, *kwargs.items())
        self._database.gate.check_open()
        answer = self._look_up(key)
        if answer is None:
            async with self._database.read(lane, may_use_replica=True) as connection:
                # Another request may have cached it while this one waited for a connection.
                answer = self._look_up(key)
                if answer is None:
                    revision = self._revision
                    answer = await connection.run(encoded)
                    # Read after the revision, so at least as new. Not stored if the cache was cleared meanwhile.
                    if revision is not None and revision == self._revision:
                        self._store(key, answer)
        return answer

    def _look_up(self, key: Hashable) -> Answer | None:
        """The cached response of the current revision."""
        revision = self._database.revision()
        if revision is None or revision != self._revision:
            self._clear()
            self._revision = revision
        elif key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        return None

    def _store(self, key: Hashable, answer: Answer) -> None:
        if key in self._cached:
            return
        self._cached[key] = answer
        self.size_bytes += len(memoryview(answer.json)) + BESIDE_JSON
        while self.size_bytes > CACHED_BYTES:
            self.size_bytes -= len(memoryview(self._cached.popitem(last=False)[1].json)) + BESIDE_JSON

    def _clear(self) -> None:
        self._revision = None
        self._cached.clear()
        self.size_bytes = 0
