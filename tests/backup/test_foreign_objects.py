"""Foreign objects in a database: no backup holds them, each backup warns about them, and restores anyway."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import asyncpg
import pytest
from httpx import AsyncClient

from stocky.backup.copy import copy
from stocky.backup.dump.foreign_objects import NAMED, foreign_objects_in_postgres, foreign_objects_in_sqlite
from stocky.backup.dump.objects import Objects, stocky_objects
from stocky.backup.dump.tables import is_index_of_search
from stocky.backup.service import dump_to_file, verify_file
from stocky.config import Config, load
from stocky.stock.consistency import find_faults
from tests.architecture.schema import run, run_beside
from tests.backup.by_hand import restore_by_hand
from tests.backup.dumps import as_json, packed, restore, take, text_of
from tests.backup.test_dump import fill, ignore_progress
from tests.cli.running import stocky
from tests.conftest import TestDatabases, settings
from tests.inventory import get, made, refused

ON_BOTH = {
    "CREATE INDEX stock_event_by_sku ON stock_event (sku_id)": "index stock_event_by_sku",
    "CREATE UNIQUE INDEX item_by_seller ON item (seller, id)": "index item_by_seller",
    "ALTER TABLE item ADD COLUMN shop_number TEXT DEFAULT 'none'": "column item.shop_number",
}
ON_SQLITE = {
    "CREATE TRIGGER item_seen AFTER UPDATE ON item BEGIN SELECT 1; END": "trigger item_seen",
    "CREATE VIEW shelves AS SELECT name FROM location": "view shelves",
}
ON_POSTGRES = {
    "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$": "function seen",
    "CREATE TRIGGER item_seen AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION seen()": "trigger item_seen",
    "ALTER TABLE box ADD CONSTRAINT box_twice UNIQUE (capacity, box_no)": "constraint box.box_twice",
    "CREATE SEQUENCE numbers": "sequence numbers",
    "CREATE TABLE neighbour (id INTEGER PRIMARY KEY, name TEXT UNIQUE)": "table neighbour",
    "ALTER TABLE scanner ADD CONSTRAINT beside FOREIGN KEY (location_id) REFERENCES neighbour (id)": (
        "constraint scanner.beside"
    ),
}
TABLES_OF_SQLITE = {
    "CREATE TABLE neighbour (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)": "table neighbour",
    "INSERT INTO neighbour (name) VALUES ('kept')": "",
    "CREATE VIRTUAL TABLE words USING fts5 (word)": "table words",
    'CREATE TABLE "odd \'name" (x)': "table odd 'name",
    "ANALYZE": "",
}


def make(config: Config, *, tables: bool = True) -> set[str]:
    """Creates foreign objects; returns their names. Without `tables` only those that do not block a restore."""
    own = {**ON_SQLITE, **(TABLES_OF_SQLITE if tables else {})} if config.dialect == "sqlite" else ON_POSTGRES
    for statement in {**ON_BOTH, **own}:
        run(config, statement)
    return {name for name in {**ON_BOTH, **own}.values() if name}


def found(config: Config) -> list[str]:
    if config.dialect == "sqlite":
        with closing(sqlite3.connect(config.sqlite_path)) as connection:
            return foreign_objects_in_sqlite(connection)

    async def ask() -> list[str]:
        connection = await asyncpg.connect(config.database_url)
        try:
            return await foreign_objects_in_postgres(connection)
        finally:
            await connection.close()

    return asyncio.run(ask())


def named_in(warnings: list[str], names: set[str]) -> bool:
    """Whether the text lists all names, or the maximum number and a count of the rest."""
    text = " ".join(warnings)
    named = {name for name in names if name in text}
    return named == names or (f" and {len(names) - NAMED} more" in text and len(named) == NAMED)


def test_known_objects_are_those_of_the_migrations(config: Config) -> None:
    assert found(config) == []
    known = stocky_objects(config.dialect)
    assert {name for name in _present(config) if not is_index_of_search(name)} >= _names(known)


def _names(known: Objects) -> set[str]:
    objects = known.tables | known.views | known.functions | known.indexes | known.triggers
    return {name for name in objects if not is_index_of_search(name)}


def _present(config: Config) -> set[str]:
    query = "SELECT name FROM sqlite_schema"
    if config.dialect == "postgres":
        query = "SELECT relname FROM pg_class UNION SELECT proname FROM pg_proc UNION SELECT tgname FROM pg_trigger"
    return {name for (name,) in run(config, query)}


@pytest.fixture
def elsewhere(dialect: str, databases: TestDatabases, tmp_path: Path) -> Iterator[Config]:
    """An empty database of the same kind."""
    (tmp_path / "elsewhere").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(databases.empty(dialect, tmp_path / "elsewhere"))
        yield load(settings(url, tmp_path / "elsewhere"))


async def test_backup_warns_about_foreign_objects_and_restores(
    admin: AsyncClient, config: Config, elsewhere: Config, tmp_path: Path
) -> None:
    await fill(admin)
    names = await asyncio.to_thread(make, config)
    file = tmp_path / "dump.sql.gz"
    result = await dump_to_file(config, file, ignore_progress)
    assert named_in(result.warnings, names)
    text = gzip.decompress(file.read_bytes()).decode()
    for word in ("stock_event_by_sku", "item_by_seller", "shop_number", "item_seen", "shelves", "neighbour", "words"):
        assert word not in text
    assert (await verify_file(config, file, ignore_progress)).problems == []
    restore_by_hand(file, elsewhere.database_url)
    assert await find_faults(elsewhere) == []
    assert await find_faults(config) == []
    assert await asyncio.to_thread(found, elsewhere) == []


async def test_response_list_and_log_warn_once(
    admin: AsyncClient, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(run, config, "CREATE INDEX stock_event_by_sku ON stock_event (sku_id)")
    with caplog.at_level(logging.WARNING):
        answers = [made(await admin.post("/backup/create/full")) for _ in range(2)]
        await take(admin)
    for answer in answers:
        assert answer["warnings"] == [
            "Not in the backup, because these objects are not Stocky's: index stock_event_by_sku"
        ]
    assert [backup["warnings"] for backup in await get(admin, "/system/backup/list")] == [
        answer["warnings"] for answer in answers
    ]
    assert [record.message for record in caplog.records].count(answers[0]["warnings"][0]) == 1


@pytest.mark.one_server
def test_command_line_warns_about_foreign_objects(environ: dict[str, str], config: Config, tmp_path: Path) -> None:
    run(config, "CREATE INDEX stock_event_by_sku ON stock_event (sku_id)")
    warning = "stocky: Not in the backup, because these objects are not Stocky's: index stock_event_by_sku\n"
    for name in ("a.sql.gz", "a.zip"):
        done = stocky(environ, "backup", "-o", str(tmp_path / name))
        assert done.returncode == 0
        assert warning in done.stderr
    assert stocky(environ, "verify", str(tmp_path / "a.sql.gz")).returncode == 0


async def test_restore_warns_about_objects_lost_with_tables(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    dump = await take(admin)
    await asyncio.to_thread(make, config, tables=False)
    answer = made(await admin.post("/backup/import/full", json=as_json(dump, dry_run=True)))
    (warning,) = [each for each in answer["warnings"] if each.startswith("Would be lost")]
    for name in ("index stock_event_by_sku", "index item_by_seller", "column item.shop_number", "trigger item_seen"):
        assert name in warning
    if config.dialect == "postgres":
        # Objects that depend on the tables are not dropped with them.
        await run_beside(config, "ALTER TABLE scanner DROP CONSTRAINT beside")
    answer = await restore(admin, dump)
    assert any(each.startswith("Lost with their tables") for each in answer["warnings"])
    left = await asyncio.to_thread(found, config)
    assert left == ([] if config.dialect == "sqlite" else ["function seen", "sequence numbers", "table neighbour"])
    assert await find_faults(config) == []


async def test_restore_keeps_foreign_table_or_is_rejected(admin: AsyncClient, config: Config) -> None:
    dump = await take(admin)
    for statement in ("CREATE TABLE neighbour (name TEXT)", "INSERT INTO neighbour VALUES ('kept')"):
        await run_beside(config, statement)
    answer = await admin.post("/backup/import/full", json=as_json(dump, force=True))
    if config.dialect == "sqlite":
        refused(answer, 409, "table neighbour")
    else:
        made(answer)
    assert await run_beside(config, "SELECT name FROM neighbour") == [("kept",)]


async def test_partial_import_works_beside_foreign_objects(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    dump = await take(admin)
    await asyncio.to_thread(make, config)
    answer = made(await admin.post("/backup/import/partial", json=as_json(dump, force=True)))
    assert answer["records_imported"] == 0
    assert answer["records_skipped"] > 0


@pytest.mark.one_server
async def test_copy_warns_about_foreign_objects(admin: AsyncClient, config: Config, elsewhere: Config) -> None:
    await fill(admin)
    names = await asyncio.to_thread(make, config)
    copied = await copy(config, elsewhere, ignore_progress)
    assert named_in(copied.warnings, names)
    assert await asyncio.to_thread(found, elsewhere) == []


async def test_old_backup_with_foreign_index_restores(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    text = text_of(await take(admin))
    statement = (
        "CREATE INDEX stock_event_by_sku ON stock_event (sku_id);\n"
        if config.dialect == "sqlite"
        else "CREATE INDEX stock_event_by_sku ON stock_event USING btree (sku_id);\n"
    )
    body, _, _ = text.replace("COMMIT;\n", f"{statement}COMMIT;\n").rpartition("-- complete: ")
    await restore(admin, packed(body + _footer(body, text)))
    assert await asyncio.to_thread(found, config) == []


def _footer(body: str, text: str) -> str:
    """The footer for a changed text with the same rows."""
    footer = json.loads(text.rpartition("-- complete: ")[2])
    return f"-- complete: {json.dumps(footer | {'sha256': hashlib.sha256(body.encode()).hexdigest()})}\n"
