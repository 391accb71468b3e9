"""Checks a plan against the current stock, as a pure function: the quantities to move, or the change that forbids it.

A changed quantity is no obstacle: all of the lot is moved. A lot without stock is skipped.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

import msgspec

from stocky.errors import Conflict
from stocky.quantity import quantity_text
from stocky.reorganisation.planning import reason_against
from stocky.reorganisation.repository import CurrentStock, MoveRow
from stocky.stock.models import LotKey


class LotMove(msgspec.Struct, frozen=True):
    """A move with the current quantity in thousandths, and the notes of its SKU."""

    move: MoveRow
    quantity_milli: int
    notes: str


class _Held(msgspec.Struct):
    quantity_milli: int
    unit: str
    notes: str


def lots_to_move(moves: list[MoveRow], current: CurrentStock) -> list[LotMove]:
    """The lots to move that have stock, in order. Raises Conflict naming the change that forbids it."""
    held: dict[tuple[int, int], dict[LotKey, _Held]] = defaultdict(dict)
    for sku in current.skus:
        held[sku.item_id, sku.location_id][sku.key] = _Held(sku.quantity_milli, sku.unit, sku.notes)
    occupants: dict[int, dict[int, str]] = defaultdict(dict)
    for each in current.occupants:
        occupants[each.location_id][each.item_id] = each.name
    found: list[LotMove] = []
    for _, rows in groupby(moves, key=lambda row: row.step):
        same_step = list(rows)
        first = same_step[0]
        here = held[first.item_id, first.from_location_id]
        if not any(lot.quantity_milli for lot in here.values()):
            continue
        _check_location(first, current, occupants[first.to_location_id])
        _check_lots(same_step, here)
        there = held[first.item_id, first.to_location_id]
        for row in same_step:
            lot = here.get(row.key)
            if lot is None or not lot.quantity_milli:
                continue
            found.append(LotMove(row, lot.quantity_milli, lot.notes))
            target = there.setdefault(row.key, _Held(0, lot.unit, lot.notes))
            if target.unit != lot.unit:
                raise _changed(f"{row.name} is counted in {target.unit} in {row.to_name}, not in {lot.unit}")
            target.quantity_milli += lot.quantity_milli
            lot.quantity_milli = 0
        occupants[first.to_location_id][first.item_id] = first.name
        occupants[first.from_location_id].pop(first.item_id, None)
    return found


def _check_location(row: MoveRow, current: CurrentStock, occupants: dict[int, str]) -> None:
    here, there = current.spots.get(row.from_location_id), current.spots.get(row.to_location_id)
    if there is None or here is None:
        raise _changed(f"{row.to_name if there is None else row.from_name} is no longer in use")
    if reason := reason_against(current.things[row.item_id], here, there, occupants):
        others = ", ".join(name for item_id, name in occupants.items() if item_id != row.item_id)
        raise _changed(f"{reason}: {others}" if others and there.storage_type is here.storage_type else reason)


def _check_lots(rows: list[MoveRow], here: dict[LotKey, _Held]) -> None:
    planned = {row.key: row for row in rows}
    first = rows[0]
    for key, lot in here.items():
        name = f"{first.name}{key.describe()}"
        quantity = quantity_text(lot.quantity_milli)
        if lot.quantity_milli < 0:
            raise _changed(f"there are {quantity} of {name} in {first.from_name}; count them first")
        if lot.quantity_milli and key not in planned:
            raise _changed(f"{quantity} of {name} were added to {first.from_name}")
        if lot.quantity_milli and lot.unit != planned[key].unit:
            raise _changed(f"{first.name} in {first.from_name} is now counted in {lot.unit}")


def _changed(change: str) -> Conflict:
    return Conflict(f"The stock has changed since the plan was made: {change}. Nothing was moved; create a new plan")
