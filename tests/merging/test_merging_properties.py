"""After any merges, undos and events, every item holds the stock that a simple model predicts."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stocky.config import Config
from stocky.db import make_database
from stocky.errors import Conflict, Invalid
from stocky.merging.repository import merge_items, undo_merge
from stocky.quantity import from_milli, to_milli
from stocky.stock.schemas import NewEvent
from tests.stock.stockroom import SOMEONE, Stockroom, event, leave

# The last one may hold less than nothing.
POLICIES = ["reject", "reject", "clamp", "allow"]
which = st.integers(0, len(POLICIES) - 1)
quantities = st.sampled_from([1, 500, 3000])


class Spot(NamedTuple):
    """One of two locations, with or without a lot."""

    location: int
    lot: date | None


SPOTS = [Spot(location, lot) for location in (0, 1) for lot in (None, date(2026, 6, 1))]
WITH_LOT = [spot for spot in SPOTS if spot.lot is not None]


@dataclass
class Booked:
    """An event in the ledger: its item and its changes by spot."""

    id: int
    item: int
    changes: dict[Spot, int]
    is_undone: bool = False


class MergingMachine(RuleBasedStateMachine):
    """`stock` is the stock per item and spot, `target` what an item is merged into, `moved` the stock of each merge."""

    runner: asyncio.Runner
    stockroom: Stockroom
    examples = 0

    @initialize()
    def begin(self) -> None:
        MergingMachine.examples += 1
        self.barcodes = [f"{self.examples}-{number}" for number in range(len(POLICIES))]
        self.items = [
            self.run(self.stockroom.item(policy, packs={barcode: 1}))
            for policy, barcode in zip(POLICIES, self.barcodes, strict=True)
        ]
        self.locations = [self.run(self.stockroom.location()) for _ in (0, 1)]
        self.stock: list[Counter[Spot]] = [Counter() for _ in POLICIES]
        self.target: dict[int, int] = {}
        self.moved: dict[int, Counter[Spot]] = {}
        self.events: list[Booked] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def path(self, item: int) -> list[int]:
        """The item and the chain of its merge targets."""
        items = [item]
        while items[-1] in self.target:
            items.append(self.target[items[-1]])
        return items

    @rule(item=which, by_barcode=st.booleans(), spot=st.sampled_from(SPOTS), milli=quantities)
    def add(self, item: int, by_barcode: bool, spot: Spot, milli: int) -> None:
        name = self.barcodes[item] if by_barcode else self.items[item]
        self._book(
            item, event("add", name, self.locations[spot.location], from_milli(milli), lot=spot.lot), {spot: milli}
        )

    @rule(item=which, spot=st.sampled_from(WITH_LOT), milli=quantities)
    def remove(self, item: int, spot: Spot, milli: int) -> None:
        root = self.path(item)[-1]
        there = self.stock[root][spot]
        taken = {"reject": milli if milli <= there else 0, "clamp": max(min(milli, there), 0), "allow": milli}
        removal = event("remove", self.items[item], self.locations[spot.location], from_milli(milli), lot=spot.lot)
        self._book(item, removal, {spot: -taken[POLICIES[root]]} if taken[POLICIES[root]] else {})

    @rule(item=which, spot=st.sampled_from(WITH_LOT), milli=quantities)
    def move(self, item: int, spot: Spot, milli: int) -> None:
        there = spot._replace(location=1 - spot.location)
        is_enough = milli <= self.stock[self.path(item)[-1]][spot]
        moving = event(
            "move",
            self.items[item],
            self.locations[spot.location],
            from_milli(milli),
            lot=spot.lot,
            to=self.locations[there.location],
        )
        self._book(item, moving, {spot: -milli, there: milli} if is_enough else {})

    @rule(data=st.data())
    def undo_event(self, data: st.DataObject) -> None:
        """Undoes an event; for a merged item the change is booked on the final target."""
        if not self.events:
            return
        booked = data.draw(st.sampled_from(self.events))
        path = self.path(booked.item)
        possible = not booked.is_undone and self._may_lose(path[-1], booked.changes)
        assert self.run(self._undone(booked.id)) == possible
        if possible:
            booked.is_undone = True
            self.stock[path[-1]].subtract(booked.changes)
            for merged in path[:-1]:
                self.moved[merged].subtract(booked.changes)

    @rule(source=which, into=which)
    def merge(self, source: int, into: int) -> None:
        merged = self.run(self._in_transaction(merge_items, self.items[source], self.items[into]))
        if source == into or into in self.target or source in self.target:
            # A repeated merge returns the same and changes nothing.
            assert merged == (source != into and self.path(source)[-1] == into)
            return
        assert merged
        self.target[source] = into
        self.moved[source], self.stock[source] = self.stock[source], Counter()
        self.stock[into].update(self.moved[source])

    @rule(source=which)
    def unmerge(self, source: int) -> None:
        undone = self.run(self._in_transaction(undo_merge, self.items[source]))
        target = self.target.get(source)
        # The stock can move back unless one of the two items would have too little.
        possible = (
            target is not None
            and target not in self.target
            and self._may_lose(target, self.moved[source])
            and self._may_lose(source, {spot: -milli for spot, milli in self.moved[source].items()})
        )
        assert undone == possible
        if possible and target is not None:
            del self.target[source]
            brought = self.moved.pop(source)
            self.stock[target].subtract(brought)
            self.stock[source].update(brought)

    @invariant()
    def every_item_holds_what_the_model_says(self) -> None:
        for item, expected in zip(self.items, self.stock, strict=True):
            lots = self.run(self.stockroom.lots(item))
            held = {
                Spot(self.locations.index(location), lot): to_milli(each)
                for (location, lot), each in lots.items()
                if each
            }
            assert held == {spot: milli for spot, milli in expected.items() if milli}

    def _may_lose(self, item: int, changes: Mapping[Spot, int]) -> bool:
        """Whether the policy of the item allows these reductions."""
        return POLICIES[item] == "allow" or all(
            self.stock[item][spot] - milli >= min(0, self.stock[item][spot]) for spot, milli in changes.items()
        )

    def _book(self, item: int, new: NewEvent, changes: dict[Spot, int]) -> None:
        """Posts an event with the expected changes on the final target; it is rejected when there are none."""
        result = self.run(self.stockroom.one(new))
        assert (result.status == "applied") == bool(changes), result
        if changes:
            root = self.path(item)[-1]
            self.stock[root].update(changes)
            self.events.append(Booked(result.id, root, changes))

    async def _undone(self, event_id: int) -> bool:
        """Whether it succeeded."""
        try:
            await self.stockroom.undo(event=event_id)
        except Conflict:
            return False
        return True

    async def _in_transaction(self, function: Any, *items: int) -> bool:
        """Whether it succeeded."""
        try:
            async with self.stockroom.database.transaction() as tx:
                await function(tx, self.stockroom.recorder, *items, SOMEONE)
        except (Conflict, Invalid):
            return False
        return True


def test_every_item_holds_what_the_model_says(config: Config) -> None:
    with asyncio.Runner() as runner:
        stockroom = Stockroom(config, make_database(config))
        runner.run(stockroom.database.open())
        runner.run(_start(stockroom))
        MergingMachine.runner, MergingMachine.stockroom = runner, stockroom
        bounds = settings(
            max_examples=int(os.environ.get("LEDGER_EXAMPLES", "12")),
            stateful_step_count=20,
            deadline=None,
            derandomize="CI" in os.environ,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        try:
            run_state_machine_as_test(MergingMachine, settings=bounds)
            runner.run(stockroom.check())
        finally:
            runner.run(leave(stockroom))


async def _start(stockroom: Stockroom) -> None:
    stockroom.recorder.start()
