"""Caches how long lists are, so that counting does not cost more than the page of a list that is read again.

Where commits can be noticed, a total is never older than the last one. Elsewhere large ones are cached for seconds.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

# How old a total may be where commits cannot be noticed.
CACHED_SECONDS = 5.0
# There, a total up to this is not cached: counting so few costs about as much as a page of them.
SMALL = 1_000
# Each filter of a list has a total of its own.
MOST_FILTERS = 200


class _Total(NamedTuple):
    revision: object | None
    expires: float
    rows: int


class Totals:
    """The totals of one process; used by the threads of several connections."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Total] = {}

    async def get_or_count(self, key: Hashable, revision: object | None, count: Callable[[], Awaitable[int]]) -> int:
        """The total of a list and its filters, `key`. `revision` is the database's, read before the list was."""
        known = self._known.get(key)
        if known is not None and known.revision == revision and known.expires > time.monotonic():
            return known.rows
        rows = await count()
        if revision is not None or rows > SMALL:
            if len(self._known) >= MOST_FILTERS:
                self.clear()
            expires = float("inf") if revision is not None else time.monotonic() + CACHED_SECONDS
            self._known[key] = _Total(revision, expires, rows)
        return rows

    def clear(self) -> None:
        """Forgets all, since the data was replaced."""
        self._known.clear()
