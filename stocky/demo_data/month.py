"""Generates four weeks of a household with a workbench as postings; the same seed gives the same events except times.

Only stock that exists is removed, so no event is rejected; `Month` tracks the quantities of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import NamedTuple
from uuid import UUID

from stocky.barcodes.codes import read_plain
from stocky.demo_data.things import BENCH, KITCHEN, Thing
from stocky.schema import StorageType
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.fingerprints import fingerprint
from stocky.stock.operations import ItemKey, Kind, LocationKey, Operation, PaidPrice, Posting

DAYS = 28
# The maximum of events in a request to /events.
POSTING_EVENTS = 1_000
# The `event_id` of the first scan, which examples of the API can name.
FIRST_EVENT_ID = "0190a3c0-7b1e-7c3a-9d54-2f6b8e1a0c11"
_COLD = (StorageType.REFRIGERATOR, StorageType.FREEZER)


class DemoItem(NamedTuple):
    """A thing with its item id, and the ids of its home location and the location where it arrives."""

    thing: Thing
    item_id: int
    home_id: int
    arrival_id: int


class People(NamedTuple):
    """The users of the events: ids of the user of the pages and of the scanners' user."""

    member_id: int
    scanner_id: int


class _Session(NamedTuple):
    """A weekly activity: on `days` (6 is the last, as of a week that ends today) at `hour`, for `minutes`.

    `weight` is its share of the events.
    """

    days: tuple[int, ...]
    hour: float
    minutes: int
    weight: int
    is_for_bench: bool
    scanner: str | None
    act: Callable[[Month, list[DemoItem], str | None], Operation]


