"""What needs attention, counted for pages in one statement; each number is that of the list that shows it.

The counts come from the alerts' causes, which every change of stock updates in its own transaction, instead of from
the stock: finding all low items takes a sum for each item with a minimum. Lots expire with the daily check; the lists
of what expires go by the date alone, and are right also before it.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from stocky.alerts.schemas import AlertCause
from stocky.db import Connection


class Attention(Struct, frozen=True):
    """One count: `name` is an AlertCause, `needs_review` or `unacknowledged`.

    `query` are the parameters of the page that lists them: of items, or for `unacknowledged` of alerts.
    """

    name: str
    count: int
    query: dict[str, str]


_QUERIES: dict[str, dict[str, str]] = {
    **{cause.value: {"cause": cause.value} for cause in AlertCause},
    "needs_review": {"needs_review": "true"},
    "unacknowledged": {"active_only": "true"},
}


async def count_attention(read: Connection) -> list[Attention]:
    """Every count, zeros included: the causes in the order of AlertCause, then `needs_review`, `unacknowledged`."""
    rows: list[Any] = list(await read.rows("count_causes"))
    counts = {row[0]: row[1] for row in rows}
    return [Attention(name, counts.get(name, 0), query) for name, query in _QUERIES.items()]
