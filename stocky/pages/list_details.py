"""What pages show of shopping lists beside names and amounts: units as they are now, and where purchases were added.

Entries count in their item's main unit; a purchase is in the unit of the stock that it was added to, as its event is.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from stocky.catalogue.repository import find_item_totals
from stocky.db import Connection
from stocky.stock.event_lines import EventNames, find_event_names


class ListDetails(Struct):
    """Details by ids. What has no item, or whose item never was in stock, has no unit."""

    units: dict[int, str | None]
    events: dict[int, EventNames]

    def unit_of_item(self, item_id: int | None) -> str | None:
        """The unit of an entry's amount."""
        return None if item_id is None else self.units.get(item_id)

    def unit_of_event(self, event_id: int | None) -> str | None:
        """The unit of what was bought."""
        event = None if event_id is None else self.events.get(event_id)
        return None if event is None else event.unit

    def location_of_event(self, event_id: int | None) -> str | None:
        """The path of the location where what was bought was added; None for a text without an item."""
        event = None if event_id is None else self.events.get(event_id)
        return None if event is None else event.location_path


async def read_list_details(
    read: Connection, item_ids: Iterable[int | None], event_ids: Iterable[int | None]
) -> ListDetails:
    """The details of these items and events."""
    items = sorted({each for each in item_ids if each is not None})
    events = sorted({each for each in event_ids if each is not None})
    totals = await find_item_totals(read, items) if items else {}
    return ListDetails(
        {id: unit for id, (_, unit) in totals.items()}, await find_event_names(read, events) if events else {}
    )
