"""The steps of a plan while it is made: each is allowed where it stands, and nothing is carried twice for nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from msgspec import Struct


class Step(Struct):
    """All of an item that lies at one place goes to another one, for a reason in words."""

    item_id: int
    here: int
    there: int
    reason: str


def shortened(steps: list[Step], lying: Mapping[int, Collection[int]]) -> list[Step]:
    """The same outcome with what would be carried twice carried once, at its last turn.

    It waits where it is until then, which is right unless something else comes there meanwhile. `lying` are the places
    that each item is at to begin with.
    """
    arrivals: dict[int, list[tuple[int, int]]] = defaultdict(list)
    turns: dict[int, list[tuple[int, Step]]] = defaultdict(list)
    for turn, step in enumerate(steps):
        mine = turns[step.item_id]
        goes_on = step.here in lying[step.item_id]
        for index, (begun, earlier) in enumerate(mine):
            if earlier.there != step.here:
                continue
            if any(begun < when and item_id != step.item_id for when, item_id in arrivals[earlier.here]):
                goes_on = True
            else:
                mine[index] = (turn, Step(step.item_id, earlier.here, step.there, step.reason))
        if goes_on:
            mine.append((turn, step))
        arrivals[step.there].append((turn, step.item_id))
    in_turn = sorted(
        ((turn, step) for mine in turns.values() for turn, step in mine), key=lambda each: (each[0], each[1].here)
    )
    return [step for _, step in in_turn if step.here != step.there]
