"""X-Total-Count costs less than the page: totals are cached, and not counted where a list goes on after a cursor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue import repository
from stocky.config import Config
from stocky.db import Connection, totals
from stocky.db.totals import Totals
from tests.architecture import schema
from tests.inventory import made, new_item, new_location, new_stock

LISTS = ["/items", "/items?needs_review=false", "/skus", "/skus?low_stock=true", "/audit", "/boxes", "/types"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was counted so far."""
    found: list[str] = []
    count_rows, count_items = Connection.count_rows, repository.count_items

    async def noted(read: Connection, query: str, /, **arguments: Any) -> int:
        found.append(query)
        return await count_rows(read, query, **arguments)

    async def noted_items(read: Connection, wanted: repository.ItemFilter) -> int:
        found.append("items")
        return await count_items(read, wanted)

    monkeypatch.setattr(Connection, "count_rows", noted)
    monkeypatch.setattr(repository, "count_items", noted_items)
    # A stockroom in which four of anything are many.
    monkeypatch.setattr(totals, "SMALL", 3)
    return found


@pytest.fixture
async def four_of_each(admin: AsyncClient) -> None:
    shelf = await new_location(admin)
    for number in range(4):
        made(await admin.post("/boxes", json={"name": f"Box {number}", "capacity": 1}))
        made(await admin.post("/types", json={"name": f"Type {number}"}))
        await new_stock(admin, await new_item(admin, f"Salt {number}", min_quantity=5), shelf, 1)


@pytest.mark.usefixtures("four_of_each")
@pytest.mark.parametrize("path", LISTS)
async def test_total_is_counted_once(path: str, admin: AsyncClient, counted: list[str]) -> None:
    shown = [(await admin.get(path, params={"limit": 2})).headers["x-total-count"] for _ in range(10)]
    assert len(set(shown)) == 1
    assert int(shown[0]) >= 4
    # On SQLite other commits happen occasionally: the index, the last use of a key.
    assert 1 <= len(counted) < 5


async def test_total_of_plans_is_counted_once(admin: AsyncClient, config: Config, counted: list[str]) -> None:
    insert = (
        "INSERT INTO reorg_plan (status, max_moves, created_at, expires_at) VALUES"
        " ('proposed', 10, '2026-01-01T00:00:00.000000Z', '{year}-01-01T00:00:00.000000Z')"
    )
    for year in (2026, 2026, 2999, 2999):
        await schema.run_beside(config, insert.format(year=year))
    for _ in range(4):
        answer = await admin.get("/reorg/plans", params={"limit": 3})
        assert answer.headers["x-total-count"] == "4"
        assert [each["status"] for each in answer.json()] == ["proposed", "proposed", "expired"]
    assert 1 <= len(counted) < 3


@pytest.mark.usefixtures("four_of_each")
async def test_total_is_that_of_the_last_commit_where_commits_are_noticed(
    app: Litestar, admin: AsyncClient, counted: list[str], dialect: str
) -> None:
    async def shown() -> list[str]:
        return [(await admin.get(path, params={"limit": 2})).headers["x-total-count"] for path in ("/items", "/types")]

    assert await shown() == ["4", "4"]
    await new_item(admin, "Pepper")
    made(await admin.post("/types", json={"name": "Type 4"}))
    assert await shown() == (["5", "5"] if dialect == "sqlite" else ["4", "4"])
    app.state.database.totals.clear()
    assert await shown() == ["5", "5"]
    assert counted


@pytest.mark.usefixtures("four_of_each")
@pytest.mark.parametrize("path", ["/items", "/skus", "/skus?low_stock=true"])
async def test_page_after_a_cursor_has_no_total(path: str, admin: AsyncClient, counted: list[str]) -> None:
    answer = await admin.get(path, params={"limit": 1, "cursor": 1})
    assert len(answer.json()) == 1
    assert "x-total-count" not in answer.headers
    assert counted == []


async def test_totals_without_a_revision_expire_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = Totals()

    def rows(number: int) -> Callable[[], Awaitable[int]]:
        async def count() -> int:
            return number

        return count

    many = totals.SMALL + 1
    assert await cached.get_or_count("few", None, rows(totals.SMALL)) == totals.SMALL
    assert await cached.get_or_count("few", None, rows(2)) == 2
    assert await cached.get_or_count("many", None, rows(many)) == many
    assert await cached.get_or_count("many", None, rows(2)) == many
    assert await cached.get_or_count("many", "a revision", rows(2)) == 2
    assert await cached.get_or_count("many", "a revision", rows(3)) == 2
    assert await cached.get_or_count("many", "another", rows(3)) == 3
    for number in range(3 * totals.MOST_FILTERS):
        await cached.get_or_count(number, None, rows(many))
    assert len(cached._known) <= totals.MOST_FILTERS
    monkeypatch.setattr(totals, "CACHED_SECONDS", -1.0)
    assert await cached.get_or_count("late", None, rows(many)) == many
    assert await cached.get_or_count("late", None, rows(2)) == 2
