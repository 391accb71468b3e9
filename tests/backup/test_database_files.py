"""SQLite files as backups: only their rows are read, as data; damaged and malicious files are rejected."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.config import Config
from stocky.config import load as load_config
from stocky.db.migrate import migrate
from stocky.db.migration_files import schema_version
from stocky.errors import BadRequest, Conflict, StockyError, TooLarge
from tests.architecture import schema
from tests.backup.test_backup_api import UPLOAD_FULL
from tests.cli.running import stocky
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.faults.backup_damage import DAMAGES
from tests.inventory import get, made, refused
from tests.people import NOBODYS_HASH

pytestmark = pytest.mark.one_server

NOW = "'2026-01-01T00:00:00.000000Z'"
SHELF = (
    "INSERT INTO location (name, storage_type, created_at, updated_at)"
    f" VALUES ('The old shelf', 'pantry', {NOW}, {NOW})"
)


@pytest.fixture
def old(databases: TestDatabases, tmp_path: Path) -> Path:
    """A SQLite file of another Stocky, with its last rows in the -wal file."""
    (tmp_path / "live").mkdir()
    (tmp_path / "old").mkdir()
    copied = tmp_path / "old" / "stocky.db"
    with databases.copy("sqlite", tmp_path / "live") as url:
        live = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(live)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SHELF)
            connection.commit()
            for suffix in ("", "-wal"):
                shutil.copy(f"{live}{suffix}", f"{copied}{suffix}")
    assert copied.with_name("stocky.db-wal").stat().st_size > 0
    return copied


@pytest.fixture
def closed(old: Path) -> Path:
    """The same after a clean stop, without a -wal file."""
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    assert [file.name for file in old.parent.iterdir()] == ["stocky.db"]
    return old


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


def loaded(file: Path, directory: Path, *, max_bytes: int = 2**30) -> LoadResult:
    directory = directory / "place"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return load(
        LoadRequest(dump=str(file), scratch=str(directory / "scratch.db"), purpose="full", max_bytes=max_bytes), silent
    )


def state(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_command_line_restores_database_file_with_wal(environ: dict[str, str], config: Config, old: Path) -> None:
    before = state(old.parent)
    verified = stocky(environ, "verify", str(old))
    assert (verified.returncode, "as it was backed up" in verified.stdout) == (0, False), verified.stdout
    trial = stocky(environ, "restore", str(old), "--dry-run")
    assert (trial.returncode, "0 -> 1" in trial.stdout) == (0, True), trial.stderr
    done = stocky(environ, "restore", str(old), "--force")
    assert done.returncode == 0, done.stderr
    assert schema.run(config, "SELECT name FROM location") == [("The old shelf",)]
    assert stocky(environ, "check").returncode == 0
    # No file in its directory was created, changed or removed.
    assert state(old.parent) == before


async def test_database_file_is_uploaded_restored_and_imported(
    admin: AsyncClient, closed: Path, databases: TestDatabases
) -> None:
    content = await asyncio.to_thread(closed.read_bytes)
    for name in ("stocky.db", "stocky (1).sqlite3"):
        files = {"file": (name, content, "application/octet-stream")}
        answer = made(await admin.post(f"{UPLOAD_FULL}?dry_run=true", files=files))
        assert answer["rows"]["location"] == {"before": 0, "after": 1}
    files = {"file": ("stocky.db.gz", gzip.compress(content), "application/gzip")}
    added = made(await admin.post("/backup/upload/import/partial?force=true", files=files))
    assert (added["tables_affected"], added["records_imported"]) == (["locations"], 1)
    answer = made(await admin.post(f"{UPLOAD_FULL}?force=true", files=files))
    assert answer["safety_backup"] is not None
    # The users of the file exist now, with their keys.
    admin.headers["X-API-Key"] = databases.keys["sqlite"]["admin"]
    assert [each["name"] for each in await get(admin, "/locations/")] == ["The old shelf"]
    cut = {"file": ("stocky.db", content[: len(content) // 2], "application/octet-stream")}
    refused(await admin.post(f"{UPLOAD_FULL}?force=true", files=cut), 400, "damaged")


async def test_wal_mode_file_without_wal_is_accepted_with_a_warning(old: Path, tmp_path: Path) -> None:
    assert loaded(old, tmp_path).warnings == []
    old.with_name("stocky.db-wal").unlink()
    result = loaded(old, tmp_path)
    assert result.rows["location"] == 0
    assert "the last changes are missing" in result.warnings[0]


@pytest.mark.one_database
def test_older_schema_is_migrated_and_newer_rejected(closed: Path, tmp_path: Path) -> None:
    older = tmp_path / "older" / "stocky.db"
    older.parent.mkdir()
    config = load_config(environment(f"sqlite:///{older}", older.parent))
    current = schema_version("sqlite")
    migrate(config, through=current - 1)
    with closing(sqlite3.connect(older)) as connection:
        connection.execute(SHELF)
        connection.execute(
            "INSERT INTO user_account (username, email, password_hash, role, is_active, created_at, updated_at)"
            f" VALUES ('admin', 'a@example.org', '{NOBODYS_HASH}', 'admin', TRUE, {NOW}, {NOW})"
        )
        connection.commit()
    result = loaded(older, tmp_path)
    assert result.rows["location"] == 1
    assert any("older version" in warning for warning in result.warnings)
    with closing(sqlite3.connect(closed)) as connection:
        connection.execute(
            "UPDATE _yoyo_migration SET migration_id = '9999.the-future' WHERE migration_id LIKE '0001%'"
        )
        connection.commit()
    with pytest.raises(Conflict, match="newer Stocky"):
        loaded(closed, tmp_path)


# Changes to a valid file, and the expected error.
TRICKS: dict[str, tuple[list[str], str]] = {
    "a view for a table": (
        ["DROP TABLE shopping_list_log", "CREATE VIEW shopping_list_log AS SELECT * FROM user_account"],
        "no table shopping_list_log",
    ),
    "a virtual table": (
        ["DROP TABLE tag", "CREATE VIRTUAL TABLE tag USING fts5(id, name)"],
        "no table tag",
    ),
    "a computed column": (
        ["ALTER TABLE tag ADD COLUMN more TEXT AS (lower(name))"],
        "computed columns",
    ),
    "a column less": (["ALTER TABLE setting RENAME COLUMN value TO price"], "has no value"),
    "a blob for a text": ([f"INSERT INTO setting VALUES ('x', x'0102', {NOW})"], "setting.value does not accept"),
    "NUL in a text": ([f"INSERT INTO setting VALUES ('x', CAST(x'610062' AS TEXT), {NOW})"], "CHECK constraint failed"),
    "no UTF-8": ([f"INSERT INTO setting VALUES ('x', CAST(x'ff' AS TEXT), {NOW})"], "damaged, or not Stocky's"),
    "no time": (["INSERT INTO setting VALUES ('x', '1', 'yesterday')"], "setting.updated_at does not accept"),
    "a time no calendar has": (
        ["INSERT INTO setting VALUES ('x', '1', '2026-02-30T00:00:00.000000Z')"],
        "invalid date in",
    ),
    "half an item": (
        ["UPDATE location SET is_active = 0.5"],
        "location.is_active does not accept",
    ),
    "a row of nobody": (
        ["PRAGMA foreign_keys = OFF", "UPDATE api_key SET user_id = 77"],
        "refer to a missing user_account",
    ),
    "no admin": (["UPDATE user_account SET is_active = FALSE"], "no active admin"),
    "the migrations gone": (["DELETE FROM _yoyo_migration"], "not Stocky's"),
    "no migration": (["UPDATE _yoyo_migration SET migration_id = 'x''; --'"], "not Stocky's"),
    "a check that fails": (
        [
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_schema SET sql = replace(sql, 'location (', 'location (x CHECK (id > 99),')"
            " WHERE type = 'table' AND name = 'location'",
        ],
        "damaged",
    ),
}


@pytest.mark.one_database
def test_malicious_database_files_are_rejected(closed: Path, tmp_path: Path) -> None:
    sound = closed.read_bytes()
    accepted: dict[str, str] = {}
    for name, (statements, reason) in TRICKS.items():
        closed.write_bytes(sound)
        with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for statement in statements:
                connection.execute(statement)
        assert closed.read_bytes() != sound
        try:
            accepted[name] = str(loaded(closed, tmp_path))
        except StockyError as refusal:
            if reason not in refusal.detail:
                accepted[name] = refusal.detail
    assert accepted == {}


@pytest.mark.one_database
def test_foreign_tables_are_left_out_with_a_warning(closed: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(closed, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("CREATE VIEW report AS SELECT name FROM location")
        connection.execute("CREATE TRIGGER spy AFTER INSERT ON location BEGIN DELETE FROM location; END")
        connection.execute("CREATE INDEX mine ON location (lower(name))")
    result = loaded(closed, tmp_path)
    assert result.rows["location"] == 1
    assert result.warnings == ["Tables and views that are not Stocky's were left out: notes, report"]


@pytest.mark.one_database
def test_damaged_database_files_are_rejected_or_complete(closed: Path, tmp_path: Path) -> None:
    sound = closed.read_bytes()
    expected = loaded(closed, tmp_path).rows
    random.seed(5)
    refusals = 0
    for number in range(60):
        closed.write_bytes(DAMAGES[number % 5](sound))
        try:
            result = loaded(closed, tmp_path)
        except (BadRequest, Conflict, TooLarge):
            refusals += 1
        else:
            # The damage hit an index page or an unused page.
            assert result.rows == expected
    assert refusals > 20


@pytest.mark.one_database
def test_packed_database_file_is_bounded(closed: Path, tmp_path: Path) -> None:
    size = closed.stat().st_size
    packed = tmp_path / "stocky.db.gz"
    packed.write_bytes(gzip.compress(gzip.compress(closed.read_bytes())))
    for file in (closed, packed):
        assert loaded(file, tmp_path, max_bytes=size).rows["location"] == 1
        with pytest.raises(TooLarge, match="STOCKY_MAX_RESTORE_GB"):
            loaded(file, tmp_path, max_bytes=size - 1)


@pytest.mark.one_database
def test_database_file_in_use_is_rejected(environ: dict[str, str], config: Config, old: Path, tmp_path: Path) -> None:
    itself = stocky(environ, "restore", str(config.sqlite_path), "--force")
    assert (itself.returncode, "would be replaced" in itself.stderr) == (1, True)
    with old.with_name("stocky.db-serving").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadRequest, match="A Stocky serves"):
            loaded(old, tmp_path)
    loaded(old, tmp_path)
    old.with_name("stocky.db-journal").write_bytes(b"x" * 600)
    with pytest.raises(BadRequest, match="has not finished"):
        loaded(old, tmp_path)
