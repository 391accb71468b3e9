"""Proposes moves that group like items and empty boxes, as a pure function; an applied proposal leaves nothing to do.

First every item is collected at one of its locations. Then the fewest boxes that hold everything are kept, and the
items of the others move to free locations of the kept ones. Last, items of one kind move to the box with most of it.
The rules for where stock may be put are checked again when a plan is applied.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from msgspec import Struct

from stocky.quantity import quantity_text
from stocky.schema import StorageType
from stocky.stock.models import LotKey

_COLD = {StorageType.FREEZER: 2, StorageType.REFRIGERATOR: 1}


class Spot(Struct, frozen=True, gc=False):
    """An active location; in a box it has `box_no` and `loc_no`."""

    id: int
    name: str
    box_no: int | None
    loc_no: int | None
    storage_type: StorageType


class Thing(Struct, frozen=True, gc=False):
    """An item with its storage type and its kind, such as "type Screws"."""

    id: int
    name: str
    storage_type: StorageType
    kind: str | None = None


class Lot(Struct, frozen=True, gc=False):
    """Stock of one item at one location, of one lot, in thousandths; may be zero or negative."""

    item_id: int
    location_id: int
    expiry_date: date | None
    quantity_milli: int
    unit: str
    lot: str = ""
    serial: str = ""
    opened_on: date | None = None

    @property
    def key(self) -> LotKey:
        return LotKey(self.expiry_date, self.lot, self.serial, self.opened_on)


def is_cold_enough(thing: Thing, spot: Spot) -> bool:
    """Whether the location is cold enough for the item."""
    return _COLD.get(spot.storage_type, 0) >= _COLD.get(thing.storage_type, 0)


def reason_against(thing: Thing, here: Spot, there: Spot, occupants: Collection[int]) -> str | None:
    """The rule against moving an item from `here` to `there`, which has `occupants`; None when it is allowed.

    Items stay in their kind of storage. A location in a box holds one item, unless the item is there already.
    """
    if there.storage_type is not here.storage_type:
        return f"{here.name} is for {here.storage_type.value} storage and {there.name} for {there.storage_type.value}"
    if not is_cold_enough(thing, there):
        return (
            f"{thing.name} needs {thing.storage_type.value} storage, and {there.name} is for {there.storage_type.value}"
        )
    if there.box_no is not None and occupants and thing.id not in occupants:
        return f"another item is in {there.name}"
    return None


class Carried(Struct, frozen=True):
    """One lot of a step, in thousandths."""

    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None
    quantity_milli: int
    unit: str


class Move(Struct, frozen=True):
    """Moves all of an item from one location to another, lot by lot."""

    item_id: int
    from_id: int
    to_id: int
    reason: str
    lots: tuple[Carried, ...]


class Proposal(Struct, frozen=True):
    """Moves in an order in which each is allowed. `has_more` is true when the limit cut off further moves."""

    moves: list[Move]
    freed_boxes: list[int]
    has_more: bool


def propose(spots: Iterable[Spot], things: Iterable[Thing], lots: Iterable[Lot], most: int) -> Proposal:
    """The proposed moves, of at most `most` lots; the same stock gives the same proposal."""
    room = _Room(spots, things, lots)
    steps: list[Step] = []
    for storage_type in StorageType:
        steps += _Storage(room, storage_type).steps()
    return room.proposal(steps, most)


class _Room:
    """All locations, items and stock."""

    def __init__(self, spots: Iterable[Spot], things: Iterable[Thing], lots: Iterable[Lot]) -> None:
        self.spots = {spot.id: spot for spot in spots}
        self.things = {thing.id: thing for thing in things}
        # Lots by item and location; empty lots are left out.
        self.stock: dict[int, dict[int, list[Lot]]] = defaultdict(lambda: defaultdict(list))
        self.units: dict[int, set[str]] = defaultdict(set)
        for lot in lots:
            self.units[lot.item_id].add(lot.unit)
            if lot.quantity_milli and lot.location_id in self.spots:
                self.stock[lot.item_id][lot.location_id].append(lot)
        self.occupants: dict[int, set[int]] = defaultdict(set)
        for item_id, locations in self.stock.items():
            for location in locations:
                self.occupants[location].add(item_id)
        self.box_of = {spot.id: spot.box_no for spot in self.spots.values() if spot.box_no is not None}

    def is_movable(self, item_id: int, location: int) -> bool:
        """False for an item in two units, below zero in this kind of storage, or stored too warm."""
        thing = self.things.get(item_id)
        if thing is None or len(self.units[item_id]) > 1 or not is_cold_enough(thing, self.spots[location]):
            return False
        storage_type = self.spots[location].storage_type
        return all(
            lot.quantity_milli > 0
            for near, lots in self.stock[item_id].items()
            if self.spots[near].storage_type is storage_type
            for lot in lots
        )

    def quantity(self, item_id: int, location: int) -> int:
        return sum(lot.quantity_milli for lot in self.stock[item_id][location])

    def proposal(self, steps: list[Step], most: int) -> Proposal:
        """The steps as moves with their lots, and the boxes that they leave empty."""
        stock = {item_id: dict(locations) for item_id, locations in self.stock.items()}
        occupants = {location: set(items) for location, items in self.occupants.items()}
        moves: list[Move] = []
        remaining = most
        for step in steps:
            lots = sorted(stock[step.item_id].pop(step.here), key=_order)
            remaining -= len(lots)
            if remaining < 0:
                break
            stock[step.item_id][step.there] = [*stock[step.item_id].get(step.there, []), *lots]
            occupants[step.here].remove(step.item_id)
            occupants.setdefault(step.there, set()).add(step.item_id)
            moves.append(Move(step.item_id, step.here, step.there, step.reason, _carried(lots)))
        freed = self._boxes(self.occupants) - self._boxes(occupants)
        return Proposal([self._with_freed_box(move, freed) for move in moves], sorted(freed), remaining < 0)

    def _boxes(self, occupants: Mapping[int, set[int]]) -> set[int]:
        return {self.box_of[location] for location, items in occupants.items() if items and location in self.box_of}

    def _with_freed_box(self, move: Move, freed: set[int]) -> Move:
        box_no = self.box_of.get(move.from_id)
        if box_no not in freed:
            return move
        return Move(move.item_id, move.from_id, move.to_id, f"{move.reason}; box {box_no} becomes empty", move.lots)


class _Storage:
    """The locations of one kind of storage, which no item leaves; `home` is the final location of each item."""

    def __init__(self, room: _Room, storage_type: StorageType) -> None:
        self.room = room
        here = {spot.id for spot in room.spots.values() if spot.storage_type is storage_type}
        # Movable items: the locations of each. Fixed items: by location.
        self.locations: dict[int, list[int]] = {}
        self.fixed: dict[int, set[int]] = defaultdict(set)
        for item_id in sorted(room.stock):
            locations = sorted(location for location in room.stock[item_id] if location in here)
            if locations and room.is_movable(item_id, locations[0]):
                self.locations[item_id] = locations
            for location in locations if item_id not in self.locations else []:
                self.fixed[location].add(item_id)
        # By box: its locations, and the free ones of them; both by number.
        self.slots: dict[int, list[int]] = defaultdict(list)
        for spot in sorted(room.spots.values(), key=lambda spot: (spot.box_no or 0, spot.loc_no or 0, spot.id)):
            if spot.box_no is not None and spot.id in here:
                self.slots[spot.box_no].append(spot.id)
        self.number = {slot: number for slots in self.slots.values() for number, slot in enumerate(slots)}
        self.free = {box_no: list(range(len(slots))) for box_no, slots in self.slots.items()}
        self.home: dict[int, int] = {}
        self.taken: dict[int, set[int]] = defaultdict(set)
        self.kinds: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def steps(self) -> list[Step]:
        first = {item_id: min(locations, key=lambda location: self._rank(item_id, location))
                 for item_id, locations in self.locations.items()}  # fmt: skip
        boxed = [item_id for item_id, location in first.items() if location in self.room.box_of]
        used_boxes = boxes_to_keep(self._candidates(boxed, first), len(boxed) + sum(map(len, self._fixed_in_boxes())))
        for location, items in self.fixed.items():
            for item_id in items:
                self._settle(item_id, location)
        to_move = []
        for item_id, location in first.items():
            if location in self.room.box_of:
                possible = [each for each in self.locations[item_id] if self.room.box_of.get(each) in used_boxes]
                if not possible:
                    to_move.append(item_id)
                    continue
                location = min(possible, key=lambda each: self._rank(item_id, each))
            self._settle(item_id, location)
            self.home[item_id] = location
        steps = [
            Step(item_id, each, location, self._reason_to_collect(item_id, location))
            for item_id, location in self.home.items()
            for each in self.locations[item_id]
            if each != location
        ]
        steps += self._move_in(to_move, used_boxes)
        steps += self._group_by_kind(boxed, used_boxes)
        return shortened(steps, self.locations)

    def _rank(self, item_id: int, location: int) -> tuple[object, ...]:
        """The lowest rank is the best location: of the item alone, with most of it, in the first box."""
        spot = self.room.spots[location]
        return (
            spot.box_no is not None and len(self.room.occupants[location]) > 1,
            -self.room.quantity(item_id, location),
            spot.box_no is None,
            spot.box_no or 0,
            spot.loc_no or 0,
            location,
        )

    def _candidates(self, boxed: list[int], first: Mapping[int, int]) -> list[Candidate]:
        suits: dict[int, int] = defaultdict(int)
        stays: dict[int, int] = defaultdict(int)
        box_of = self.room.box_of
        for item_id in boxed:
            suits[box_of[first[item_id]]] += 1
            for box_no in {
                self.room.box_of[location] for location in self.locations[item_id] if location in self.room.box_of
            }:
                stays[box_no] += 1
        pinned = {box_of[location] for location in self.fixed if location in box_of}
        return [
            Candidate(box_no, len(self.slots[box_no]), suits[box_no], stays[box_no], box_no in pinned)
            for box_no in sorted(stays.keys() | pinned)
        ]

    def _fixed_in_boxes(self) -> list[set[int]]:
        return [items for location, items in self.fixed.items() if location in self.room.box_of]

    def _move_in(self, items: list[int], used_boxes: set[int]) -> list[Step]:
        """Moves items into free locations of the kept boxes, kind by kind."""
        steps = []
        for item_id in sorted(items, key=lambda item_id: (self._kind(item_id) or "", item_id)):
            counts = self.kinds.get(self._kind(item_id) or "", {})
            box_no = min(
                (each for each in used_boxes if self.free[each]), key=lambda each: (-counts.get(each, 0), each)
            )
            slot = self.slots[box_no][self.free[box_no][0]]
            reason = self._reason_of_kind(item_id, box_no) or f"box {box_no} has room for it"
            steps += [Step(item_id, location, slot, reason) for location in self.locations[item_id]]
            self.home[item_id] = slot
            self._settle(item_id, slot)
        return steps

    def _group_by_kind(self, items: list[int], used_boxes: set[int]) -> list[Step]:
        """Moves one item at a time to a box with more of its kind, until no move improves."""
        steps = []
        is_done = False
        while not is_done:
            is_done = True
            for item_id in items:
                here = self.home[item_id]
                counts = self.kinds.get(self._kind(item_id) or "", {})
                mine = self.room.box_of[here]
                # The item itself counts in its box, so an equal number elsewhere becomes one more with it.
                better = [
                    (-others, box_no)
                    for box_no, others in counts.items()
                    if box_no != mine and others >= counts.get(mine, 1) and box_no in used_boxes and self.free[box_no]
                ]
                if better:
                    _, box_no = min(better)
                    slot = self.slots[box_no][self.free[box_no][0]]
                    steps.append(Step(item_id, here, slot, self._reason_of_kind(item_id, box_no) or ""))
                    self._unsettle(item_id, here)
                    self._settle(item_id, slot)
                    self.home[item_id] = slot
                    is_done = False
        return steps

    def _settle(self, item_id: int, location: int) -> None:
        if (box_no := self.room.box_of.get(location)) is not None:
            if not self.taken[location]:
                self.free[box_no].remove(self.number[location])
            self.taken[location].add(item_id)
            if kind := self._kind(item_id):
                self.kinds[kind][box_no] += 1

    def _unsettle(self, item_id: int, location: int) -> None:
        box_no = self.room.box_of[location]
        self.taken[location].remove(item_id)
        if not self.taken[location]:
            insort(self.free[box_no], self.number[location])
        if kind := self._kind(item_id):
            self.kinds[kind][box_no] -= 1

    def _kind(self, item_id: int) -> str | None:
        thing = self.room.things.get(item_id)
        return thing.kind if thing else None

    def _reason_to_collect(self, item_id: int, location: int) -> str:
        quantity = quantity_text(self.room.quantity(item_id, location))
        return f"{quantity} of it are in {self.room.spots[location].name} already"

    def _reason_of_kind(self, item_id: int, box_no: int) -> str | None:
        kind = self._kind(item_id)
        others = self.kinds[kind].get(box_no, 0) if kind else 0
        things = "another thing" if others == 1 else f"{others} other things"
        return f"box {box_no} has {things} of {kind}" if others else None


class Step(Struct):
    """Moves all of an item from one location to another, with a readable reason."""

    item_id: int
    here: int
    there: int
    reason: str


def shortened(steps: list[Step], initial: Mapping[int, Collection[int]]) -> list[Step]:
    """The same outcome, with an item that would be moved twice moved once, at its last step.

    The item stays where it is until then, unless another item arrives there in the meantime. `initial` has the initial
    locations of each item.
    """
    arrivals: dict[int, list[tuple[int, int]]] = defaultdict(list)
    turns: dict[int, list[tuple[int, Step]]] = defaultdict(list)
    for turn, step in enumerate(steps):
        mine = turns[step.item_id]
        is_separate = step.here in initial[step.item_id]
        for index, (begun, earlier) in enumerate(mine):
            if earlier.there != step.here:
                continue
            if any(begun < when and item_id != step.item_id for when, item_id in arrivals[earlier.here]):
                is_separate = True
            else:
                mine[index] = (turn, Step(step.item_id, earlier.here, step.there, step.reason))
        if is_separate:
            mine.append((turn, step))
        arrivals[step.there].append((turn, step.item_id))
    in_turn = sorted(
        ((turn, step) for mine in turns.values() for turn, step in mine), key=lambda each: (each[0], each[1].here)
    )
    return [step for _, step in in_turn if step.here != step.there]


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


def _carried(lots: list[Lot]) -> tuple[Carried, ...]:
    """Combines the stock of each lot."""
    together: dict[LotKey, Carried] = {}
    for lot in lots:
        met = together.get(lot.key)
        quantity = lot.quantity_milli + (met.quantity_milli if met else 0)
        together[lot.key] = Carried(*lot.key, quantity, lot.unit)
    return tuple(together.values())


def _order(lot: Lot) -> tuple[date, str, str, date]:
    return lot.expiry_date or date.max, lot.lot, lot.serial, lot.opened_on or date.max
