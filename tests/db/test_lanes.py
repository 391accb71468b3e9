"""Slow reads wait only for each other: scans, authentication, readiness and short reads continue."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.db import Database, Lane, make_database, sqlite
from stocky.db.lanes import MAX_WAITING, Lanes
from stocky.db.queries import compile_query
from stocky.db.sqlite import SqliteDatabase
from stocky.errors import Unavailable
from tests.inventory import get, made, new_item, new_location, new_stock

LONG = [
    "/skus/low-stock",
    "/items/search?q=a",
    "/items/?limit=1000",
    "/skus/?as_of=2030-01-01T00:00:00Z",
    "/events?type=add",
    "/exports/stock.csv",
]


async def test_scans_and_short_reads_continue_while_all_long_read_connections_are_busy(
    app: Litestar, root: AsyncClient, member: AsyncClient, scanner: AsyncClient
) -> None:
    item, shelf = await new_item(member, "Salt", upc="40063813"), await new_location(member)
    await new_stock(member, item, shelf, 5)
    made(await member.put("/scanner/hand-1/state", json={"mode": "add", "location_id": shelf["id"]}))
    database: Database = app.state.database
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(database.read(Lane.LONG))
        waiting = [asyncio.create_task(member.get(LONG[number % len(LONG)])) for number in range(MAX_WAITING)]
        async with asyncio.timeout(60):
            while database.lanes.waiting < MAX_WAITING:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        for path in LONG:
            refused = await member.get(path)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5"), path
            assert "try again" in refused.json()["detail"]
        # Nothing that is remembered of the caller helps.
        app.state.identities._reset()
        scan = made(await scanner.post("/scanner/scan", json={"upc": "40063813", "scanner_id": "hand-1"}))
        assert scan["success"]
        assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 6
        assert len(await get(member, "/items/")) == 1
        assert (await root.get("/health/ready")).status_code == 200
        assert not any(each.done() for each in waiting)
    assert [(await each).status_code for each in waiting] == [200] * MAX_WAITING


async def test_connections_are_assigned_in_request_order() -> None:
    lanes = Lanes({Lane.LONG: 2})
    served: list[int] = []

    async def page_after_page(reader: int) -> None:
        for _ in range(3):
            async with lanes.enter(Lane.BACKGROUND):
                served.append(reader)
                await asyncio.sleep(0)

    await asyncio.gather(*(page_after_page(reader) for reader in range(4)))
    # A reader that requests its next page at once goes to the end of the queue.
    assert [sorted(served[start : start + 4]) for start in (0, 4, 8)] == [[0, 1, 2, 3]] * 3


ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.one_database
async def test_slow_or_cancelled_read_releases_its_connection(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.queries["endless"] = compile_query("endless", ENDLESS, "sqlite")
    monkeypatch.setattr(sqlite, "LONG_READ_SECONDS", 0.2)
    for _ in range(3):
        with pytest.raises(Unavailable, match="took longer"):
            async with database.read(Lane.LONG) as read:
                await read.value("endless")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), database.read() as read:
                await read.value("endless")
    for lane in (Lane.LONG, Lane.SHORT):
        async with database.read(lane) as read:
            assert await read.value("get_auth_revision") is not None


@pytest.mark.one_database
@pytest.mark.timeout(60)
async def test_database_closes_during_a_read(config: Config) -> None:
    database = make_database(config)
    database.queries["endless"] = compile_query("endless", ENDLESS, "sqlite")  # type: ignore[attr-defined]
    await database.open()

    async def read_on() -> None:
        async with database.read(Lane.BACKGROUND) as read:
            await read.value("endless")

    reading = asyncio.create_task(read_on())
    await asyncio.sleep(0.2)
    await database.close()
    await asyncio.wait([reading])
    assert reading.exception() is not None
