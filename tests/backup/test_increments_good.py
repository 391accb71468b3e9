"""No increment is called good whose chain is incomplete, damaged or not known, and what was mended is good again."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.backup.dump.format import LEDGER
from stocky.backup.service import Backups, verify_file
from stocky.backup.store import Store, StoredBackup
from stocky.config import Config
from tests.architecture import schema
from tests.backup.dumps import as_json, done
from tests.backup.test_increments import SILENT, back_up, file_of, make
from tests.inventory import Json, get, new_item, refused

pytestmark = pytest.mark.one_server


async def listed(admin: AsyncClient, backup: Json) -> Json:
    """The backup as it is listed now."""
    backups: list[Json] = await get(admin, "/system/backup/list")
    return next(each for each in backups if each["timestamp"] == backup["timestamp"])


async def chain(admin: AsyncClient, length: int = 2) -> list[Json]:
    """A chain of good backups, its base first."""
    backups = []
    for number in range(length):
        await new_item(admin, f"Item {number}")
        backups.append(await back_up(admin, verify=True))
    assert [each["is_increment"] for each in backups] == [False] + [True] * (length - 1)
    assert all(each["is_good"] for each in backups)
    return backups


def flip(file: Path) -> None:
    """Changes a byte in the middle, or changes it back."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["deleted", "truncated", "replaced"])
async def test_lost_base_is_noticed_beside_files_of_unknown_content(
    admin: AsyncClient, config: Config, how: str
) -> None:
    base, increment = await chain(admin)
    file = file_of(config, base)
    (config.backup_dir / "from elsewhere.sql.gz").write_bytes(gzip.compress(b"-- Stocky backup\n"))
    if how == "deleted":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100] if how == "truncated" else gzip.compress(b"-- Stocky backup\n"))
    found = await listed(admin, increment)
    assert (found["is_good"], found["base_id"]) == (False, None)
    assert found["problems"] == [
        f"{increment['filename']} is an increment, and the backup that it continues is missing"
    ]


async def test_base_under_another_name_counts_by_its_content(admin: AsyncClient, config: Config) -> None:
    base, increment = await chain(admin)
    moved = config.backup_dir / "a copy.sql.gz"
    file_of(config, base).rename(moved)
    found = await listed(admin, increment)
    copied = next(each for each in await get(admin, "/system/backup/list") if each["filename"] == moved.name)
    assert (found["is_good"], found["base_id"]) == (True, copied["timestamp"])
    assert (await admin.delete(f"/system/backup/{copied['timestamp']}")).status_code == 409
    flip(moved)
    assert (await listed(admin, increment))["is_good"] is False
    flip(moved)
    assert (await listed(admin, increment))["is_good"] is True


async def test_damage_found_while_an_increment_is_made_is_noted(admin: AsyncClient, config: Config) -> None:
    base, first, second = await chain(admin, 3)
    file = file_of(config, first)
    flip(file)
    whole = await back_up(admin, verify=True)
    assert (whole["is_increment"], whole["is_good"]) == (False, True)
    problem = f"{first['filename']} is damaged: its SHA-256 is not the one it was made with"
    assert (await listed(admin, first))["problems"] == [problem]
    found = await listed(admin, second)
    assert found["problems"] == [f"It continues {first['filename']}, which does not restore"]
    assert ((await listed(admin, base))["is_good"], found["is_good"]) == (True, False)
    # An undamaged copy was put in its place.
    flip(file)
    assert (await done(admin, await admin.post(f"/system/backup/{first['timestamp']}/verify")))["is_good"] is True
    assert (await listed(admin, second))["is_good"] is True


async def test_parent_that_expires_meanwhile_makes_a_base(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(config)
    begin_test = Store.begin_test

    def expired(store: Store, id: str) -> StoredBackup:
        store.remove_backup(id)
        return begin_test(store, id)

    monkeypatch.setattr(Store, "begin_test", expired)
    again = await make(config)
    assert again.parent_sha256 is None
    assert [each.id for each in await Backups(config).list_backups()] == [again.id]


async def test_column_that_a_user_computes_does_not_prevent_an_increment(admin: AsyncClient, config: Config) -> None:
    stored = "VIRTUAL" if config.dialect == "sqlite" else "STORED"
    for table, text in (("item", "name"), (LEDGER, "kind")):
        column = f"ALTER TABLE {table} ADD COLUMN loud TEXT GENERATED ALWAYS AS (upper({text})) {stored}"
        await schema.run_beside(config, column)
    await chain(admin)


async def test_parent_is_found_beside_files_that_vanish_and_under_no_impossible_name(
    admin: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, increment = await chain(admin)
    content = file_of(config, increment).read_bytes()
    text = gzip.decompress(content).decode().replace(base["filename"], "x" * 5_000)
    body = as_json(gzip.compress(text.encode()), force=True)
    refused(await admin.post("/backup/import/full", json=body), 400, "damaged")
    file_of(config, base).rename(config.backup_dir / "a copy.sql.gz")
    iterdir = Path.iterdir

    def with_vanished(directory: Path) -> Iterator[Path]:
        yield directory / "vanished"
        yield from iterdir(directory)

    monkeypatch.setattr(Path, "iterdir", with_vanished)
    assert (await verify_file(config, file_of(config, increment), SILENT)).problems == []
