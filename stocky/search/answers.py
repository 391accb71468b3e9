"""Answers to searches, kept until anything is committed: whoever types, and whoever looks again, asks the same often.

An answer is never older than the last commit: where it cannot be told that there was none, it is made anew.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from stocky.db import Connection, Database
from stocky.search import repository

# What is kept at most, in bytes of JSON.
KEPT_BYTES = 4 * 2**20


class Answers:
    """The answers of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision: object | None = None
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0
        database.gate.on_renewal(self._forget)

    async def answer(self, read: Connection, typed: str, limit: int) -> bytes:
        """The JSON of what matches, best first."""
        revision = self._database.revision()
        if revision is None or revision != self._revision:
            self._forget()
            self._revision = revision
        elif (kept := self._kept.get((typed, limit))) is not None:
            self._kept.move_to_end((typed, limit))
            return kept
        answer = msgspec.json.encode(await read.run(repository.search(typed, limit)))
        # Begun after the revision was read: it has seen no less. What was forgotten meanwhile stays forgotten.
        if revision is not None and revision == self._revision:
            self._keep((typed, limit), answer)
        return answer

    def _keep(self, asked: tuple[str, int], answer: bytes) -> None:
        self._bytes += len(answer) - len(self._kept.pop(asked, b""))
        self._kept[asked] = answer
        while self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])

    def _forget(self) -> None:
        self._revision = None
        self._kept.clear()
        self._bytes = 0
