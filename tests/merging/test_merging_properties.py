"""Whatever is merged, undone and booked in between, every item holds what a plain model says it holds."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from datetime import date
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stocky.config import Config
from stocky.db import make_database
from stocky.errors import Conflict, Invalid
from stocky.merging.repository import merge_items, undo_merge
from stocky.quantity import from_milli, to_milli
from tests.stock.stockroom import SOMEONE, Stockroom, event, leave

# The last one may hold less than nothing.
POLICIES = ["reject", "reject", "clamp", "allow"]
LOTS = [None, date(2026, 6, 1)]
which = st.integers(0, len(POLICIES) - 1)


class MergingMachine(RuleBasedStateMachine):
    """`levels` is what each item holds by lot, `into` where its name leads, `brought` what each open merge moved."""

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
        self.place = self.run(self.stockroom.place())
        self.levels: list[Counter[date | None]] = [Counter() for _ in POLICIES]
        self.target: dict[int, int] = {}
        self.brought: dict[int, Counter[date | None]] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def root(self, item: int) -> int:
        while item in self.target:
            item = self.target[item]
        return item

    @rule(item=which, by_barcode=st.booleans(), lot=st.sampled_from(LOTS), milli=st.sampled_from([1, 500, 3000]))
    def add(self, item: int, by_barcode: bool, lot: date | None, milli: int) -> None:
        name = self.barcodes[item] if by_barcode else self.items[item]
        assert (
            self.run(self.stockroom.one(event("add", name, self.place, from_milli(milli), lot=lot))).status == "applied"
        )
        self.levels[self.root(item)][lot] += milli

    @rule(item=which, lot=st.sampled_from(LOTS[1:]), milli=st.sampled_from([1, 500, 3000]))
    def remove(self, item: int, lot: date, milli: int) -> None:
        result = self.run(self.stockroom.one(event("remove", self.items[item], self.place, from_milli(milli), lot=lot)))
        root = self.root(item)
        there = self.levels[root][lot]
        taken = {"reject": milli if milli <= there else 0, "clamp": max(min(milli, there), 0), "allow": milli}
        assert (result.status == "applied") == (taken[POLICIES[root]] > 0), result
        self.levels[root][lot] -= taken[POLICIES[root]]

    @rule(source=which, into=which)
    def merge(self, source: int, into: int) -> None:
        merged = self.run(self._in_transaction(merge_items, self.items[source], self.items[into]))
        if source == into or into in self.target or source in self.target:
            # Asked for again, it is answered and nothing changes.
            assert merged == (source != into and self.root(source) == into and into not in self.target)
            return
        assert merged
        self.target[source] = into
        self.brought[source] = Counter({lot: milli for lot, milli in self.levels[source].items() if milli})
        for lot, milli in self.brought[source].items():
            self.levels[into][lot] += milli
        self.levels[source] = Counter()

    @rule(source=which)
    def undo(self, source: int) -> None:
        undone = self.run(self._in_transaction(undo_merge, self.items[source]))
        target = self.target.get(source)
        # Lot by lot, what it brought may be given back unless the item would end with too little.
        possible = (
            target is not None
            and target not in self.target
            and all(
                self.levels[target][lot] - milli >= 0 or milli < 0 or POLICIES[target] == "allow"
                for lot, milli in self.brought[source].items()
            )
            and all(milli > 0 or POLICIES[source] == "allow" for milli in self.brought[source].values())
        )
        assert undone == possible
        if possible and target is not None:
            del self.target[source]
            for lot, milli in self.brought.pop(source).items():
                self.levels[target][lot] -= milli
                self.levels[source][lot] += milli

    @invariant()
    def every_item_holds_what_the_model_says(self) -> None:
        for item, expected in zip(self.items, self.levels, strict=True):
            held = {lot: to_milli(quantity) for (_, lot), quantity in self.run(self.stockroom.lots(item)).items()}
            assert {lot: milli for lot, milli in held.items() if milli} == {
                lot: milli for lot, milli in expected.items() if milli
            }

    async def _in_transaction(self, function: Any, *items: int) -> bool:
        """Whether it was done."""
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
            max_examples=int(os.environ.get("LEDGER_EXAMPLES", "20")),
            stateful_step_count=20,
            deadline=None,
            derandomize="CI" in os.environ,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        try:
            run_state_machine_as_test(MergingMachine, settings=bounds)
            runner.run(stockroom.prove())
        finally:
            runner.run(leave(stockroom))


async def _start(stockroom: Stockroom) -> None:
    stockroom.recorder.start()
