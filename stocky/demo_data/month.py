"""Four weeks of a household with a workbench, as postings for the recorder: the same with the same seed, time aside.

What is taken was there, so no event is refused; `Month` keeps the quantities that the ledger will have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import NamedTuple
from uuid import UUID

from stocky.barcodes.reading import read_plain
from stocky.demo_data.things import BENCH, KITCHEN, Thing
from stocky.schema import StorageType
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.fingerprints import fingerprint
from stocky.stock.operations import ItemKey, Kind, LocationKey, Operation, Posting

DAYS = 28
# As many events as a request to /events may hold.
POSTING_EVENTS = 1_000
_COLD = (StorageType.REFRIGERATOR, StorageType.FREEZER)


class Kept(NamedTuple):
    """A thing that is an item now: its id, and the ids of where it belongs and where it is put down first."""

    thing: Thing
    item_id: int
    home_id: int
    landing_id: int


class People(NamedTuple):
    """Whose events they are: ids of the user of the pages and of the one of the scanners."""

    member_id: int
    scanner_id: int


class _Session(NamedTuple):
    """Something that happens every week: on `days` (0 is Monday) at `hour`, for `minutes`; `weight` is its share."""

    days: tuple[int, ...]
    hour: float
    minutes: int
    weight: int
    is_for_bench: bool
    scanner: str | None
    act: Callable[[Month, list[Kept], str | None], Operation]


class Month:
    """The events of four whole weeks that end on the last Sunday before `today`."""

    def __init__(self, kept: list[Kept], people: People, events: int, today: datetime, random: Random) -> None:
        self._kept = kept
        self._people = people
        self._events = events
        self._random = random
        self._first_day = today.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
            days=DAYS + today.weekday()
        )
        self._moment = self._first_day
        self._there: dict[tuple[int, int], int] = {}
        # What waits to be put away, by item: in the kitchen, and on the bench.
        self._put_down: dict[bool, dict[int, Kept]] = {False: {}, True: {}}
        # What was taken last and could turn out to be a mistake: its row in the ledger, and where it came from.
        self._regretted: tuple[int, tuple[int, int], int] | None = None

    def postings(self) -> Iterator[Posting]:
        """Postings to be recorded one after the other; each is asked for after the one before was recorded."""
        opening = self._kept[: self._events]
        each = iter(opening)
        yield from self._session(len(opening), -5.0, 150, lambda: self._open(next(each)))
        sessions = sorted(
            (day + 7 * week, session.hour, number)
            for number, session in enumerate(_WEEK)
            for week in range(DAYS // 7)
            for day in session.days
        )
        shares = self._shares(sessions, self._events - len(opening))
        for (day, hour, number), count in zip(sessions, shares, strict=True):
            session = _WEEK[number]
            act = partial(session.act, self, self._concerned(session), session.scanner)
            yield from self._session(count, day * 24 + hour, session.minutes, act)

    def _concerned(self, session: _Session) -> list[Kept]:
        """What a session is about. Things with lots are not counted by the item."""
        kept = [each for each in self._kept if each.thing.is_for_bench is session.is_for_bench]
        if session.act is Month._count:
            kept = [each for each in kept if not each.thing.shelf_days]
        return kept or self._kept

    def _shares(self, sessions: list[tuple[int, float, int]], events: int) -> list[int]:
        """How many events each session has; together `events`."""
        weights = [_WEEK[number].weight for _, _, number in sessions]
        total, done, shares = sum(weights), 0, []
        for index in range(len(weights)):
            until = events * sum(weights[: index + 1]) // total
            shares.append(until - done)
            done = until
        return shares

    def _session(self, count: int, hour: float, minutes: int, act: Callable[[], Operation]) -> Iterator[Posting]:
        begin = self._first_day + timedelta(hours=hour)
        operations: list[Operation] = []
        batch_id = new_batch_id()
        for index in range(count):
            self._moment = begin + timedelta(minutes=minutes) * (index / count)
            regretted = index == 0 and self._regretted is not None and self._random.random() < 0.2
            operations.append(self._undo() if regretted else act())
            if len(operations) == POSTING_EVENTS or index == count - 1:
                posting = Posting(operations, batch_id=batch_id)
                yield posting
                self._regretted = self._last_taken(posting)
                operations = []

    def _last_taken(self, posting: Posting) -> tuple[int, tuple[int, int], int] | None:
        operation, outcome = posting.operations[-1], posting.outcomes[-1]
        if operation.kind != "remove" or operation.item is None or operation.location is None or not outcome.ledger_id:
            return None
        at = (operation.item.id or 0, operation.location.id or 0)
        return outcome.ledger_id, at, operation.quantity_milli

    # --- what can happen: each is one operation ----------------------------------------------------------

    def _open(self, kept: Kept) -> Operation:
        """What was there when the counting began."""
        milli = self._some(kept.thing.unit, kept.thing.buy)
        self._there[kept.item_id, kept.home_id] = milli
        return self._operation("add", kept, kept.home_id, milli, None, lot=True, note="opening stock")

    def _use(self, kept: list[Kept], scanner: str | None) -> Operation:
        """Something that is there is taken; when nothing is found, it is bought."""
        for _ in range(20):
            one = self._random.choice(kept)
            for place_id in (one.home_id, one.landing_id):
                there = self._there.get((one.item_id, place_id), 0)
                if there > 0:
                    milli = min(there, self._some(one.thing.unit, one.thing.use))
                    self._there[one.item_id, place_id] = there - milli
                    return self._operation("remove", one, place_id, milli, scanner)
        return self._buy(kept, scanner)

    def _buy(self, kept: list[Kept], scanner: str | None) -> Operation:
        """Of three things the one that is shortest, by the pack where there are packs."""
        one = min(self._random.sample(kept, min(3, len(kept))), key=self._left)
        place_id = one.landing_id if self._random.random() < 0.4 else one.home_id
        if one.thing.pack:
            milli = one.thing.pack * 1000
            operation = self._operation("add", one, place_id, 1000, scanner, lot=True)
            operation.item = ItemKey(scanned=read_plain(one.thing.pack_barcode))
            operation.in_packs = True
        else:
            milli = self._some(one.thing.unit, one.thing.buy)
            operation = self._operation("add", one, place_id, milli, scanner, lot=True)
        self._there[one.item_id, place_id] = self._there.get((one.item_id, place_id), 0) + milli
        if place_id != one.home_id:
            self._put_down[one.thing.is_for_bench][one.item_id] = one
        return operation

    def _put_away(self, kept: list[Kept], scanner: str | None) -> Operation:
        """What lies about goes where it belongs."""
        waiting = self._put_down[kept[0].thing.is_for_bench]
        while waiting:
            one = waiting.pop(next(iter(waiting)))
            milli = self._there.pop((one.item_id, one.landing_id), 0)
            if milli:
                self._there[one.item_id, one.home_id] = self._there.get((one.item_id, one.home_id), 0) + milli
                operation = self._operation("move", one, one.landing_id, milli, scanner)
                operation.to_location = LocationKey(id=one.home_id)
                return operation
        return self._use(kept, scanner)

    def _count(self, kept: list[Kept], scanner: str | None) -> Operation:
        """A look into a drawer; now and then a little is missing."""
        one = self._random.choice(kept)
        if one.thing.shelf_days:
            return self._use(kept, scanner)
        there = self._there.get((one.item_id, one.home_id), 0)
        if self._random.random() < 0.3:
            there -= min(there, self._some(one.thing.unit, one.thing.use))
        self._there[one.item_id, one.home_id] = there
        return self._operation("set", one, one.home_id, there, scanner, note="counted")

    def _undo(self) -> Operation:
        assert self._regretted is not None
        event, at, milli = self._regretted
        self._there[at] = self._there.get(at, 0) + milli
        return Operation(
            kind="undo",
            undo_event=event,
            occurred_at=self._moment,
            user_id=self._people.member_id,
            note="scanned by mistake",
        )

    def _operation(
        self,
        kind: Kind,
        kept: Kept,
        place_id: int,
        milli: int,
        scanner: str | None,
        *,
        lot: bool = False,
        note: str | None = None,
    ) -> Operation:
        operation = Operation(
            kind=kind,
            item=ItemKey(id=kept.item_id),
            location=LocationKey(id=place_id),
            quantity_milli=milli,
            occurred_at=self._moment,
            user_id=self._people.scanner_id if scanner else self._people.member_id,
            scanner_id=scanner,
            note=note,
            unit=kept.thing.unit,
        )
        if lot and kept.thing.shelf_days:
            fresh = self._random.choice((0.6, 1.0))
            operation.lot = (self._moment + timedelta(days=max(2, kept.thing.shelf_days * fresh))).date()
        if scanner:
            operation.event_id = self._event_id()
            operation.fingerprint = fingerprint((operation.event_id, kind, kept.item_id, place_id, milli))
        return operation

    def _event_id(self) -> str:
        """A UUID of version 7, as a scanner would make it at that moment."""
        milliseconds = int(self._moment.timestamp() * 1000)
        chance = self._random.getrandbits
        return str(UUID(int=milliseconds << 80 | 7 << 76 | chance(12) << 64 | 2 << 62 | chance(62)))

    def _some(self, unit: str, usual: float) -> int:
        """About as much as usual, in thousandths: whole pieces, or so many grams."""
        if unit == "piece":
            return 1000 * max(1, round(usual * self._random.choice((0.5, 1, 1, 1, 2))))
        return max(5, round(usual * 1000 * self._random.uniform(0.6, 1.4) / 5) * 5)

    def _left(self, kept: Kept) -> float:
        there = self._there.get((kept.item_id, kept.home_id), 0) + self._there.get((kept.item_id, kept.landing_id), 0)
        return there / kept.thing.buy


def landing_of(thing: Thing, storage_type: StorageType) -> str:
    """Where a thing is put down when it comes into the house."""
    if storage_type in _COLD:
        return thing.place
    return BENCH if thing.is_for_bench else KITCHEN


_EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
# Apart in time, so that the ledger tells them in the order they happened.
_WEEK = [
    _Session(_EVERY_DAY, 7.0, 25, 3, False, "kitchen", Month._use),
    _Session((0, 1, 2, 3, 4, 6), 18.5, 50, 8, False, "kitchen", Month._use),
    _Session((5,), 19.0, 90, 14, False, "kitchen", Month._use),
    _Session((2,), 17.25, 20, 8, False, "shopping-bag", Month._buy),
    _Session((5,), 10.5, 40, 30, False, "shopping-bag", Month._buy),
    _Session((5,), 11.25, 30, 10, False, "cellar", Month._put_away),
    _Session((1,), 16.0, 15, 12, True, "workbench", Month._buy),
    _Session((3,), 20.0, 90, 6, True, "workbench", Month._use),
    _Session((5, 6), 14.0, 180, 16, True, "workbench", Month._use),
    _Session((6,), 17.25, 20, 6, True, "workbench", Month._put_away),
    _Session((6,), 20.0, 30, 4, False, None, Month._count),
    _Session((6,), 20.75, 30, 4, True, None, Month._count),
]
