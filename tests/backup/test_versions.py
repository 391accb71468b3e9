"""Dumps of other versions: an older schema is migrated, a newer one rejected."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.config import Config, load
from stocky.db.migrate import migrate
from stocky.db.migration_files import schema_version
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import as_json, packed, restore, take, text_of
from tests.cli.running import stocky
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.inventory import get, made, refused
from tests.old_schema import make_old
from tests.people import NOBODYS_HASH

pytestmark = pytest.mark.one_server


def changed(dump: bytes, old: str, new: str) -> bytes:
    text = text_of(dump)
    assert old in text
    return packed(text.replace(old, new, 1))


async def test_dump_of_the_previous_schema_restores_and_is_migrated(
    admin: AsyncClient, config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    with databases.empty(dialect, tmp_path / "old") as url:
        environ = environment(url, tmp_path / "old")
        older = load(environ)
        current = schema_version(config.dialect)
        # In a thread, since the application needs the event loop for its connections.
        await asyncio.to_thread(migrate, older, through=current - 1)
        now = "'2026-01-01T00:00:00.000000Z'"
        (
            await asyncio.to_thread(
                schema.run,
                older,
                "INSERT INTO user_account (username, email, password_hash, role, is_active, created_at, updated_at)"
                f" VALUES ('admin', 'a@example.org', '{NOBODYS_HASH}', 'admin', TRUE, {now}, {now}) RETURNING id",
            )
        )
        (
            await asyncio.to_thread(
                schema.run,
                older,
                "INSERT INTO location (name, storage_type, created_at, updated_at)"
                f" VALUES ('The old shelf', 'pantry', {now}, {now}) RETURNING id",
            )
        )
        file = tmp_path / "old.sql.gz"
        done = await asyncio.to_thread(stocky, environ, "backup", "-o", str(file))
        assert done.returncode == 0, done.stderr
    assert f"-- schema: {current - 1}\n" in gzip.decompress(file.read_bytes()).decode()
    environ = environment(config.database_url, config.data_dir)
    verified = await asyncio.to_thread(stocky, environ, "verify", str(file))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    answer = made(await admin.post("/backup/import/full", json=as_json(file.read_bytes(), force=True)))
    assert any("older version" in warning for warning in answer["warnings"])
    assert (await asyncio.to_thread(schema.run, config, "SELECT name FROM location")) == [("The old shelf",)]
    assert (await asyncio.to_thread(schema.run, config, "SELECT count(*) FROM setting")) == [(0,)]


async def test_dump_of_an_older_schema_gets_the_barcode_keys_of_the_migration(
    admin: AsyncClient, config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    codes = ["COLA\r", "COLA", "04252614", "042100005264", "0-306-40615-2", "]C0free", "4006381333931 "]
    with databases.empty(dialect, tmp_path / "old") as url:
        environ = environment(url, tmp_path / "old")
        older = load(environ)
        await asyncio.to_thread(make_old, older, 23)
        for code in codes:
            key = "00042100005264" if code == "042100005264" else code
            row = f"INSERT INTO barcode (code, code_key, item_id, is_primary) VALUES ('{code}', '{key}', 1, FALSE)"
            await asyncio.to_thread(schema.run, older, row)
        file = tmp_path / "old.sql.gz"
        assert (await asyncio.to_thread(stocky, environ, "backup", "-o", str(file))).returncode == 0
        await asyncio.to_thread(migrate, older)
        wanted = "SELECT code, code_key, shared_key FROM barcode ORDER BY id"
        migrated = await asyncio.to_thread(schema.run, older, wanted)
    assert sum(shared is not None for _, _, shared in migrated) == 3
    await restore(admin, file.read_bytes())
    assert await asyncio.to_thread(schema.run, config, wanted) == migrated


async def test_dump_of_an_older_schema_gets_the_paths_of_the_migration(
    admin: AsyncClient, config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    now = "'2026-01-01T00:00:00.000000Z'"
    with databases.empty(dialect, tmp_path / "old") as url:
        environ = environment(url, tmp_path / "old")
        older = load(environ)
        await asyncio.to_thread(make_old, older, 24)
        for row in (
            "INSERT INTO location (name, storage_type, created_at, updated_at)"
            f" VALUES ('Äpfel', 'pantry', {now}, {now}), ('ÄPFEL ', 'other', {now}, {now})",
            "INSERT INTO box (box_no, name, storage_type, capacity, created_at, updated_at)"
            f" VALUES (7, 'Äpfel', 'other', 2, {now}, {now})",
            "INSERT INTO location (name, storage_type, box_no, loc_no, created_at, updated_at)"
            f" VALUES ('Box 7 / 1', 'other', 7, 1, {now}, {now}), ('Left', 'other', 7, 2, {now}, {now})",
        ):
            await asyncio.to_thread(schema.run, older, row)
        file = tmp_path / "old.sql.gz"
        assert (await asyncio.to_thread(stocky, environ, "backup", "-o", str(file))).returncode == 0
        await asyncio.to_thread(migrate, older)
        columns = "id, name, path, path_key, name_key, parent_id, box_no, loc_no, duplicate_no"
        wanted = f"SELECT {columns} FROM location ORDER BY id"
        migrated = await asyncio.to_thread(schema.run, older, wanted)
    assert [(path, bool(duplicate)) for _, _, path, *_, duplicate in migrated] == [
        ("Shelf", False),
        ("Äpfel", False),
        ("ÄPFEL", True),
        ("Äpfel / 1", False),
        ("Äpfel / Left", False),
        ("Äpfel", True),
    ]
    await restore(admin, file.read_bytes())
    assert await asyncio.to_thread(schema.run, config, wanted) == migrated
    assert await find_faults(config) == []


async def test_dump_of_a_newer_version_is_rejected(admin: AsyncClient, config: Config) -> None:
    dump = await take(admin)
    current = schema_version(config.dialect)
    newer = changed(dump, f"-- schema: {current}\n", f"-- schema: {current + 1}\n")
    for path in ("/backup/import/full", "/backup/import/partial"):
        refused(await admin.post(path, json=as_json(newer, force=True)), 409, "newer")
    later = changed(dump, "-- format: 1\n", "-- format: 3\n")
    refused(await admin.post("/backup/import/full", json=as_json(later, force=True)), 409, "newer")
    assert len(await get(admin, "/users/")) == 4


async def test_dump_with_damaged_header_is_rejected(admin: AsyncClient) -> None:
    dump = await take(admin)
    for old, new in (("-- rows: {", "-- rows: ["), ("-- schema: ", "-- shema: "), ("-- schema: ", "-- schema: x")):
        refused(await admin.post("/backup/import/full", json=as_json(changed(dump, old, new), force=True)), 400)
    without = packed(text_of(dump).split("\n", 1)[1])
    refused(await admin.post("/backup/import/full", json=as_json(without, force=True)), 400, "first lines")
