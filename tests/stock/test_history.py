"""Reading the ledger: pages without gap or repeat, filters, and stock as of any moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.catalogue import repository as catalogue
from stocky.db import Connection
from stocky.stock import repository
from stocky.stock.schemas import StockEvent
from tests.stock.stockroom import Stockroom, event

MAY = datetime(2026, 5, 1, tzinfo=UTC)


async def test_pages_have_no_gap_or_repeat_while_events_are_added(stockroom: Stockroom, reader: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.post(*[event("add", rice, shelf, 1)] * 25)
    before = [row.id for row in await stockroom.history(rice)]
    seen: list[int] = []
    cursor: int | None = None
    while True:
        query = {"limit": 4, "item_id": rice} | ({"cursor": cursor} if cursor else {})
        page = (await reader.get("/events", params=query)).json()
        seen += [row["id"] for row in page["events"]]
        await stockroom.post(*[event("add", rice, shelf, 1)] * 3)
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == before[::-1]


async def test_last_page_has_no_next_cursor(stockroom: Stockroom, reader: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.post(*[event("add", rice, shelf, 1)] * 4)
    page = (await reader.get(f"/items/{rice}/events", params={"limit": 2})).json()
    assert page["next_cursor"] == page["events"][-1]["id"]
    last = (await reader.get(f"/items/{rice}/events", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert len(last["events"]) == 2
    assert last["next_cursor"] is None


async def test_page_of_a_merged_item_reads_few_rows(stockroom: Stockroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MIN_SHARE", 2)
    shelf, rice, *stubs = await stockroom.location(), *[await stockroom.item() for _ in range(11)]
    # Some stubs have consecutive events, others interleaved ones.
    for stub in stubs[:8]:
        await stockroom.post(*[event("add", stub, shelf, 1)] * 12)
    await stockroom.post(*[event("add", item, shelf, 1) for item in [rice, *stubs[8:]]] * 12)
    whole = [row.id for row in await stockroom.history()][::-1]
    async with stockroom.database.transaction() as tx:
        for stub in stubs:
            await tx.execute("mark_merged", source_id=stub, target_id=rice, moment=clock.now())
    listed, counts = repository._list_events_of, list[int]()

    async def counted(tx: Connection, *given: Any) -> list[StockEvent]:
        return await listed(cast("Connection", _Counting(tx, counts)), *given)

    monkeypatch.setattr(repository, "_list_events_of", counted)
    async with stockroom.database.read() as read:
        for limit in (1, 2, 10, 29, len(whole) - 1, len(whole)):
            counts.clear()
            page = await repository.list_events(read, limit=limit, item_id=rice)
            assert sum(counts) <= 2 * (limit + 1) + 3 * 11, "the merged items themselves are among the rows"
            assert [row.id for row in page.events] == whole[:limit]
            assert page.next_cursor == (whole[limit - 1] if limit < len(whole) else None)
            rest = await repository.list_events(read, limit=1000, item_id=rice, cursor=whole[limit - 1])
            assert [row.id for row in rest.events] == whole[limit:]


async def test_each_filter_selects_matching_events(
    stockroom: Stockroom, reader: AsyncClient, scanner: AsyncClient
) -> None:
    rice, beans, shelf, cellar = [await stockroom.item(packs={f"bar{n}": 1}) for n in range(2)] + [
        await stockroom.location() for _ in range(2)
    ]
    await stockroom.post(
        event("add", rice, shelf, 1, occurred_at=MAY),
        event("add", beans, cellar, 2, occurred_at=MAY + timedelta(days=1)),
        event("remove", beans, cellar, 1, occurred_at=MAY + timedelta(days=2)),
    )
    await scanner.post("/scanner/scan", json={"upc": "bar0", "scanner_id": "door", "location_hint": shelf})
    me = (await scanner.get("/auth/me")).json()["id"]

    async def deltas(**query: object) -> list[float]:
        answer = await reader.get("/events", params=query)
        assert answer.status_code == 200
        return [row["delta"] for row in answer.json()["events"]]

    assert await deltas() == [1, -1, 2, 1]
    assert await deltas(item_id=rice) == [1, 1]
    assert await deltas(location_id=cellar) == [-1, 2]
    assert await deltas(type="REMOVE") == [-1]
    # As forms send it without a choice.
    assert await deltas(type="") == await deltas()
    assert await deltas(type="", item_id=rice) == [1, 1]
    assert await deltas(scanner_id="door") == await deltas(user_id=me) == [1]
    assert await deltas(since="2026-05-02T00:00:00Z", until="2026-05-03T00:00:00Z") == [2]
    # The same moments in another UTC offset.
    assert await deltas(since="2026-05-02T02:00:00+02:00", until="2026-05-02T19:00:00-05:00") == [2]


async def test_stock_as_of_a_moment(stockroom: Stockroom, reader: AsyncClient) -> None:
    rice, shelf, cellar = await stockroom.item(), await stockroom.location(), await stockroom.location()
    days = [MAY + timedelta(days=day) for day in range(5)]
    # Out of order, as sent by scanners that were offline.
    moved = event("move", rice, shelf, 3, to=cellar, occurred_at=days[3])
    await stockroom.one(event("add", rice, shelf, 5.125, occurred_at=days[1]))
    await stockroom.one(moved)
    await stockroom.one(event("remove", rice, shelf, 1.125, occurred_at=days[2]))

    async def stock(moment: datetime) -> dict[int, float]:
        answer = await reader.get("/skus", params={"as_of": moment.isoformat(), "item_id": rice})
        return {sku["location_id"]: sku["quantity"] for sku in answer.json()}

    assert await stock(days[0]) == {}
    assert await stock(days[1] - timedelta(microseconds=1)) == {}
    assert await stock(days[1]) == {shelf: 5.125}
    assert await stock(days[2]) == {shelf: 4}
    assert await stock(days[4]) == {shelf: 1, cellar: 3}


async def test_pages_of_stock_as_of_a_moment_are_the_same_near_and_far(
    stockroom: Stockroom, reader: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages far into the list are read by another query."""
    shelf, cellar = await stockroom.location(), await stockroom.location()
    items = [await stockroom.item() for _ in range(4)]
    for number, item in enumerate(items):
        await stockroom.one(event("add", item, shelf, number + 1.125, occurred_at=MAY))
        await stockroom.one(event("add", item, cellar, 1, occurred_at=MAY + timedelta(days=number)))
    # Nothing is left of the first one at the moment, and the last change comes after it.
    await stockroom.one(event("remove", items[0], shelf, 1.125, occurred_at=MAY + timedelta(hours=1)))
    await stockroom.one(event("add", items[1], shelf, 7, occurred_at=MAY + timedelta(days=9)))

    async def pages() -> list[list[Any]]:
        moment = (MAY + timedelta(days=1)).isoformat()
        wanted = [{"as_of": moment, "skip": skip, "limit": 2} for skip in range(1, 8)]
        return [(await reader.get("/skus", params=each)).json() for each in wanted]

    near = await pages()
    assert [len(page) for page in near] == [2, 2, 2, 1, 0, 0, 0]
    monkeypatch.setattr(repository, "FAR_PAGE", 0)
    assert await pages() == near


