"""A plan against what there is now, as a pure function: what exactly is carried, or which change since forbids it.

A quantity that has changed forbids nothing: all that lies there is carried. What has gone is not carried at all.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import groupby

import msgspec

from stocky.errors import Conflict
from stocky.quantity import from_milli
from stocky.reorganisation.repository import MoveRow, Present
from stocky.reorganisation.rules import why_not


class Load(msgspec.Struct, frozen=True):
    """A move with the thousandths that are there to move, and what is noted about them."""

    move: MoveRow
    quantity_milli: int
    notes: str


class _Held(msgspec.Struct):
    quantity_milli: int
    unit: str
    notes: str


def loads(moves: list[MoveRow], present: Present) -> list[Load]:
    """What to carry, in order; nothing for a lot that has gone. Raises Conflict naming the change that forbids it."""
    held: dict[tuple[int, int], dict[date | None, _Held]] = defaultdict(dict)
    for level in present.levels:
        held[level.item_id, level.location_id][level.expiry_date] = _Held(level.quantity_milli, level.unit, level.notes)
    lying: dict[int, dict[int, str]] = defaultdict(dict)
    for each in present.lying:
        lying[each.location_id][each.item_id] = each.name
    found: list[Load] = []
    for _, rows in groupby(moves, key=lambda row: row.step):
        together = list(rows)
        first = together[0]
        here = held[first.item_id, first.from_location_id]
        if not any(lot.quantity_milli for lot in here.values()):
            continue
        _check_place(first, present, lying[first.to_location_id])
        _check_lots(together, here)
        there = held[first.item_id, first.to_location_id]
        for row in together:
            lot = here.get(row.expiry_date)
            if lot is None or not lot.quantity_milli:
                continue
            found.append(Load(row, lot.quantity_milli, lot.notes))
            target = there.setdefault(row.expiry_date, _Held(0, lot.unit, lot.notes))
            if target.unit != lot.unit:
                raise _changed(f"{row.name} is counted in {target.unit} in {row.to_name}, not in {lot.unit}")
            target.quantity_milli += lot.quantity_milli
            lot.quantity_milli = 0
        lying[first.to_location_id][first.item_id] = first.name
        lying[first.from_location_id].pop(first.item_id, None)
    return found


def _check_place(row: MoveRow, present: Present, lying_there: dict[int, str]) -> None:
    here, there = present.spots.get(row.from_location_id), present.spots.get(row.to_location_id)
    if there is None or here is None:
        raise _changed(f"{row.to_name if there is None else row.from_name} is no longer in use")
    if refusal := why_not(present.things[row.item_id], here, there, lying_there):
        others = ", ".join(name for item_id, name in lying_there.items() if item_id != row.item_id)
        raise _changed(f"{refusal}: {others}" if others and there.storage_type is here.storage_type else refusal)


def _check_lots(rows: list[MoveRow], here: dict[date | None, _Held]) -> None:
    planned = {row.expiry_date: row for row in rows}
    first = rows[0]
    for expiry_date, lot in here.items():
        expiring = f" expiring {expiry_date}" if expiry_date else ""
        quantity = f"{from_milli(lot.quantity_milli):g}"
        if lot.quantity_milli < 0:
            raise _changed(f"there are {quantity} of {first.name}{expiring} in {first.from_name}; count them first")
        if lot.quantity_milli and expiry_date not in planned:
            raise _changed(f"{quantity} of {first.name}{expiring} have come to {first.from_name}")
        if lot.quantity_milli and lot.unit != planned[expiry_date].unit:
            raise _changed(f"{first.name} in {first.from_name} is counted in {lot.unit} now")


def _changed(change: str) -> Conflict:
    return Conflict(f"The stock has changed since the plan was made: {change}. Nothing was moved; make a new plan")
