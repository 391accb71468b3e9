"""The changes that a dry run reports: rows added, removed and changed, by name and without values."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from httpx import AsyncClient

from stocky.backup import comparing
from stocky.backup.comparing import compare
from stocky.backup.requests import CompareRequest
from stocky.config import Config
from tests.architecture import schema
from tests.backup.dumps import as_json, done, take
from tests.backup.test_backup_api import FULL
from tests.backup.test_round_trip import fill, loaded
from tests.backup.test_system_api import stored
from tests.cli.running import stocky
from tests.inventory import Json, get, made, new_item, new_location, new_stock

pytestmark = pytest.mark.one_server

# More memory than this for so many rows would mean a copy of them.
ROWS, GROWTH = 60_000, 24 * 2**20


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


async def changes_of(admin: AsyncClient, dump: bytes) -> Json:
    answer: Json = made(await admin.post(FULL, json=as_json(dump, dry_run=True)))["changes"]
    return answer


async def test_no_changes_are_reported_for_equal_data(admin: AsyncClient) -> None:
    # Texts and numbers of all kinds, which each database formats differently.
    await fill(admin)
    changes = await changes_of(admin, await take(admin))
    assert changes == {}


async def test_added_removed_and_changed_rows_are_reported_by_name(
    admin: AsyncClient, signed_in_admin: AsyncClient
) -> None:
    shelf, tea, salt = await new_location(admin, "Shelf"), await new_item(admin, "Tea"), await new_item(admin, "Salt")
    await new_stock(admin, tea, shelf, 5)
    tag = made(await admin.post("/tags/", json={"name": "Hot"}))
    dump = await take(admin)
    made(await admin.patch(f"/items/{tea['id']}", json={"name": "Oh no", "description": "more"}))
    made(await admin.patch(f"/locations/{shelf['id']}", json={"description": "by the window"}))
    await admin.delete(f"/tags/{tag['id']}")
    for number in range(7):
        await new_item(admin, f"Newer {number}")
    made(await signed_in_admin.put("/users/2", json={"password": "another good password"}))
    (sku,) = await get(admin, "/skus/")
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": -2}))
    changes = await changes_of(admin, dump)
    item = changes["item"]
    assert (item["added"], item["removed"], item["changed"]) == (0, 7, 1)
    assert item["examples_removed"] == [f"Newer {number}" for number in range(5)]
    assert item["examples_changed"] == ["Oh no -> Tea (name, description)"]
    assert changes["location"]["examples_changed"] == ["Shelf (description)"]
    assert (changes["tag"]["added"], changes["tag"]["examples_added"]) == (1, ["Hot"])
    assert changes["sku"]["examples_changed"] == ["Oh no, Shelf -> Tea, Shelf (quantity_milli)"]
    assert changes["stock_event"]["examples_removed"] == ["remove Oh no"]
    assert "member (password_hash)" in changes["user_account"]["examples_changed"]
    assert "setting" not in changes
    assert salt["name"] not in json.dumps(changes)


async def test_no_hash_or_secret_is_reported(admin: AsyncClient, signed_in_admin: AsyncClient, config: Config) -> None:
    dump = await take(admin)
    key = made(await admin.post("/users/2/api-keys", json={"name": "new phone"}))
    url = "https://example.org/hook?token=a-token-in-an-address"
    hook = made(
        await admin.post(
            "/webhooks", json={"url": url, "description": "to the till", "event_types": ["stock.recorded"]}
        )
    )
    made(await signed_in_admin.put("/users/2", json={"password": "another good password"}))
    changes = await changes_of(admin, dump)
    assert changes["api_key"]["examples_removed"] == ["new phone"]
    assert changes["webhook"]["examples_removed"] == ["to the till"]
    text = json.dumps(changes)
    hashes = await schema.run_beside(config, "SELECT password_hash FROM user_account")
    hashes += await schema.run_beside(config, "SELECT key_hash FROM api_key")
    for secret in (key["api_key"], hook["secret"], "a-token-in-an-address", *(row[0] for row in hashes)):
        assert secret not in text


async def test_every_dry_run_reports_the_changes(
    admin: AsyncClient, environ: dict[str, str], config: Config, tmp_path: Path
) -> None:
    await new_item(admin, "Tea")
    archive, dump = await stored(admin), await stored(admin, "sql")
    made(await admin.patch("/items/1", json={"name": "Oh no"}))
    for backup in (archive, dump):
        trial = await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/restore?dry_run=true"))
        assert trial["changes"]["item"]["examples_changed"] == ["Oh no -> Tea (name)"]
    content = await asyncio.to_thread((config.backup_dir / archive["filename"]).read_bytes)
    files = {"file": ("stocky.zip", content, "application/zip")}
    valid = await done(admin, await admin.post("/system/restore?validate_only=true", files=files))
    assert valid["changes"]["item"]["examples_changed"] == ["Oh no -> Tea (name)"]
    typed = await asyncio.to_thread(stocky, environ, "restore", str(config.backup_dir / dump["filename"]), "--dry-run")
    assert typed.returncode == 0, typed.stderr
    assert "1 -> 1 rows: 1 changed\n    changed: Oh no -> Tea (name)\n" in typed.stdout


async def test_every_name_query_works_on_both_databases(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    result, scratch = loaded(await take(admin), tmp_path)
    assert comparing.NAMES.keys() <= result.rows.keys()
    # Every table is emptied, so that the name of each remaining row is queried.
    await fill(admin)
    await new_location(admin, "Where nothing is")
    asked = CompareRequest(database_url=config.database_url, scratch=str(scratch))
    changes = (await asyncio.to_thread(compare, asked, silent)).changes
    assert "remove" not in changes
    for table in ("item", "sku", "stock_event", "shopping_list_entry", "project_entry", "item_merge", "item_tag"):
        assert changes[table].examples_removed, table
    for table in sorted(result.rows):
        query = comparing._name_query(table, ["name"] if table == "setting" else ["1"])
        await schema.run_beside(config, query.replace("this.1 = ?", "1 = 0").replace("= ?", "= 'x'"))


@pytest.mark.one_database
def test_memory_does_not_grow_with_rows(config: Config, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    scratch = tmp_path / "place" / "scratch.db"
    with closing(sqlite3.connect(config.sqlite_path)) as live:
        with closing(sqlite3.connect(scratch)) as copy:
            live.backup(copy)
        live.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)"
            " INSERT INTO event_refusal (event_id, fingerprint, refusal, reason, recorded_at)"
            " SELECT printf('%08d', x), x, 'x', printf('%200d', x), '2026-01-01T00:00:00.000000Z' FROM n",
            (ROWS,),
        )
        live.commit()
    asked = CompareRequest(database_url=config.database_url, scratch=str(scratch))
    compare(asked, silent)
    before = psutil.Process(os.getpid()).memory_info().rss
    changes = compare(asked, silent).changes
    assert changes["event_refusal"].removed == ROWS
    assert changes["event_refusal"].examples_removed[0] == "event_id 00000001"
    assert psutil.Process(os.getpid()).memory_info().rss - before < GROWTH
    assert not (tmp_path / "place" / "live.db").exists()
