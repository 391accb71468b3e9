"""Answers to what is read, kept until anything is committed: several who look at the same ask for it again and again.

An answer is never older than the last commit: where it cannot be told that there was none, it is made anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Concatenate, ParamSpec

import msgspec

from stocky.db import Connection, Database, Lane

P = ParamSpec("P")

# What is kept at most, in bytes; what an answer takes beside its JSON, about.
KEPT_BYTES = 8 * 2**20
BESIDE_JSON = 1_024


class ResponseCache:
    """The answers of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision: object | None = None
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self.size_bytes = 0
        database.gate.on_data_replaced(self._forget)

    async def get_or_read(
        self,
        lane: Lane,
        read: Callable[Concatenate[Connection, P], Awaitable[Any]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> msgspec.Raw:
        """The JSON of what `read` reads with these arguments, which depends on nothing but them and the database.

        Raises Unavailable.
        """

        async def encoded(tx: Connection) -> bytes:
            return msgspec.json.encode(await read(tx, *args, **kwargs))

        asked = (read, args, *kwargs.items())
        self._database.gate.check_open()
        answer = self._look_up(asked)
        if answer is None:
            async with self._database.read(lane) as connection:
                # While this waited for a connection, another may have made it.
                answer = self._look_up(asked)
                if answer is None:
                    revision = self._revision
                    answer = await connection.run(encoded)
                    # Begun after the revision was read: it has seen no less. What was forgotten meanwhile stays so.
                    if revision is not None and revision == self._revision:
                        self._keep(asked, answer)
        return msgspec.Raw(answer)

    def _look_up(self, asked: Hashable) -> bytes | None:
        """What is kept of the database as it is now."""
        revision = self._database.revision()
        if revision is None or revision != self._revision:
            self._forget()
            self._revision = revision
        elif asked in self._kept:
            self._kept.move_to_end(asked)
            return self._kept[asked]
        return None

    def _keep(self, asked: Hashable, answer: bytes) -> None:
        if asked in self._kept:
            return
        self._kept[asked] = answer
        self.size_bytes += len(answer) + BESIDE_JSON
        while self.size_bytes > KEPT_BYTES:
            self.size_bytes -= len(self._kept.popitem(last=False)[1]) + BESIDE_JSON

    def _forget(self) -> None:
        self._revision = None
        self._kept.clear()
        self.size_bytes = 0