class Month:
    """The events of four weeks that end `now`: those of a whole day are in what has passed of the last one."""

    def __init__(self, items: list[DemoItem], people: People, events: int, now: datetime, random: Random) -> None:
        self._items = items
        self._people = people
        self._events = events
        self._random = random
        self._today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        # In whole hours, as the same seed gives the same times within one.
        self._passed = now.hour / 24
        self._first_day = self._today - timedelta(days=DAYS - 1)
        self._moment = self._first_day
        self._stock: dict[tuple[int, int], int] = {}
        self._has_scanned = False
        # The pieces with serial numbers that were bought.
        self._pieces = 0
        # Items to put away, in the kitchen and on the bench.
        self._arrived: dict[bool, dict[int, DemoItem]] = {False: {}, True: {}}
        # The last removal, which may be undone: its ledger id, its item and location, and its quantity.
        self._last_removal: tuple[int, tuple[int, int], int] | None = None

    def postings(self) -> Iterator[Posting]:
        """The postings, to be recorded one by one; each must be recorded before the next is requested."""
        opening = self._items[: self._events]
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
            act = partial(session.act, self, self._items_of(session), session.scanner)
            yield from self._session(count, day * 24 + hour, session.minutes, act)

    def _items_of(self, session: _Session) -> list[DemoItem]:
        """The items of a session. Items with lots are not counted."""
        items = [each for each in self._items if each.thing.is_for_bench is session.is_for_bench]
        if session.act is Month._count:
            items = [each for each in items if not each.thing.has_lots]
        return items or self._items

    def _shares(self, sessions: list[tuple[int, float, int]], events: int) -> list[int]:
        """The number of events of each session; `events` in total."""
        weights = [_WEEK[number].weight for _, _, number in sessions]
        total, done, shares = sum(weights), 0, []
        for index in range(len(weights)):
            until = events * sum(weights[: index + 1]) // total
            shares.append(until - done)
            done = until
        return shares

    def _session(self, count: int, hour: float, minutes: int, act: Callable[[], Operation]) -> Iterator[Posting]:
        begin = self._first_day + timedelta(hours=hour)
        length = timedelta(minutes=minutes)
        if begin >= self._today:
            begin, length = self._today + (begin - self._today) * self._passed, length * self._passed
        operations: list[Operation] = []
        batch_id = new_batch_id()
        for index in range(count):
            self._moment = begin + length * (index / count)
            is_mistake = index == 0 and self._last_removal is not None and self._random.random() < 0.2
            operations.append(self._undo() if is_mistake else act())
            if len(operations) == POSTING_EVENTS or index == count - 1:
                posting = Posting(operations, batch_id=batch_id)
                yield posting
                self._last_removal = self._last_taken(posting)
                operations = []

    def _last_taken(self, posting: Posting) -> tuple[int, tuple[int, int], int] | None:
        operation, outcome = posting.operations[-1], posting.outcomes[-1]
        if operation.kind != "remove" or operation.item is None or operation.location is None or not outcome.ledger_id:
            return None
        at = (operation.item.id or 0, operation.location.id or 0)
        return outcome.ledger_id, at, operation.quantity_milli

    # --- the activities: each returns one operation -------------------------------------------------------

    def _open(self, item: DemoItem) -> Operation:
        """The opening stock."""
        milli = self._bought(item.thing)
        self._stock[item.item_id, item.home_id] = milli
        return self._operation("add", item, item.home_id, milli, None, lot=True, note="opening stock")

    def _use(self, items: list[DemoItem], scanner: str | None) -> Operation:
        """Removes an item in stock; buys one if none is found."""
        for _ in range(20):
            one = self._random.choice(items)
            for location_id in (one.home_id, one.arrival_id):
                stock = self._stock.get((one.item_id, location_id), 0)
                if stock > 0:
                    milli = min(stock, self._some(one.thing.unit, one.thing.use))
                    self._stock[one.item_id, location_id] = stock - milli
                    return self._operation("remove", one, location_id, milli, scanner)
        return self._buy(items, scanner)

    def _buy(self, items: list[DemoItem], scanner: str | None) -> Operation:
        """Buys the item with the lowest stock of three, in packs if it has packs."""
        one = min(self._random.sample(items, min(3, len(items))), key=self._stock_ratio)
        location_id = one.arrival_id if self._random.random() < 0.4 else one.home_id
        if one.thing.pack:
            milli = one.thing.pack * 1000
            operation = self._operation("add", one, location_id, 1000, scanner, lot=True)
            operation.price = self._price(one, one.thing.pack)
            operation.item = ItemKey(scanned=read_plain(one.thing.pack_barcode))
            operation.in_packs = True
        else:
            milli = self._bought(one.thing)
            operation = self._operation("add", one, location_id, milli, scanner, lot=True)
        self._stock[one.item_id, location_id] = self._stock.get((one.item_id, location_id), 0) + milli
        if location_id != one.home_id:
            self._arrived[one.thing.is_for_bench][one.item_id] = one
        return operation

    def _put_away(self, items: list[DemoItem], scanner: str | None) -> Operation:
        """Moves an item from where it arrived to its home location."""
        waiting = self._arrived[items[0].thing.is_for_bench]
        while waiting:
            one = waiting.pop(next(iter(waiting)))
            milli = self._stock.pop((one.item_id, one.arrival_id), 0)
            if milli:
                self._stock[one.item_id, one.home_id] = self._stock.get((one.item_id, one.home_id), 0) + milli
                operation = self._operation("move", one, one.arrival_id, milli, scanner)
                operation.to_location = LocationKey(id=one.home_id)
                return operation
        return self._use(items, scanner)

    def _count(self, items: list[DemoItem], scanner: str | None) -> Operation:
        """Counts an item; sometimes a little is missing."""
        one = self._random.choice(items)
        if one.thing.has_lots:
            return self._use(items, scanner)
        stock = self._stock.get((one.item_id, one.home_id), 0)
        if self._random.random() < 0.3:
            stock -= min(stock, self._some(one.thing.unit, one.thing.use))
        self._stock[one.item_id, one.home_id] = stock
        return self._operation("set", one, one.home_id, stock, scanner, note="counted")

    def _undo(self) -> Operation:
        assert self._last_removal is not None
        event, at, milli = self._last_removal
        self._stock[at] = self._stock.get(at, 0) + milli
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
        item: DemoItem,
        location_id: int,
        milli: int,
        scanner: str | None,
        *,
        lot: bool = False,
        note: str | None = None,
    ) -> Operation:
        operation = Operation(
            kind=kind,
            item=ItemKey(id=item.item_id),
            location=LocationKey(id=location_id),
            quantity_milli=milli,
            occurred_at=self._moment,
            user_id=self._people.scanner_id if scanner else self._people.member_id,
            scanner_id=scanner,
            note=note,
            unit=item.thing.unit,
        )
        if kind == "add":
            operation.price = self._price(item)
        if lot and item.thing.shelf_days:
            fresh = self._random.choice((0.6, 1.0))
            operation.expiry_date = (self._moment + timedelta(days=max(2, item.thing.shelf_days * fresh))).date()
        if lot and item.thing.numbered == "lot":
            # The same for all that is bought in a week.
            operation.lot = f"L{(self._moment - self._first_day).days // 7 + 1:03}"
        if lot and item.thing.numbered == "serial":
            self._pieces += 1
            operation.serial = f"SN-{self._pieces:04}"
        if scanner:
            operation.event_id = self._event_id() if self._has_scanned else FIRST_EVENT_ID
            self._has_scanned = True
            operation.fingerprint = fingerprint((operation.event_id, kind, item.item_id, location_id, milli))
        return operation

    def _price(self, item: DemoItem, pack: int = 1) -> PaidPrice | None:
        """What it costs that week; of every seventh item it is not known."""
        if item.item_id % 7 == 0:
            return None
        cents = 45 + item.item_id * 37 % 460
        cents += cents * (self._moment.isocalendar().week % 4) // 50
        # A hundred grams or millilitres cost as much as a piece of something else.
        micro = cents * (100 if item.thing.unit in ("g", "ml") else 10_000)
        return PaidPrice(micro * pack)

    def _event_id(self) -> str:
        """A UUID of version 7 for that moment, like a scanner's."""
        milliseconds = int(self._moment.timestamp() * 1000)
        chance = self._random.getrandbits
        return str(UUID(int=milliseconds << 80 | 7 << 76 | chance(12) << 64 | 2 << 62 | chance(62)))

    def _bought(self, thing: Thing) -> int:
        """What is bought at once, in thousandths: of numbered pieces one."""
        milli = self._some(thing.unit, thing.buy)
        return 1000 if thing.numbered == "serial" else milli

    def _some(self, unit: str, usual: float) -> int:
        """A quantity near the usual one, in thousandths: whole pieces, or multiples of 5."""
        if unit == "piece":
            return 1000 * max(1, round(usual * self._random.choice((0.5, 1, 1, 1, 2))))
        return max(5, round(usual * 1000 * self._random.uniform(0.6, 1.4) / 5) * 5)

    def _stock_ratio(self, item: DemoItem) -> float:
        stock = self._stock.get((item.item_id, item.home_id), 0) + self._stock.get((item.item_id, item.arrival_id), 0)
        return stock / item.thing.buy


def arrival_location(thing: Thing, storage_type: StorageType) -> str:
    """The location where a thing arrives."""
    if storage_type in _COLD:
        return thing.location
    return BENCH if thing.is_for_bench else KITCHEN


_EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
# Sessions do not overlap, so that the ledger is in chronological order.
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
