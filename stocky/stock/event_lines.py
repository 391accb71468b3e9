"""Events of the ledger with the names of what they refer to, for display: all rows of a transfer are one line."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from stocky.db import Connection
from stocky.schema import StorageType
from stocky.stock.schemas import StockEvent


class EventNames(Struct, gc=False):
    """The names behind an event's ids, and whether it brought stock of an item to the one that it was merged into."""

    id: int
    item_name: str
    item_code: str
    location_path: str
    storage_type: StorageType
    unit: str
    username: str | None
    is_of_merge: bool


class Line(Struct, gc=False):
    """An event to show. Of a transfer, `event` is the removal, `target` its target, and `delta` is of all its lots.

    `target` is None if the given events lack that side. `is_opening`: closed stock was opened, or that was undone, and
    `delta` is how much.
    """

    event: StockEvent
    names: EventNames
    delta: float
    target: EventNames | None = None
    is_opening: bool = False

    @property
    def may_be_undone(self) -> bool:
        """Whether the event is neither undone nor an undo itself, nor part of a merge, which is undone as a whole."""
        return self.event.reversed_by_id is None and self.event.type != "undo" and not self.names.is_of_merge

    @property
    def location(self) -> str:
        """The location as text: `Cellar`, or `Cellar → Kitchen`."""
        return f"{self.names.location_path} → {self.target.location_path}" if self.target else self.names.location_path

    @property
    def by(self) -> str:
        """The name of the scanner that booked it, else of the user; empty for Stocky itself."""
        scanner = self.event.scanner_id
        # A user's events without a scanner are recorded under a scanner named after the user.
        return scanner if scanner and not scanner.startswith("user-") else self.names.username or ""


async def describe_events(read: Connection, events: Sequence[StockEvent], *, of_item: int | None = None) -> list[Line]:
    """The lines of these events, in the order of their first events.

    A merge is shown from the side of the item `of_item`, where that has one.
    """
    if not events:
        return []
    named = await find_event_names(read, [event.id for event in events])
    transfers: dict[int, list[StockEvent]] = {}
    for event in events:
        if event.transfer_id is not None:
            transfers.setdefault(event.transfer_id, []).append(event)
    lines = []
    for event in events:
        sides = [event] if event.transfer_id is None else transfers.pop(event.transfer_id, [])
        if sides:
            own = [each for each in sides if each.item_id == of_item]
            lines.append(_line(own or sides, named))
    return lines


async def find_event_names(read: Connection, ids: Sequence[int]) -> dict[int, EventNames]:
    """The names behind these events, by their ids."""
    return {each.id: each for each in await read.all("describe_events", EventNames, ids=ids)}


def _line(sides: list[StockEvent], named: dict[int, EventNames]) -> Line:
    """The line of the sides of a transfer, or of one event."""
    first = min((each for each in sides if each.delta < 0), key=lambda each: each.id, default=sides[0])
    # All lots of a move; of a merge, the rows that leave the source item.
    taken = [each for each in sides if (each.item_id, each.location_id) == (first.item_id, first.location_id)]
    given = [each for each in taken if each.delta > 0]
    is_of_lot = all((each.lot, each.serial) == (first.lot, first.serial) for each in given)
    if given and first.delta < 0 and is_of_lot and {each.opened_on for each in given} != {first.opened_on}:
        # Both sides are at one location.
        return Line(first, named[first.id], round(sum(each.delta for each in given), 3), is_opening=True)
    target = next((named[each.id] for each in sides if each.location_id != first.location_id), None)
    return Line(first, named[first.id], round(sum(each.delta for each in taken), 3), target)
