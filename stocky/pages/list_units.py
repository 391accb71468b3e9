"""The units in which pages show the amounts of shopping lists, as they are now: of items, and of what was bought.

Entries count in their item's main unit; a purchase is in the unit of the stock that it was added to, as its event is.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from stocky.catalogue.repository import find_item_totals
from stocky.db import Connection
from stocky.stock.event_lines import find_event_names


class Units(Struct):
    """Units by ids; without one is what has no item, and an item that never was in stock."""

    by_item: dict[int, str | None]
    by_event: dict[int, str]

    def of_item(self, item_id: int | None) -> str | None:
        """The unit of an entry's amount."""
        return None if item_id is None else self.by_item.get(item_id)

    def of_event(self, event_id: int | None) -> str | None:
        """The unit of what was bought."""
        return None if event_id is None else self.by_event.get(event_id)


async def read_units(read: Connection, item_ids: Iterable[int | None], event_ids: Iterable[int | None]) -> Units:
    """The units of these items and events."""
    items = sorted({each for each in item_ids if each is not None})
    events = sorted({each for each in event_ids if each is not None})
    totals = await find_item_totals(read, items) if items else {}
    names = await find_event_names(read, events) if events else {}
    return Units({id: unit for id, (_, unit) in totals.items()}, {id: each.unit for id, each in names.items()})
