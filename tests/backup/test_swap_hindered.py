"""Replacing the live data under obstacles: the replacement waits, fails, or is interrupted.

In every case the data is the old or the new, the outcome is reported, and work continues.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.backup.swap import postgres as postgres_swap
from stocky.backup.swap import sqlite as sqlite_swap
from stocky.backup.swap.swap import replace_database
from stocky.config import Config
from stocky.db import Database
from stocky.db.maintenance_gate import Gate, request_epoch
from stocky.db.postgres_coordination import try_restore_lock
from stocky.errors import Conflict, Unavailable
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import take
from tests.backup.test_swap import replaced, scratch_of, silent
from tests.inventory import get, made, new_item, new_location, refused, total
from tests.postgres import LOCKS_HERE

pytestmark = pytest.mark.one_server


async def names(admin: AsyncClient) -> list[str]:
    return sorted(item["name"] for item in await get(admin, "/items/"))


@pytest.fixture
async def old_in_new(app: Litestar, admin: AsyncClient, tmp_path: Path) -> Path:
    """A scratch file whose only item is "Restored"; the live data has "Live"."""
    item = await new_item(admin, "Restored")
    scratch = scratch_of(await take(admin), tmp_path)
    made(await admin.patch(f"/items/{item['id']}", json={"name": "Live"}))
    return scratch


async def test_restore_fails_while_another_program_writes(
    app: Litestar, admin: AsyncClient, config: Config, old_in_new: Path
) -> None:
    if config.dialect == "postgres":
        pytest.skip("on Postgres nobody writes the file")
    await app.state.database.call(sqlite3.Connection.execute, "PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(config.sqlite_path, isolation_level=None, check_same_thread=False)) as other:
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="nothing was changed"):
            await replaced(app, old_in_new)
        assert await names(admin) == ["Live"]
    await new_item(admin, "And on")
    await replaced(app, old_in_new)
    assert await names(admin) == ["Restored"]


async def test_reading_program_does_not_block_the_restore(
    app: Litestar, admin: AsyncClient, config: Config, old_in_new: Path
) -> None:
    if config.dialect == "postgres":
        pytest.skip("Postgres has no file")
    await app.state.database.call(sqlite3.Connection.execute, "PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(config.sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT name FROM item").fetchall() == [("Live",)]
        await replaced(app, old_in_new)
        assert await names(admin) == ["Restored"]
        # One transaction of the other program sees one state.
        assert other.execute("SELECT name FROM item").fetchall() == [("Live",)]
    assert await find_faults(config) == []


async def test_restore_fails_while_another_program_locks_tables(
    app: Litestar, admin: AsyncClient, config: Config, old_in_new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has no locks on tables")
    monkeypatch.setattr(postgres_swap, "LOCK_SECONDS", 1)

    async def back_up() -> None:
        raise AssertionError("everyone waited for a backup before it was known that nothing would come of it")

    with psycopg.connect(config.database_url) as other:
        other.execute("SELECT name FROM location")
        with pytest.raises(Unavailable, match="nothing was changed"):
            await replace_database(app.state.database, old_in_new, silent, before=back_up)
        assert await names(admin) == ["Live"]
    await new_item(admin, "And on")
    await replaced(app, old_in_new)
    assert await names(admin) == ["Restored"]
    assert schema.other_schemas(config) == []


async def test_restore_preserves_table_privileges(app: Litestar, config: Config, old_in_new: Path) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite knows no users")
    await schema.run_beside(config, "GRANT SELECT ON item TO PUBLIC")
    await schema.run_beside(config, "GRANT INSERT, UPDATE ON location TO pg_monitor WITH GRANT OPTION")
    granted = """
        SELECT table_name, grantee, privilege_type, is_grantable FROM information_schema.table_privileges
         WHERE table_schema = 'public' AND grantee IN ('PUBLIC', 'pg_monitor') ORDER BY 1, 2, 3"""
    before = await schema.run_beside(config, granted)
    assert len(before) == 3
    await replaced(app, old_in_new)
    assert await schema.run_beside(config, granted) == before


@pytest.mark.parametrize("passes", [0, 1, 2, 5, 20, 60])
async def test_interrupted_restore_leaves_old_or_new_data(
    app: Litestar, admin: AsyncClient, scanner: AsyncClient, config: Config, tmp_path: Path, passes: int
) -> None:
    shelf = await new_location(admin)
    scan = {"upc": "4006381333931", "scanner_id": "s1", "location_hint": shelf["id"]}
    restored = await new_item(admin, "Restored", barcodes=[{"barcode": scan["upc"]}])
    scratch = scratch_of(await take(admin), tmp_path)
    made(await admin.patch(f"/items/{restored['id']}", json={"barcodes": [], "name": "Then"}))
    live = await new_item(admin, "Live", barcodes=[{"barcode": scan["upc"]}])
    # From here on this process has the barcode's item cached.
    made(await scanner.post("/scanner/scan", json=scan))
    begun = asyncio.Event()

    async def begin() -> None:
        begun.set()

    replacing = asyncio.create_task(replace_database(app.state.database, scratch, silent, before=begin))
    await begun.wait()
    for _ in range(passes):
        await asyncio.sleep(0)
    replacing.cancel()
    with suppress(asyncio.CancelledError):
        await replacing
    await app.state.database.gate.opened()
    there = await names(admin)
    assert there in (["Live", "Then"], ["Restored"])
    made(await scanner.post("/scanner/scan", json=scan))
    assert await total(admin, restored if there == ["Restored"] else live) == (1 if there == ["Restored"] else 2)
    assert await find_faults(config) == []


async def test_restore_interrupted_twice_clears_caches_at_its_end(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "postgres":
        pytest.skip("SQLite only: its copying thread goes on after a cancellation; Postgres rolls back")
    may_end, ended = threading.Event(), asyncio.Event()
    monkeypatch.setattr(sqlite_swap, "_replace", lambda *_: may_end.wait(10))
    replacing = asyncio.create_task(replace_database(database, tmp_path, silent))
    while database.gate.epoch == 0 and not replacing.done():
        # Each one interrupts what waits for the first.
        await asyncio.sleep(0)
        replacing.cancel()
    assert database.gate.epoch == 1
    database.gate.on_data_replaced(ended.set)
    may_end.set()
    await asyncio.wait_for(ended.wait(), 10)


async def test_scan_uses_the_restored_barcode(
    app: Litestar, admin: AsyncClient, scanner: AsyncClient, config: Config, tmp_path: Path
) -> None:
    shelf = await new_location(admin)
    scan = {"upc": "4006381333931", "scanner_id": "s1", "location_hint": shelf["id"]}
    first = await new_item(admin, "First", barcodes=[{"barcode": scan["upc"]}])
    scratch = scratch_of(await take(admin), tmp_path)
    made(await admin.patch(f"/items/{first['id']}", json={"barcodes": []}))
    second = await new_item(admin, "Second", barcodes=[{"barcode": scan["upc"]}])
    assert made(await scanner.post("/scanner/scan", json=scan))["item"]["id"] == second["id"]
    await replaced(app, scratch)
    assert made(await scanner.post("/scanner/scan", json=scan))["item"]["id"] == first["id"]
    assert await total(admin, first) == 1
    assert await find_faults(config) == []


async def test_earlier_request_is_not_applied_to_new_data(app: Litestar, admin: AsyncClient, old_in_new: Path) -> None:
    half, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"name": '
        half.set()
        await go_on.wait()
        yield b'"Late"}'

    headers = {"content-type": "application/json"}
    late = asyncio.create_task(admin.post("/items/", content=body(), headers=headers))
    await half.wait()
    # A slow sender blocks nobody.
    await replaced(app, old_in_new)
    go_on.set()
    refused(await late, 503, "send it again")
    assert await names(admin) == ["Restored"]
    await new_item(admin, "Late")


async def test_prepared_statements_work_after_a_restore(
    app: Litestar, admin: AsyncClient, reader: AsyncClient, old_in_new: Path
) -> None:
    async def read_all() -> None:
        # As many at once as there are connections, so that each prepares the statement.
        answers = await asyncio.gather(*(reader.get("/items/") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}

    await read_all()
    for _ in range(3):
        await replaced(app, old_in_new)
        await read_all()


async def test_leftover_schemas_are_dropped_unless_a_restore_runs(
    app: Litestar, config: Config, old_in_new: Path
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has no schemas")
    await schema.run_beside(config, "CREATE SCHEMA stocky_incoming_0123abcd")
    await schema.run_beside(config, "CREATE TABLE stocky_incoming_0123abcd.item (id INTEGER)")
    await schema.run_beside(config, "CREATE SCHEMA stocky_incoming_of_someone_else")
    database: Database = app.state.database
    async with try_restore_lock(config.database_url):
        await postgres_swap.sweep(database)
        assert "stocky_incoming_0123abcd" in schema.other_schemas(config)
        with pytest.raises(Conflict):
            await replaced(app, old_in_new)
    await postgres_swap.sweep(database)
    assert schema.other_schemas(config) == ["stocky_incoming_of_someone_else"]


async def test_sweep_does_not_block_a_restore(
    app: Litestar, config: Config, old_in_new: Path, admin: AsyncClient
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has no schemas")
    stop = asyncio.Event()

    async def sweep() -> None:
        while not stop.is_set():
            with suppress(Unavailable):
                await postgres_swap.sweep(app.state.database)
            await asyncio.sleep(0)

    sweeping = [asyncio.create_task(sweep()) for _ in range(3)]
    try:
        await replaced(app, old_in_new)
    finally:
        stop.set()
        await asyncio.gather(*sweeping)
    assert await names(admin) == ["Restored"]


async def test_process_that_lost_the_lock_checks_again(
    app: Litestar, admin: AsyncClient, config: Config, old_in_new: Path
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has no such lock")
    gate: Gate = app.state.database.gate
    renewed = asyncio.Event()
    gate.on_data_replaced(renewed.set)
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {LOCKS_HERE} AND locktype = 'advisory'"
    assert await schema.run_beside(config, ended) == [(True,)]
    await renewed.wait()
    await gate.opened()
    assert await names(admin) == ["Live"]
    await replaced(app, old_in_new)
    assert await names(admin) == ["Restored"]


async def test_gate_reopens_when_requests_do_not_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stocky.db.maintenance_gate.DRAIN_SECONDS", 0.01)
    gate = Gate()
    with gate.enter():
        with pytest.raises(Unavailable, match="nothing was changed"):
            async with gate.drained():
                raise AssertionError("someone is inside")
        gate.check_open()
    async with gate.drained():
        with pytest.raises(Unavailable):
            gate.check_open()
        with pytest.raises(Conflict):
            async with gate.drained():
                raise AssertionError("it is closed already")
    gate.check_open()


async def test_gate_distinguishes_old_and_new_requests() -> None:
    gate = Gate()
    forgotten: list[Any] = []
    gate.on_data_replaced(lambda: forgotten.append(gate.epoch))
    request_epoch.set(gate.epoch)
    gate.check_open()
    gate.data_replaced()
    assert forgotten == [1]
    with pytest.raises(Unavailable, match="send it again"):
        gate.check_open()
    request_epoch.set(None)
    gate.check_open()
