"""Lists and searches are cached until the next commit, and never stale."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue import item_pages
from stocky.config import Config
from stocky.http import response_cache
from stocky.http.response_cache import ResponseCache
from stocky.search import repository as search_repository
from tests.architecture import schema
from tests.inventory import get, made, new_item, new_location, new_stock, refused

KEPT: dict[str, dict[str, Any]] = {
    "/items/": {},
    "/items/search": {"q": "salt"},
    "/search": {"q": "salt"},
}


@pytest.mark.parametrize("path", KEPT)
async def test_cached_answer_is_never_older_than_the_last_commit(
    path: str, config: Config, member: AsyncClient
) -> None:
    item, shelf = await new_item(member, "Salt"), await new_location(member)
    for quantity in range(1, 6):
        await new_stock(member, item, shelf, 1)
        for _ in range(2):
            assert (await get(member, path, **KEPT[path]))[0]["total_quantity"] == quantity
    # Another process, which does not notify this one.
    await asyncio.to_thread(
        schema.run, config, f"UPDATE item SET name = 'Sea salt', version = version + 1 WHERE id = {item['id']}"
    )
    assert (await get(member, path, **KEPT[path]))[0]["name"] == "Sea salt"
    assert [len(await get(member, path, **KEPT[path], limit=limit)) for limit in (1, 2, 1)] == [1, 1, 1]


@pytest.mark.parametrize("path", KEPT)
async def test_reader_sees_every_acknowledged_scan(path: str, member: AsyncClient, scanner: AsyncClient) -> None:
    item, shelf = await new_item(member, "Salt", upc="4006381333931"), await new_location(member)
    await scanner.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]})
    acknowledged = 0

    async def scan() -> None:
        nonlocal acknowledged
        for _ in range(15):
            made(await scanner.post("/scanner/scan", json={"upc": item["upc"], "scanner_id": "s1"}))
            acknowledged += 1

    async def look() -> None:
        while acknowledged < 45:
            before = acknowledged
            assert (await get(member, path, **KEPT[path]))[0]["total_quantity"] >= before
            # A client in the same process would leave no time for the others.
            await asyncio.sleep(0.001)

    await asyncio.gather(scan(), scan(), scan(), look(), look())


@pytest.mark.parametrize(("path", "module", "name"), [
    ("/items/", item_pages, "list_item_versions"),
    ("/items/search", item_pages, "list_item_versions"),
    ("/search", search_repository, "search"),
])  # fmt: skip
async def test_list_is_read_once_until_a_commit(
    path: str, module: Any, name: str, member: AsyncClient, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    await new_item(member, "Salt")
    asked = []
    read = getattr(module, name)

    def noted(*typed: Any, **given: Any) -> Any:
        asked.append((typed, given))
        return read(*typed, **given)

    monkeypatch.setattr(module, name, noted)
    for _ in range(20):
        assert len(await get(member, path, **KEPT[path])) == 1
    await new_item(member, "Rock salt")
    assert len(await get(member, path, **KEPT[path])) == 2
    # Other commits happen occasionally: the index, the last use of a key.
    assert 2 <= len(asked) < 10 if dialect == "sqlite" else len(asked) == 21


async def test_each_filter_has_its_own_cached_answer(member: AsyncClient) -> None:
    kind = made(await member.post("/types/", json={"name": "Spices"}))
    await new_item(member, "Salt", type_id=kind["id"], tags=["white"])
    await new_item(member, "Ice", default_storage_type="freezer")
    hidden = await new_item(member, "Dust")
    await member.delete(f"/items/{hidden['id']}")
    both = ["Salt", "Ice"]
    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({}, both),
        ({"limit": 1}, ["Salt"]),
        ({"skip": 1}, ["Ice"]),
        ({"page": 2, "size": 1}, ["Ice"]),
        ({"search": "salt"}, ["Salt"]),
        ({"storage_type": "freezer"}, ["Ice"]),
        ({"is_active": "false"}, ["Dust"]),
        ({"needs_review": "true"}, []),
        ({"needs_review": "false"}, both),
        ({"type_id": kind["id"]}, ["Salt"]),
        ({"tag": "white"}, ["Salt"]),
    ]
    for _ in ("read", "kept"):
        for query, names in filters:
            assert [item["name"] for item in await get(member, "/items/", **query)] == names, query


async def test_cache_stays_within_its_bounds(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_cache, "CACHED_BYTES", 5 * response_cache.BESIDE_JSON)
    for number in range(12):
        await new_item(member, f"Salt {number}")
    kept: ResponseCache = app.state.response_cache
    for _ in range(2):
        for limit in range(1, 13):
            assert len(await get(member, "/items/", limit=limit)) == limit
            assert kept.size_bytes <= response_cache.CACHED_BYTES


async def test_cache_is_not_used_while_the_data_is_replaced(app: Litestar, member: AsyncClient) -> None:
    await new_item(member, "Salt")
    for path, query in KEPT.items():
        await get(member, path, **query)
    gate = app.state.database.gate
    gate.close("A restore is putting its data in place; send it again")
    try:
        for path, query in KEPT.items():
            refused(await member.get(path, params=query), 503, "restore")
    finally:
        gate.open()
    for path, query in KEPT.items():
        assert len(await get(member, path, **query)) == 1
