"""Replacing the live data: clients see the old or the new data, and revocations are preserved."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient, Response
from litestar import Litestar

from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest
from stocky.backup.swap.revocations import Replaced
from stocky.backup.swap.swap import replace_database
from stocky.config import Config
from stocky.db import Database
from stocky.errors import Conflict
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import take
from tests.inventory import get, made, new_item, new_location, refused

LARGE = 50 * 2**30


def scratch_of(dump: bytes, directory: Path, name: str = "scratch") -> Path:
    """The dump, loaded and checked."""
    file = directory / f"{name}.sql.gz"
    file.write_bytes(dump)
    request = LoadRequest(dump=str(file), scratch=str(directory / f"{name}.db"), purpose="full", max_bytes=LARGE)
    load(request, silent)
    return Path(request.scratch)


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


async def replaced(app: Litestar, scratch: Path) -> Replaced:
    database: Database = app.state.database
    return await replace_database(database, scratch, silent)


async def test_new_data_can_be_read_and_written(app: Litestar, admin: AsyncClient, tmp_path: Path) -> None:
    await new_item(admin, "Old")
    scratch = scratch_of(await take(admin), tmp_path)
    await new_item(admin, "Newer")
    await replaced(app, scratch)
    assert [item["name"] for item in await get(admin, "/items/")] == ["Old"]
    # Ids continue after the restored data.
    assert (await new_item(admin, "Next"))["id"] == 2


async def test_every_table_equals_the_dump(
    app: Litestar, admin: AsyncClient, scanner: AsyncClient, config: Config, tmp_path: Path
) -> None:
    shelf = await new_location(admin, "Regal “ü” 🏠; -- 'x'")
    made(await scanner.post("/scanner/scan", json={"upc": "x", "scanner_id": "s1", "location_hint": shelf["name"]}))
    scratch = scratch_of(await take(admin), tmp_path)
    before = await asyncio.to_thread(schema.contents, config)
    await new_item(admin)
    await replaced(app, scratch)
    after = await asyncio.to_thread(schema.contents, config)
    for table in before.keys() - {"auth_revision", "api_key", "job"}:
        assert after[table] == before[table], table
    assert await find_faults(config) == []


async def test_restore_can_be_repeated(app: Litestar, admin: AsyncClient, tmp_path: Path) -> None:
    first = scratch_of(await take(admin), tmp_path, "first")
    await new_item(admin)
    second = scratch_of(await take(admin), tmp_path, "second")
    for scratch, count in [(first, 0), (second, 1), (first, 0), (second, 1)]:
        await replaced(app, scratch)
        assert len(await get(admin, "/items/")) == count


async def test_concurrent_restore_is_rejected(app: Litestar, admin: AsyncClient, tmp_path: Path) -> None:
    first = scratch_of(await take(admin), tmp_path, "first")
    await new_item(admin)
    second = scratch_of(await take(admin), tmp_path, "second")
    results = await asyncio.gather(replaced(app, first), replaced(app, second), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    assert [type(failure) for failure in failures] == [Conflict]
    winner = next(index for index, result in enumerate(results) if isinstance(result, Replaced))
    assert len(await get(admin, "/items/")) == winner


async def test_revocations_are_reapplied(
    app: Litestar, admin: AsyncClient, member: AsyncClient, tmp_path: Path
) -> None:
    scratch = scratch_of(await take(admin), tmp_path)
    users = {user["username"]: user["id"] for user in await get(admin, "/users/")}
    assert (await admin.delete(f"/users/{users['member']}")).is_success
    reapplied = (await replaced(app, scratch)).reapplied
    assert reapplied.inactive == ["member"]
    refused(await member.get("/items/"), 401)


async def test_data_without_active_admin_is_rejected(
    app: Litestar, admin: AsyncClient, signed_in_admin: AsyncClient, config: Config, tmp_path: Path
) -> None:
    scratch = scratch_of(await take(admin), tmp_path)
    other = {"username": "other", "email": "o@example.org", "password": "long enough!", "role": "admin"}
    made(await signed_in_admin.post("/users/", json=other))
    users = {user["username"]: user["id"] for user in await get(admin, "/users/")}
    await schema.run_beside(config, f"UPDATE user_account SET is_active = FALSE WHERE id = {users['admin']}")
    with pytest.raises(Conflict, match="admin"):
        await replaced(app, scratch)
    assert await schema.run_beside(config, "SELECT count(*) FROM user_account WHERE username = 'other'") == [(1,)]


async def test_readers_and_writers_see_old_or_new_data(
    app: Litestar, admin: AsyncClient, reader: AsyncClient, scanner: AsyncClient, tmp_path: Path
) -> None:
    shelf = await new_location(admin, "A")
    item = await new_item(admin, "A")
    scan = {"upc": "x", "scanner_id": "s1", "location_hint": shelf["id"]}
    first = scratch_of(await take(admin), tmp_path, "first")
    for path in (f"/locations/{shelf['id']}", f"/items/{item['id']}"):
        made(await admin.patch(path, json={"name": "B"}))
    second = scratch_of(await take(admin), tmp_path, "second")
    stop = asyncio.Event()
    seen: set[Any] = set()
    refusals: list[Response] = []

    async def watch() -> None:
        while not stop.is_set():
            # One request reads both: the stub's SKU names its item and its location.
            answer = await reader.get("/skus/", params={"expand": "item,location"})
            if answer.status_code == 200:
                seen.update((sku["item"]["name"], sku["location"]["name"]) for sku in answer.json())
            else:
                await refused_by(answer)
            await asyncio.sleep(0)

    async def write() -> None:
        while not stop.is_set():
            answer = await scanner.post("/scanner/scan", json=scan)
            if answer.status_code != 200:
                await refused_by(answer)

    async def refused_by(answer: Response) -> None:
        refusals.append(answer)
        # Polling without a pause would block the event loop.
        await asyncio.sleep(0.01)

    made(await admin.post("/skus/", json={"item_id": item["id"], "location_id": shelf["id"], "quantity": 1}))
    busy = [asyncio.create_task(each()) for each in (watch, write)]
    for scratch in (first, second, first):
        await replaced(app, scratch)
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*busy)
    assert {pair for pair in seen if pair[0] in "AB"} <= {("A", "A"), ("B", "B")}
    for answer in refusals:
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


async def test_foreign_table_in_the_same_schema_stays(
    app: Litestar, admin: AsyncClient, config: Config, tmp_path: Path
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("a SQLite file is Stocky's alone and replaced as a whole")
    await schema.run_beside(config, "CREATE TABLE theirs (note TEXT)")
    await schema.run_beside(config, "INSERT INTO theirs VALUES ('still here') RETURNING note")
    scratch = scratch_of(await take(admin), tmp_path)
    await replaced(app, scratch)
    assert await schema.run_beside(config, "SELECT note FROM theirs") == [("still here",)]
    await schema.run_beside(config, "CREATE VIEW their_view AS SELECT name FROM item")
    with pytest.raises(Conflict, match="their_view"):
        await replaced(app, scratch)
    left = await schema.run_beside(config, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'stocky%'")
    assert left == []
    assert await schema.run_beside(config, "SELECT count(*) FROM their_view") == [(0,)]


async def test_request_of_the_old_data_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    gate = app.state.database.gate
    epoch = gate.epoch
    gate.data_replaced()
    assert gate.epoch == epoch + 1
    # A new request belongs to the new epoch.
    assert await get(admin, "/items/") == []
