"""Entries of the ledger as lines of a history: both sides of a move are one line, which is undone as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from stocky.auth.repository import get_users
from stocky.catalogue.repository import get_items
from stocky.db import Connection
from stocky.pages.filters import quantity, signed
from stocky.pages.languages import Text, _
from stocky.stock.repository import get_location_names
from stocky.stock.schemas import StockEvent


class Line(Struct, frozen=True):
    """What one event, or a transfer, did; `delta` and `after` are those of the first side."""

    id: int
    type: str
    delta: float
    after: float
    item_id: int
    item_name: str
    location_id: int
    location_name: str
    to_location_name: str
    when: datetime
    who: str
    note: str
    undone: bool

    @property
    def sign(self) -> str:
        """`+1`, `−2`, `= 264` or `→ 2`, in the language of the page."""
        if self.type == "set":
            return f"= {quantity(self.after)}"
        if self.type == "move":
            return f"→ {quantity(abs(self.delta))}"
        return signed(self.delta)

    @property
    def title(self) -> str | Text:
        """Where it was."""
        if self.to_location_name:
            return f"{self.location_name} → {self.to_location_name}"
        return _("%(place)s, undo", place=self.location_name) if self.type == "undo" else self.location_name

    @property
    def can_be_undone(self) -> bool:
        return not self.undone and self.type != "undo"


async def describe(read: Connection, events: Sequence[StockEvent]) -> list[Line]:
    """The lines of these events, in the same order."""
    users = await get_users(read, {each.user_id for each in events if each.user_id is not None})
    names = await get_location_names(read, {each.location_id for each in events})
    items = await get_items(read, {each.item_id for each in events})
    transfers: dict[int, list[StockEvent]] = {}
    for each in events:
        if each.transfer_id is not None:
            transfers.setdefault(each.transfer_id, []).append(each)
    lines = []
    for event in events:
        sides = sorted(transfers.pop(event.transfer_id, []), key=lambda side: side.id) if event.transfer_id else [event]
        if not sides:
            continue
        first = sides[0]
        # Of a move of several lots, all of them; of a merge, what went from the one item to the other.
        taken = [side for side in sides if (side.item_id, side.location_id) == (first.item_id, first.location_id)]
        elsewhere = next((side.location_id for side in sides if side.location_id != first.location_id), None)
        user = users.get(first.user_id) if first.user_id is not None else None
        lines.append(
            Line(
                id=first.id,
                type=first.type,
                delta=round(sum(side.delta for side in taken), 3),
                after=first.quantity_after,
                item_id=first.item_id,
                item_name=items[first.item_id].name if first.item_id in items else "",
                location_id=first.location_id,
                location_name=names.get(first.location_id, ""),
                to_location_name="" if elsewhere is None else names.get(elsewhere, ""),
                when=first.occurred_at,
                who=user.username if user else first.scanner_id or "",
                note=first.note or "",
                undone=first.reversed_by_id is not None,
            )
        )
    return lines
