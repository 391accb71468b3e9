"""Proposes moves, as a pure function: like comes to like and boxes become empty; when that is done it proposes nothing.

First every item gets one place of those it is at. Then as few boxes are kept as hold everything, and what is in the
others goes to free places of the kept ones. Last, things of one kind come to the box that has most of their kind.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from msgspec import Struct

from stocky.quantity import from_milli
from stocky.reorganisation.box_selection import Candidate, boxes_to_keep
from stocky.reorganisation.rules import Lot, Spot, Thing, is_cold_enough
from stocky.schema import StorageType


class Carried(Struct, frozen=True):
    """One lot of a step, in thousandths."""

    expiry_date: date | None
    quantity_milli: int
    unit: str


class Move(Struct, frozen=True):
    """All that a place has of an item goes to another place, lot by lot."""

    item_id: int
    from_id: int
    to_id: int
    reason: str
    lots: tuple[Carried, ...]


class Proposal(Struct, frozen=True):
    """Moves in an order in which each is allowed. `has_more` says that others were left out, being too many."""

    moves: list[Move]
    freed_boxes: list[int]
    has_more: bool


def propose(spots: Iterable[Spot], things: Iterable[Thing], lots: Iterable[Lot], most: int) -> Proposal:
    """What to move where; the same stock gives the same proposal. At most so many lots are moved."""
    room = _Room(spots, things, lots)
    steps: list[Step] = []
    for storage_type in StorageType:
        steps += _Storage(room, storage_type).steps()
    return room.proposal(steps, most)


class _Room:
    """What there is, whole."""

    def __init__(self, spots: Iterable[Spot], things: Iterable[Thing], lots: Iterable[Lot]) -> None:
        self.spots = {spot.id: spot for spot in spots}
        self.things = {thing.id: thing for thing in things}
        # By item and place, what lies there; nothing is no lot.
        self.stock: dict[int, dict[int, list[Lot]]] = defaultdict(lambda: defaultdict(list))
        self.units: dict[int, set[str]] = defaultdict(set)
        for lot in lots:
            self.units[lot.item_id].add(lot.unit)
            if lot.quantity_milli and lot.location_id in self.spots:
                self.stock[lot.item_id][lot.location_id].append(lot)
        self.lying: dict[int, set[int]] = defaultdict(set)
        for item_id, places in self.stock.items():
            for place in places:
                self.lying[place].add(item_id)
        self.box_of = {spot.id: spot.box_no for spot in self.spots.values() if spot.box_no is not None}

    def is_movable(self, item_id: int, place: int) -> bool:
        """Not what is counted in two units, or below zero anywhere near, or lies where it is too warm for it."""
        thing = self.things.get(item_id)
        if thing is None or len(self.units[item_id]) > 1 or not is_cold_enough(thing, self.spots[place]):
            return False
        storage_type = self.spots[place].storage_type
        return all(
            lot.quantity_milli > 0
            for near, lots in self.stock[item_id].items()
            if self.spots[near].storage_type is storage_type
            for lot in lots
        )

    def quantity(self, item_id: int, place: int) -> int:
        return sum(lot.quantity_milli for lot in self.stock[item_id][place])

    def proposal(self, steps: list[Step], most: int) -> Proposal:
        """The steps as moves with their lots, and the boxes that they leave empty."""
        stock = {item_id: dict(places) for item_id, places in self.stock.items()}
        lying = {place: set(items) for place, items in self.lying.items()}
        moves: list[Move] = []
        room = most
        for step in steps:
            lots = sorted(stock[step.item_id].pop(step.here), key=lambda lot: lot.expiry_date or date.max)
            room -= len(lots)
            if room < 0:
                break
            stock[step.item_id][step.there] = [*stock[step.item_id].get(step.there, []), *lots]
            lying[step.here].remove(step.item_id)
            lying.setdefault(step.there, set()).add(step.item_id)
            moves.append(Move(step.item_id, step.here, step.there, step.reason, _carried(lots)))
        freed = self._boxes(self.lying) - self._boxes(lying)
        return Proposal([self._told(move, freed) for move in moves], sorted(freed), room < 0)

    def _boxes(self, lying: Mapping[int, set[int]]) -> set[int]:
        return {self.box_of[place] for place, items in lying.items() if items and place in self.box_of}

    def _told(self, move: Move, freed: set[int]) -> Move:
        box_no = self.box_of.get(move.from_id)
        if box_no not in freed:
            return move
        return Move(move.item_id, move.from_id, move.to_id, f"{move.reason}; box {box_no} becomes empty", move.lots)


class _Storage:
    """The places of one kind of storage, which nothing leaves; `home` is where each item is to be in the end."""

    def __init__(self, room: _Room, storage_type: StorageType) -> None:
        self.room = room
        here = {spot.id for spot in room.spots.values() if spot.storage_type is storage_type}
        # What may be moved: by item, the places it is at. What may not: by place, the items that stay there.
        self.places: dict[int, list[int]] = {}
        self.fixed: dict[int, set[int]] = defaultdict(set)
        for item_id in sorted(room.stock):
            places = sorted(place for place in room.stock[item_id] if place in here)
            if places and room.is_movable(item_id, places[0]):
                self.places[item_id] = places
            for place in places if item_id not in self.places else []:
                self.fixed[place].add(item_id)
        # By box: its places, and of those the free ones; both by number.
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
        first = {item_id: min(places, key=lambda place: self._rank(item_id, place))
                 for item_id, places in self.places.items()}  # fmt: skip
        boxed = [item_id for item_id, place in first.items() if place in self.room.box_of]
        kept = boxes_to_keep(self._candidates(boxed, first), len(boxed) + sum(map(len, self._fixed_in_boxes())))
        for place, items in self.fixed.items():
            for item_id in items:
                self._settle(item_id, place)
        homeless = []
        for item_id, place in first.items():
            if place in self.room.box_of:
                possible = [each for each in self.places[item_id] if self.room.box_of.get(each) in kept]
                if not possible:
                    homeless.append(item_id)
                    continue
                place = min(possible, key=lambda each: self._rank(item_id, each))
            self._settle(item_id, place)
            self.home[item_id] = place
        steps = [
            Step(item_id, each, place, self._together(item_id, place))
            for item_id, place in self.home.items()
            for each in self.places[item_id]
            if each != place
        ]
        steps += self._moved_in(homeless, kept)
        steps += self._joined(boxed, kept)
        return shortened(steps, self.places)

    def _rank(self, item_id: int, place: int) -> tuple[object, ...]:
        """The lowest is the best place for an item: its own, where most of it is, in the first box."""
        spot = self.room.spots[place]
        return (
            spot.box_no is not None and len(self.room.lying[place]) > 1,
            -self.room.quantity(item_id, place),
            spot.box_no is None,
            spot.box_no or 0,
            spot.loc_no or 0,
            place,
        )

    def _candidates(self, boxed: list[int], first: Mapping[int, int]) -> list[Candidate]:
        suits: dict[int, int] = defaultdict(int)
        stays: dict[int, int] = defaultdict(int)
        for item_id in boxed:
            suits[self.room.box_of[first[item_id]]] += 1
            for box_no in {self.room.box_of[place] for place in self.places[item_id] if place in self.room.box_of}:
                stays[box_no] += 1
        pinned = {self.room.box_of[place] for place in self.fixed if place in self.room.box_of}
        return [
            Candidate(box_no, len(self.slots[box_no]), suits[box_no], stays[box_no], box_no in pinned)
            for box_no in sorted(stays.keys() | pinned)
        ]

    def _fixed_in_boxes(self) -> list[set[int]]:
        return [items for place, items in self.fixed.items() if place in self.room.box_of]

    def _moved_in(self, items: list[int], kept: set[int]) -> list[Step]:
        """Into free places of the kept boxes, kind by kind."""
        steps = []
        for item_id in sorted(items, key=lambda item_id: (self._kind(item_id) or "", item_id)):
            counts = self.kinds.get(self._kind(item_id) or "", {})
            box_no = min((each for each in kept if self.free[each]), key=lambda each: (-counts.get(each, 0), each))
            slot = self.slots[box_no][self.free[box_no][0]]
            reason = self._company(item_id, box_no) or f"box {box_no} has room for it"
            steps += [Step(item_id, place, slot, reason) for place in self.places[item_id]]
            self.home[item_id] = slot
            self._settle(item_id, slot)
        return steps

    def _joined(self, items: list[int], kept: set[int]) -> list[Step]:
        """One thing after the other comes to where more of its kind is, until none would."""
        steps = []
        is_done = False
        while not is_done:
            is_done = True
            for item_id in items:
                here = self.home[item_id]
                counts = self.kinds.get(self._kind(item_id) or "", {})
                mine = self.room.box_of[here]
                # It counts where it is, so that as many elsewhere are one more when it has come.
                better = [
                    (-others, box_no)
                    for box_no, others in counts.items()
                    if box_no != mine and others >= counts.get(mine, 1) and box_no in kept and self.free[box_no]
                ]
                if better:
                    _, box_no = min(better)
                    slot = self.slots[box_no][self.free[box_no][0]]
                    steps.append(Step(item_id, here, slot, self._company(item_id, box_no) or ""))
                    self._unsettle(item_id, here)
                    self._settle(item_id, slot)
                    self.home[item_id] = slot
                    is_done = False
        return steps

    def _settle(self, item_id: int, place: int) -> None:
        if (box_no := self.room.box_of.get(place)) is not None:
            if not self.taken[place]:
                self.free[box_no].remove(self.number[place])
            self.taken[place].add(item_id)
            if kind := self._kind(item_id):
                self.kinds[kind][box_no] += 1

    def _unsettle(self, item_id: int, place: int) -> None:
        box_no = self.room.box_of[place]
        self.taken[place].remove(item_id)
        if not self.taken[place]:
            insort(self.free[box_no], self.number[place])
        if kind := self._kind(item_id):
            self.kinds[kind][box_no] -= 1

    def _kind(self, item_id: int) -> str | None:
        thing = self.room.things.get(item_id)
        return thing.kind if thing else None

    def _together(self, item_id: int, place: int) -> str:
        quantity = from_milli(self.room.quantity(item_id, place))
        return f"{quantity:g} of it are in {self.room.spots[place].name} already"

    def _company(self, item_id: int, box_no: int) -> str | None:
        kind = self._kind(item_id)
        others = self.kinds[kind].get(box_no, 0) if kind else 0
        things = "another thing" if others == 1 else f"{others} other things"
        return f"box {box_no} has {things} of {kind}" if others else None


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


def _carried(lots: list[Lot]) -> tuple[Carried, ...]:
    """Lots that met on the way are one."""
    together: dict[date | None, Carried] = {}
    for lot in lots:
        met = together.get(lot.expiry_date)
        quantity = lot.quantity_milli + (met.quantity_milli if met else 0)
        together[lot.expiry_date] = Carried(lot.expiry_date, quantity, lot.unit)
    return tuple(together.values())
