"""Events of the ledger with their names, as people read them: the two rows of a move are one line."""

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
    """An event to show. Of a move that is whole in the page, `event` takes away and `target` is where it goes."""

    event: StockEvent
    names: Names
    target: Names | None = None

    @property
    def may_be_undone(self) -> bool:
        """Whether it is an event that nobody has undone, and no undo itself."""
        return self.event.reversed_by_id is None and self.event.type != "undo"


async def describe_events(read: Connection, events: Sequence[StockEvent]) -> list[Line]:
    """The lines of these events, in their order."""
    if not events:
        return []
    named = {each.id: each for each in await read.all("describe_events", Names, ids=[event.id for event in events])}
    lines: list[Line] = []
    moves: dict[int, Line] = {}
    for event in events:
        names = named[event.id]
        other = None if event.transfer_id is None or event.type != "move" else moves.get(event.transfer_id)
        if other is not None and (other.event.delta < 0) != (event.delta < 0) and other.target is None:
            if event.delta < 0:
                other.event, other.names, other.target = event, names, other.names
            else:
                other.target = names
            continue
        line = Line(event, names)
        if event.transfer_id is not None and event.type == "move":
            moves[event.transfer_id] = line
        lines.append(line)
    return lines
