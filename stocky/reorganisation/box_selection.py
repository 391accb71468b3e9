"""Which boxes to keep: as few as hold everything, and of those the ones that least has to be carried to."""

from __future__ import annotations

from msgspec import Struct


class Candidate(Struct, frozen=True):
    """A box with something in it: how many places it has, how many items are best off or at least could stay there.

    One that holds what cannot be moved is pinned.
    """

    box_no: int
    capacity: int
    suits: int
    stays: int
    is_pinned: bool


def boxes_to_keep(candidates: list[Candidate], wanted: int) -> set[int]:
    """The numbers of the boxes to keep so that `wanted` items have a place each; all where they have not anyway.

    One fewer would never do. That is why a plan that was carried out leaves nothing to propose: no kept box can go.
    """
    kept = [each for each in candidates if each.is_pinned]
    others = sorted((each for each in candidates if not each.is_pinned), key=lambda each: (-each.capacity, each.box_no))
    missing = wanted - sum(each.capacity for each in kept)
    count, capacity = 0, 0
    while capacity < missing:
        if count == len(others):
            return {each.box_no for each in candidates}
        capacity += others[count].capacity
        count += 1
    by_worth = sorted(others, key=lambda each: (-each.suits, -each.stays, -each.capacity, each.box_no))
    for left in range(count - 1, -1, -1):
        # The largest `left` of the others have to make up for what the next one cannot hold.
        largest = {each.box_no for each in others[:left]}
        spare = others[left].capacity if left < len(others) else 0
        held = sum(each.capacity for each in others[:left])
        for each in by_worth:
            rest = held - each.capacity + spare if each.box_no in largest else held
            if each.capacity + rest >= missing:
                break
        kept.append(each)
        missing -= each.capacity
        others.remove(each)
        by_worth.remove(each)
    return {each.box_no for each in kept}
