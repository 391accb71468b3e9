"""Increments: only the new events and the small tables, restored with the backups that they continue."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient

from stocky.backup.dump.format import LEDGER, read_header
from stocky.backup.service import Backups, verify_file
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import Config, load
from stocky.db.migrate import migrate
from stocky.db.migration_files import schema_version
from stocky.errors import Conflict
from stocky.progress import ProgressCallback
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import as_json, done, finished
from tests.backup.test_round_trip import data, fill, table_proofs_of
from tests.cli.running import stocky
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server

INCREMENTAL = {"kind": "sql", "incremental": True}


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


SILENT: ProgressCallback = silent


async def back_up(admin: AsyncClient, **options: Any) -> Json:
    """An incremental backup as it is listed."""
    backup: Json = await done(admin, await admin.post("/system/backup", json=INCREMENTAL | options))
    return backup


async def make(config: Config) -> StoredBackup:
    """An incremental backup without the API, as a command makes it."""
    return await Backups(config).create(Kind.SQL, Reason.COMMAND_LINE, SILENT, incremental=True)


def file_of(config: Config, backup: Json) -> Path:
    return config.backup_dir / str(backup["filename"])


def events_in(file: Path) -> list[int]:
    """The ids of the events in a dump."""
    beginning = f'INSERT INTO "{LEDGER}" VALUES('
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    return [int(each.removeprefix(beginning).partition(",")[0]) for each in lines if each.startswith(beginning)]


async def ledger(config: Config) -> list[int]:
    return [id for (id,) in await schema.run_beside(config, f"SELECT id FROM {LEDGER} ORDER BY id")]


async def test_chain_restores_every_state_of_it(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    states, chain = [data(config)], []
    base = await back_up(admin, verify=True)
    assert (base["is_increment"], base["parent_id"], base["base_id"]) == (False, None, None)
    chain.append(base)
    shelf = await new_location(admin, "Another shelf")
    tea, coffee = await new_item(admin, "Tea"), await new_item(admin, "Coffee", tags=["new"])
    await new_stock(admin, tea, shelf, 4)
    await new_stock(admin, coffee, shelf, 5, notes="it's\r\nnew")
    states.append(data(config))
    chain.append(await back_up(admin, verify=True))
    made(await admin.post(f"/items/{tea['id']}/merge", json={"into": coffee["id"]}))
    states.append(data(config))
    chain.append(await back_up(admin, verify=True))
    made(await admin.post(f"/items/{tea['id']}/unmerge"))
    made(await admin.patch(f"/items/{coffee['id']}", json={"name": "Coffee beans"}))
    states.append(data(config))
    chain.append(await back_up(admin, verify=True))
    for number, each in enumerate(chain[1:], 1):
        assert each["is_increment"] is True
        assert each["is_good"] is True
        assert each["parent_id"] == chain[number - 1]["timestamp"]
        assert each["base_id"] == base["timestamp"]
        assert each["rows"][LEDGER] == len(states[number][LEDGER])
    found = [events_in(file_of(config, each)) for each in chain]
    assert [id for part in found for id in part] == await ledger(config), "each event is in one of them"
    for number in (3, 1, 2, 0):
        await new_item(admin, f"Lost {number}")
        result = await done(admin, await admin.post(f"/system/backup/{chain[number]['timestamp']}/restore?force=true"))
        assert result["rows"][LEDGER]["after"] == len(states[number][LEDGER])
        assert data(config) == states[number]
        assert await find_faults(config) == []


async def test_increment_after_a_restore_is_whole(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    base = await back_up(admin)
    await done(admin, await admin.post(f"/system/backup/{base['timestamp']}/restore?force=true"))
    again = await back_up(admin, verify=True)
    assert (again["is_increment"], again["is_good"]) == (False, True)
    assert (await back_up(admin))["parent_id"] == again["timestamp"]


async def test_increment_without_new_events_restores(admin: AsyncClient, config: Config) -> None:
    await back_up(admin)
    await new_item(admin, "Nothing in stock")
    increment = await back_up(admin, verify=True)
    assert (increment["is_increment"], increment["is_good"]) == (True, True)
    before = data(config)
    await new_item(admin, "Lost")
    await done(admin, await admin.post(f"/system/backup/{increment['timestamp']}/restore?force=true"))
    assert data(config) == before


async def test_dry_run_and_partial_import_use_the_chain(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    await back_up(admin)
    shelf = await new_location(admin, "Another shelf")
    await new_stock(admin, await new_item(admin, "Tea"), shelf, 4)
    increment = await back_up(admin)
    await new_item(admin, "Later")
    answer = await admin.post(f"/system/backup/{increment['timestamp']}/restore?dry_run=true")
    changes = (await done(admin, answer))["changes"]
    assert changes["item"]["examples_removed"] == ["Later"]
    assert LEDGER not in changes
    # An increment that is uploaded finds what it continues among the stored backups.
    body = as_json(file_of(config, increment).read_bytes(), force=True)
    assert made(await admin.post("/backup/import/full", json=body | {"dry_run": True}))["dry_run"]
    imported = made(await admin.post("/backup/import/partial", json=body))
    assert imported["records_imported"] == 0
    assert imported["records_skipped"] > len(await ledger(config))


async def test_chain_restores_on_the_other_database(
    admin: AsyncClient, config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await fill(admin)
    chain = [await back_up(admin)]
    shelf = await new_location(admin, "Another shelf")
    for name in ("Tea", "Coffee"):
        await new_stock(admin, await new_item(admin, name), shelf, 4)
        chain.append(await back_up(admin))
    whole = await done(admin, await admin.post("/system/backup", json={"kind": "sql"}))
    before = table_proofs_of(file_of(config, whole).read_bytes(), tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Under other names, and without their metadata.
    files = [elsewhere / f"part-{number}.sql.gz" for number in range(3)]
    for each, file in zip(chain, files, strict=True):
        shutil.copy(file_of(config, each), file)
    other = "sqlite" if dialect != "sqlite" else "postgres-embedded"
    (tmp_path / "other").mkdir()
    with databases.empty(other, tmp_path / "other") as url:
        environ = environment(url, tmp_path / "other")
        checked = await asyncio.to_thread(stocky, environ, "verify", str(files[-1]))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        restored = await asyncio.to_thread(stocky, environ, "restore", str(files[-1]), "--force")
        assert restored.returncode == 0, restored.stderr
        assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0
        back = tmp_path / "back.sql.gz"
        assert (await asyncio.to_thread(stocky, environ, "backup", "-o", str(back))).returncode == 0
    after = table_proofs_of(back.read_bytes(), tmp_path)
    # The whole backup was made after the last increment, and its job's audit entry with it.
    assert {table for table in before if before[table] != after[table]} <= {"auth_revision", "audit_entry"}


async def test_missing_parent_is_named(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await fill(admin)
    base = await back_up(admin)
    await new_item(admin, "Tea")
    increment = await back_up(admin, verify=True)
    before = data(config)
    file_of(config, base).rename(tmp_path / "moved")
    refusal = f"cannot be restored without {base['filename']}"
    job = await finished(
        admin,
        (await admin.post(f"/system/backup/{increment['timestamp']}/restore?force=true")).json()["job_id"],
    )
    assert (job["status"], refusal in job["error"]) == ("failed", True), job
    assert data(config) == before
    listed = next(
        each for each in await get(admin, "/system/backup/list") if each["timestamp"] == increment["timestamp"]
    )
    assert (listed["is_good"], listed["parent_id"], listed["base_id"]) == (False, None, None)
    assert "the backup that it continues is missing" in listed["problems"][0]
    body = as_json(file_of(config, increment).read_bytes(), force=True)
    refused(await admin.post("/backup/import/full", json=body), 400, refusal)
    # It is found again, wherever it is put back and under any name.
    (tmp_path / "moved").rename(config.backup_dir / "a copy.sql.gz")
    assert (await verify_file(config, file_of(config, increment), SILENT)).problems == []


@pytest.mark.parametrize("how", ["damaged", "exchanged"])
async def test_damaged_or_exchanged_parent_is_refused(admin: AsyncClient, config: Config, how: str) -> None:
    await fill(admin)
    base = await back_up(admin)
    await new_item(admin, "Tea")
    increment = await back_up(admin, verify=True)
    file = file_of(config, base)
    content = bytearray(file.read_bytes())
    if how == "damaged":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        other = await done(admin, await admin.post("/system/backup", json={"kind": "sql"}))
        shutil.copy(file_of(config, other), file)
    (problem,) = (await verify_file(config, file_of(config, increment), SILENT)).problems
    assert base["filename"] in problem
    assert "is not the one it continues" in problem
    tested = await done(admin, await admin.post(f"/system/backup/{increment['timestamp']}/verify"))
    assert tested["is_good"] is False
    # A chain that is not as it was made is not continued.
    assert (await back_up(admin))["is_increment"] is False


async def test_problem_of_a_parent_is_one_of_its_increments(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    base = await back_up(admin)
    increment = await back_up(admin, verify=True)
    assert increment["is_good"] is True
    file = file_of(config, base)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    await done(admin, await admin.post(f"/system/backup/{base['timestamp']}/verify"))
    listed = {each["timestamp"]: each for each in await get(admin, "/system/backup/list")}
    assert listed[base["timestamp"]]["is_good"] is False
    assert listed[increment["timestamp"]]["problems"] == [f"It continues {base['filename']}, which does not restore"]


async def test_backup_that_increments_continue_is_not_deleted(admin: AsyncClient, config: Config) -> None:
    chain = [await back_up(admin) for _ in range(3)]
    answer = await admin.delete(f"/system/backup/{chain[0]['timestamp']}")
    refused(answer, 409, chain[2]["filename"], chain[1]["filename"])
    refused(await admin.delete(f"/system/backup/{chain[1]['timestamp']}"), 409, chain[2]["filename"])
    for each in reversed(chain):
        assert (await admin.delete(f"/system/backup/{each['timestamp']}")).status_code == 204
    assert await get(admin, "/system/backup/list") == []


async def test_incremental_archive_is_refused(admin: AsyncClient) -> None:
    answer = await admin.post("/system/backup", json={"kind": "archive", "incremental": True})
    refused(answer, 422, "use kind sql")


async def test_events_added_below_the_end_make_a_new_base(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    await add_event(config, 1_000)
    await back_up(admin)
    await add_event(config, 500)
    again = await back_up(admin, verify=True)
    assert (again["is_increment"], again["is_good"]) == (False, True)


async def test_changed_last_event_makes_a_new_base(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    await back_up(admin)
    changed = f"UPDATE {LEDGER} SET note = 'changed' WHERE id = (SELECT max(id) FROM {LEDGER})"
    await asyncio.to_thread(schema.falsify, config, changed)
    assert (await back_up(admin))["is_increment"] is False


async def add_event(config: Config, id: int) -> None:
    """Adds an event that changes nothing, as an import of rows does."""
    columns = "kind, item_id, location_id, sku_id, quantity_after_milli, occurred_at, recorded_at"
    await schema.run_beside(
        config,
        f"INSERT INTO {LEDGER} (id, delta_milli, {columns}) SELECT {id}, 0, 'set', {columns.removeprefix('kind, ')}"
        f" FROM {LEDGER} WHERE id = (SELECT max(id) FROM {LEDGER} WHERE id < {id}) RETURNING id",
    )


async def test_older_schema_makes_a_base_of_its_own(databases: TestDatabases, dialect: str, tmp_path: Path) -> None:
    with databases.empty(dialect, tmp_path) as url:
        config = load(environment(url, tmp_path))
        await asyncio.to_thread(migrate, config, through=schema_version(config.dialect) - 1)
        first, second = await make(config), await make(config)
        assert (first.parent_sha256, second.parent_sha256) == (None, first.sha256)
        await asyncio.to_thread(migrate, config)
        third = await make(config)
        assert third.parent_sha256 is None
        assert third.schema_version == schema_version(config.dialect)
        assert (await make(config)).parent_sha256 == third.sha256
        # One of the older schema is migrated with its chain.
        assert (await Backups(config).verify(second.id, SILENT)).problems == []


async def test_older_stocky_refuses_an_increment(admin: AsyncClient, config: Config) -> None:
    base = await back_up(admin)
    increment = await back_up(admin)
    for backup, number in ((base, 1), (increment, 2)):
        text = gzip.decompress(file_of(config, backup).read_bytes()).decode()
        header = read_header(text)
        assert header is not None
        assert (header.format, header.increment is not None) == (number, number == 2)
        # What says whether it is one, and of what, is not left to chance.
        for wrong in (text.replace(f"-- format: {number}\n", f"-- format: {3 - number}\n", 1),):
            body = as_json(gzip.compress(wrong.encode()), force=True)
            refused(await admin.post("/backup/import/full", json=body), 400, "damaged")


async def test_parent_that_is_deleted_meanwhile_fails_the_increment(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = await make(config)
    backups = Backups(config)

    def deleting(phase: str, done: int, total: int | None, unit: str) -> None:
        # By another process, which does not know that it is being continued.
        (config.backup_dir / base.filename).unlink(missing_ok=True)

    with pytest.raises(Conflict, match="was deleted while its increment was made"):
        await backups.create(Kind.SQL, Reason.COMMAND_LINE, deleting, incremental=True)
    assert [each.parent_sha256 for each in await backups.list_backups()] == []


async def test_metadata_of_a_copied_chain_is_known_once_it_is_verified(admin: AsyncClient, config: Config) -> None:
    base, increment = await back_up(admin), await back_up(admin)
    for each in (base, increment):
        file_of(config, each).with_name(f"{each['filename']}.json").unlink()
    for each in (base, increment):
        await done(admin, await admin.post(f"/system/backup/{each['timestamp']}/verify"))
    backups = Backups(config)
    stored = await backups.get_backup(increment["timestamp"])
    assert (stored.reason, stored.is_good) == (Reason.FOUND, True)
    assert stored.parent_sha256 == base["sha256"]
    assert stored.rows == increment["rows"]
    assert all(each.is_good for each in await backups.list_backups())


def test_command_makes_and_restores_increments(environ: dict[str, str]) -> None:
    config = load(environ)
    made = [json.loads(stocky(environ, "backup", "--incremental", "--json").stdout) for _ in range(3)]
    headers = [read_header(gzip.decompress(Path(each["file"]).read_bytes()).decode()) for each in made]
    assert [each is not None and each.increment is not None for each in headers] == [False, True, True]
    names = [Path(each["file"]).name for each in made]
    assert [each["continues"] for each in made] == [[], names[:1], names[1::-1]]
    assert (
        f"A restore also needs: {names[2]}, {names[1]}, {names[0]}" in stocky(environ, "backup", "--incremental").stdout
    )
    last = made[-1]["file"]
    assert stocky(environ, "verify", last).returncode == 0
    restored = stocky(environ, "restore", last, "--force")
    assert restored.returncode == 0, restored.stderr
    for wrong in (["-o", "file.sql.gz"], ["--kind", "archive"]):
        refusal = stocky(environ, "backup", "--incremental", *wrong)
        assert refusal.returncode == 2
        assert "--incremental makes a stored backup of the database" in refusal.stderr
    assert not any(config.backup_dir.glob(".work-*"))


def test_stored_metadata_of_before_has_no_chain() -> None:
    stored = StoredBackup(id="x", kind=Kind.SQL, filename="x", size_bytes=1, created_at="2026-01-01T00:00:00Z")  # type: ignore[arg-type]  # encoded as it is
    decoded = msgspec.json.decode(msgspec.json.encode(stored), type=StoredBackup)
    assert (decoded.parent_sha256, decoded.base_sha256, decoded.mark) == (None, None, None)
