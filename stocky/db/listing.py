"""How a client wants a list: its order, and how many entries there are in all. Orders come from the SQL files only."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Hashable

from msgspec import Struct

from stocky.db.totals import Totals
from stocky.errors import Invalid

# More keys than these change nothing that a person sees, and each combination is a statement of its own.
MOST_KEYS = 3
_KEY = re.compile(r"-?[a-z_]{1,40}")


class Listing(Struct):
    """The wanted order (see `parse_order`), and once the page was read, its entries and those of the whole list.

    `total` stays None where counting would cost more than the page. `totals` caches it, at `revision` of the database.
    """

    order: str = ""
    shown: int = 0
    total: int | None = None
    totals: Totals | None = None
    revision: object | None = None

    def is_counted_by(self, shown: int, *, skip: int, limit: int, after: int = 0) -> bool:
        """Notes the entries of the page. True when it shows the end of the list, and so how many there are.

        A page `after` an id does not: what is before it was not counted.
        """
        self.shown = shown
        if not after and shown < limit and (shown or not skip):
            self.total = skip + shown
            return True
        return False

    async def count(self, key: Hashable, count: Callable[[], Awaitable[int]]) -> None:
        """Sets `total` to what is known for `key`, the list with its filters, or else to what `count` returns."""
        totals = self.totals
        self.total = await (count() if totals is None else totals.get_or_count(key, self.revision, count))


def parse_order(sort: str | None) -> str:
    """The order of a `sort` such as `name,-quantity`; empty for the list's own. Raises Invalid.

    Whether the list has these keys is known only to its query.
    """
    keys = [key.strip() for key in (sort or "").split(",") if key.strip()]
    if len(keys) > MOST_KEYS:
        raise Invalid(f"sort: a list is sorted by at most {MOST_KEYS} fields", field="sort")
    for key in keys:
        if not _KEY.fullmatch(key):
            raise Invalid(f"sort: {key[:40]!r} is not a field; send names as in name,-quantity", field="sort")
    return ",".join(keys)