async def test_undone_event_counts_until_its_undo(stockroom: Stockroom, reader: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    added = await stockroom.one(event("add", rice, shelf, 5, occurred_at=MAY))
    (undone,) = await stockroom.undo(event=added.id)
    just_before = undone.occurred_at - timedelta(microseconds=1)
    answer = await reader.get("/skus", params={"as_of": just_before.isoformat(), "item_id": rice})
    assert [sku["quantity"] for sku in answer.json()] == [5]
    answer = await reader.get("/skus", params={"as_of": undone.occurred_at.isoformat(), "item_id": rice})
    assert answer.json() == []


async def test_event_is_returned_as_sent(stockroom: Stockroom, reader: AsyncClient) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    sent = event("add", rice, shelf, 0.125, "a", lot=date(2026, 9, 1), occurred_at=MAY, note="a “note” 'quoted'; --")
    added = await stockroom.one(sent)
    answer = (await reader.get(f"/events/{added.id}")).json()
    assert answer.items() >= {
        "id": added.id, "event_id": "a", "type": "add", "item_id": rice, "location_id": shelf, "sku_id": added.sku_id,
        "delta": 0.125, "quantity_after": 0.125, "occurred_at": "2026-05-01T00:00:00Z", "note": sent.note,
        "transfer_id": None, "reverses_id": None, "reversed_by_id": None, "user_id": 1,
    }.items()  # fmt: skip
    assert (await reader.get("/events/999999")).status_code == 404


async def test_total_of_an_item_is_the_sum_of_its_locations(stockroom: Stockroom) -> None:
    rice, shelf, cellar = await stockroom.item(), await stockroom.location(), await stockroom.location()
    await stockroom.post(*[event("add", rice, location, 0.1) for location in (shelf, cellar)] * 15)
    async with stockroom.database.read() as read:
        assert (await catalogue.get_item(read, rice)).total_quantity == 3


class _Counting:
    """A connection that appends to `counts` the number of rows of each query."""

    def __init__(self, connection: Connection, counts: list[int]) -> None:
        self._connection = connection
        self._counts = counts

    async def all(self, query: str, into: type[Any], **arguments: Any) -> list[Any]:
        rows = await self._connection.all(query, into, **arguments)
        self._counts.append(len(rows))
        return rows

    async def rows(self, query: str, **arguments: Any) -> list[tuple[Any, ...]]:
        rows = await self._connection.rows(query, **arguments)
        self._counts.append(len(rows))
        return rows
