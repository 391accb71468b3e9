"""Events of the ledger with their names, as people read them: all rows of a transfer are one line."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from stocky.db import Connection
from stocky.schema import StorageType
from stocky.stock.schemas import StockEvent


class Names(Struct, gc=False):
    """What an event's ids stand for."""

    id: int
    item_name: str
    item_code: str
    location_name: str
    storage_type: StorageType
    unit: str
    username: str | None


class Line(Struct, gc=False):
    """An event to show. Of a transfer, `event` takes away, `target` is where it goes, and `delta` is of all its lots.

    `target` is None when the given events lack that side.
    """

    event: StockEvent
    names: Names
    delta: float
    target: Names | None = None

    @property
    def may_be_undone(self) -> bool:
        """Whether it is an event that nobody has undone, and no undo itself."""
        return self.event.reversed_by_id is None and self.event.type != "undo"


async def describe_events(read: Connection, events: Sequence[StockEvent]) -> list[Line]:
    """The lines of these events, each at the place of its first event."""
    if not events:
        return []
    named = {each.id: each for each in await read.all("describe_events", Names, ids=[event.id for event in events])}
    transfers: dict[int, list[StockEvent]] = {}
    for event in events:
        if event.transfer_id is not None:
            transfers.setdefault(event.transfer_id, []).append(event)
    lines = []
    for event in events:
        sides = [event] if event.transfer_id is None else transfers.pop(event.transfer_id, [])
        if sides:
            lines.append(_line(sides, named))
    return lines


def _line(sides: list[StockEvent], named: dict[int, Names]) -> Line:
    """The line of the sides of a transfer, or of one event."""
    first = min((each for each in sides if each.delta < 0), key=lambda each: each.id, default=sides[0])
    # Of a move of several lots, all of them; of a merge, what goes from the one item to the other.
    taken = [each for each in sides if (each.item_id, each.location_id) == (first.item_id, first.location_id)]
    target = next((named[each.id] for each in sides if each.location_id != first.location_id), None)
    return Line(first, named[first.id], round(sum(each.delta for each in taken), 3), target)
