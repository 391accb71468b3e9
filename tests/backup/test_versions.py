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
from tests.architecture import schema
from tests.backup.dumps import as_json, packed, take, text_of
from tests.cli.running import stocky
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.inventory import get, made, refused
from tests.people import NOBODYS_HASH

pytestmark = pytest.mark.one_postgres


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


async def test_dump_of_a_newer_version_is_rejected(admin: AsyncClient, config: Config) -> None:
    dump = await take(admin)
    current = schema_version(config.dialect)
    newer = changed(dump, f"-- schema: {current}\n", f"-- schema: {current + 1}\n")
    for path in ("/backup/import/full", "/backup/import/partial"):
        refused(await admin.post(path, json=as_json(newer, force=True)), 409, "newer")
    later = changed(dump, "-- format: 1\n", "-- format: 2\n")
    refused(await admin.post("/backup/import/full", json=as_json(later, force=True)), 409, "newer")
    assert len(await get(admin, "/users/")) == 4


async def test_dump_with_damaged_header_is_rejected(admin: AsyncClient) -> None:
    dump = await take(admin)
    for old, new in (("-- rows: {", "-- rows: ["), ("-- schema: ", "-- shema: "), ("-- schema: ", "-- schema: x")):
        refused(await admin.post("/backup/import/full", json=as_json(changed(dump, old, new), force=True)), 400)
    without = packed(text_of(dump).split("\n", 1)[1])
    refused(await admin.post("/backup/import/full", json=as_json(without, force=True)), 400, "first lines")
