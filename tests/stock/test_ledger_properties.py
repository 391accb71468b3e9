"""For random requests in random order and batches, the ledger equals a plain model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from datetime import date
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stocky.catalogue.repository import get_item
from stocky.config import Config
from stocky.db import make_database
from stocky.errors import Conflict, NotFound
from stocky.quantity import from_milli, to_milli
from stocky.stock.schemas import EventResults, StockEvent
from tests.stock.model import Answer, Key, Model, Row, Sent
from tests.stock.stockroom import Stockroom, event, leave

POLICIES = ["reject", "clamp", "allow"]
LOCATIONS = 2
LOTS = [None, date(2026, 6, 1), date(2026, 9, 1)]

# Few items, locations, lots and event_ids, so that they collide.
events = st.builds(
    Sent,
    type=st.sampled_from(["add", "add", "remove", "remove", "move", "set"]),
    item=st.integers(0, len(POLICIES) - 1),
    location=st.integers(0, LOCATIONS - 1),
    milli=st.sampled_from([1, 250, 1000, 1001, 3000, 1_000_000]),
    lot=st.sampled_from([None, *LOTS]),
    to=st.integers(0, LOCATIONS - 1),
    event_id=st.none() | st.integers(0, 30).map(str),
    unit=st.sampled_from([None, None, None, "kg", "g", "g", "mg", "piece"]),
)
requests = st.tuples(st.lists(events, min_size=1, max_size=5), st.booleans())


class LedgerMachine(RuleBasedStateMachine):
    """Each example has its own items and locations in one database."""

    runner: asyncio.Runner
    stockroom: Stockroom
    examples = 0

    @initialize()
    def begin(self) -> None:
        LedgerMachine.examples += 1
        self.model = Model(dict(enumerate(POLICIES)))
        self.items = [self.run(self.stockroom.item(policy)) for policy in POLICIES]
        self.locations = [self.run(self.stockroom.location()) for _ in range(LOCATIONS)]
        self.sent: list[Sent] = []
        # The ledger's ids for the model's changes.
        self.event_of_change: dict[int, int] = {}
        self.batch_ids: list[str] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @rule(together=st.lists(requests, min_size=1, max_size=4))
    def post(self, together: list[tuple[list[Sent], bool]]) -> None:
        """Requests that arrive at the same moment share a transaction."""
        answers = self.run(self._all(*(self._request(*each) for each in together)))
        for (events, atomic), answer in zip(together, answers, strict=True):
            self._compare(events, answer, atomic=atomic)

    @rule(data=st.data(), atomic=st.booleans())
    def resend(self, data: st.DataObject, atomic: bool) -> None:
        """A scanner repeats unanswered events in another order."""
        if self.sent:
            again = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=8))
            self._compare(again, self.run(self._request(again, atomic)), atomic=atomic)

    @rule(data=st.data(), company=requests)
    def undo_event(self, data: st.DataObject, company: tuple[list[Sent], bool]) -> None:
        if self.event_of_change:
            change = data.draw(st.sampled_from(sorted(self.event_of_change)))
            undoing = self._undoing(event=self.event_of_change[change])
            answer, undone = self.run(self._all(self._request(*company), undoing))
            self._compare(company[0], answer, atomic=company[1])
            self._compare_undone(undone, self.model.of_change(change))

    @rule(data=st.data(), twice=st.booleans())
    def undo_batch(self, data: st.DataObject, twice: bool) -> None:
        if self.batch_ids:
            batch = data.draw(st.integers(0, len(self.batch_ids) - 1))
            undoings = [self._undoing(batch=self.batch_ids[batch]) for _ in range(1 + twice)]
            for undone in self.run(self._all(*undoings)):
                self._compare_undone(undone, self.model.of_batch(batch))

    @invariant()
    def quantities_and_rows_are_those_of_the_model(self) -> None:
        levels: dict[Key, int] = {}
        for number, item in enumerate(self.items):
            for (location, lot), quantity in self.run(self.stockroom.lots(item)).items():
                levels[Key(number, self.locations.index(location), lot)] = to_milli(quantity)
            history = [self._shown(row) for row in self.run(self.stockroom.history(item))]
            assert history == [self._expected(row) for row in self.model.rows if row.key.item == number]
            assert to_milli(self.run(self._total(item))) == self.model.total(number)
        assert levels == self.model.levels

    async def _total(self, item: int) -> float:
        async with self.stockroom.database.read() as read:
            return (await get_item(read, item)).total_quantity

    async def _all(self, *works: Coroutine[Any, Any, Any]) -> list[Any]:
        return await asyncio.gather(*works)

    async def _request(self, events: list[Sent], atomic: bool) -> EventResults | None:
        try:
            return await self.stockroom.post(*(self._event(each) for each in events), atomic=atomic)
        except Conflict:
            assert atomic
            return None

    async def _undoing(self, **what: Any) -> list[StockEvent] | None:
        try:
            return await self.stockroom.undo(**what)
        except (Conflict, NotFound):
            # A batch without applied events does not exist.
            return None

    def _event(self, sent: Sent) -> Any:
        return event(
            sent.type,
            self.items[sent.item],
            self.locations[sent.location],
            from_milli(sent.milli),
            None if sent.event_id is None else f"{self.examples}-{sent.event_id}",
            lot=sent.lot,
            to=None if sent.to is None else self.locations[sent.to],
            unit=sent.unit,
        )

    def _compare(self, events: list[Sent], answer: EventResults | None, *, atomic: bool) -> None:
        changes = self.model.changes
        expected = self.model.post(events, len(self.batch_ids), atomic=atomic)
        if answer is None or expected is None:
            assert answer is expected is None
            return
        assert [
            Answer(one.status, None if one.quantity_after is None else to_milli(one.quantity_after))
            for one in answer.results
        ] == expected
        self.batch_ids.append(answer.batch_id)
        self.sent += events
        applied = [one.id for one in answer.results if one.status == "applied"]
        made = dict.fromkeys(row.change for row in self.model.rows if row.change > changes)
        self.event_of_change.update((change, id) for change, id in zip(made, applied, strict=True) if id is not None)

    def _compare_undone(self, undone: list[StockEvent] | None, rows: list[Row]) -> None:
        expected = self.model.undo(rows)
        if undone is None or expected is None:
            assert undone is expected is None
            return
        assert [self._shown(row) for row in undone] == [self._expected(row) for row in expected]
        self.event_of_change[expected[0].change] = undone[0].id

    def _shown(self, row: StockEvent) -> tuple[Any, ...]:
        return (row.type, row.item_id, row.location_id, to_milli(row.delta), to_milli(row.quantity_after))

    def _expected(self, row: Row) -> tuple[Any, ...]:
        return (row.kind, self.items[row.key.item], self.locations[row.key.location], row.delta, row.after)


def test_ledger_matches_the_model(config: Config) -> None:
    with asyncio.Runner() as runner:
        stockroom = Stockroom(config, make_database(config))
        runner.run(stockroom.database.open())
        runner.run(_start(stockroom))
        LedgerMachine.runner, LedgerMachine.stockroom = runner, stockroom
        bounds = settings(
            max_examples=int(os.environ.get("LEDGER_EXAMPLES", "15")),
            stateful_step_count=15,
            deadline=None,
            derandomize="CI" in os.environ,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        try:
            run_state_machine_as_test(LedgerMachine, settings=bounds)
            runner.run(stockroom.check())
        finally:
            runner.run(leave(stockroom))


async def _start(stockroom: Stockroom) -> None:
    stockroom.recorder.start()
