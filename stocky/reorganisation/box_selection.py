"""Selects the boxes to keep: the fewest that hold everything, and among those the ones that need the fewest moves."""

from __future__ import annotations

from msgspec import Struct


class Candidate(Struct, frozen=True):
    """A box in use: its number of locations, and the numbers of items that are best or at least could stay there.

    A box with stock that cannot be moved is pinned.
    """

    box_no: int
    capacity: int
    suits: int
    stays: int
    is_pinned: bool


def boxes_to_keep(candidates: list[Candidate], wanted: int) -> set[int]:
    """The numbers of the boxes to keep so that `wanted` items have a location each; all boxes when they do not fit.

    One box fewer would never suffice, so an applied plan leaves nothing to propose: no kept box can be emptied.
    """
    chosen = [each for each in candidates if each.is_pinned]
    others = sorted((each for each in candidates if not each.is_pinned), key=lambda each: (-each.capacity, each.box_no))
    missing = wanted - sum(each.capacity for each in chosen)
    count, capacity = 0, 0
    while capacity < missing:
        if count == len(others):
            return {each.box_no for each in candidates}
        capacity += others[count].capacity
        count += 1
    by_worth = sorted(others, key=lambda each: (-each.suits, -each.stays, -each.capacity, each.box_no))
    for left in range(count - 1, -1, -1):
        # The `left` largest of the others must hold what the next box cannot.
        largest = {each.box_no for each in others[:left]}
        spare = others[left].capacity if left < len(others) else 0
        held = sum(each.capacity for each in others[:left])
        for each in by_worth:
            rest = held - each.capacity + spare if each.box_no in largest else held
            if each.capacity + rest >= missing:
                break
        chosen.append(each)
        missing -= each.capacity
        others.remove(each)
        by_worth.remove(each)
    return {each.box_no for each in chosen}
