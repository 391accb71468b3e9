"""`stocky migrate` migrates, lists migrations, and rolls back only when no rows are lost."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from stocky.backup import migrating, service
from stocky.backup.store import Reason, Store
from stocky.config import Config, load
from stocky.db.migrate import list_migrations, migrate
from stocky.db.migration_files import schema_version
from stocky.errors import Conflict, OutOfSpace, Unavailable
from tests import postgres
from tests.architecture import schema
from tests.cli.running import environment, stocky
from tests.conftest import TestDatabases, settings
from tests.old_schema import OLDEST, make_old
from tests.serving import Server
from tests.serving import serve as serving


def test_migrate_rollback_and_migrate_again(empty_environ: dict[str, str]) -> None:
    stocky(empty_environ, "migrate")
    assert stocky(empty_environ, "migrate").stdout == "The schema is current\n"
    assert stocky(empty_environ, "migrate", "--check").returncode == 0
    states = json.loads(stocky(empty_environ, "migrate", "--list", "--json").stdout)
    assert len(states) > 1
    assert all(state["applied"] and not state["edited"] for state in states)
    back = json.loads(stocky(empty_environ, "migrate", "--rollback", states[1]["id"], "--json").stdout)
    assert back == {"rolled_back": [state["id"] for state in reversed(states[1:])], "backup": None}
    pending = stocky(empty_environ, "migrate", "--check")
    assert pending.returncode == 1
    assert pending.stderr == f"stocky: {len(states) - 1} migrations are not applied yet; run 'stocky migrate'\n"
    assert "pending " in stocky(empty_environ, "migrate", "--list").stdout
    again = json.loads(stocky(empty_environ, "migrate", "--json").stdout)
    assert again == {"applied": [state["id"] for state in states[1:]], "backup": None}
    assert stocky(empty_environ, "check").returncode == 0


def test_new_sqlite_file_is_readable_by_owner_only(empty_environ: dict[str, str]) -> None:
    url = empty_environ["STOCKY_DATABASE_URL"]
    if not url.startswith("sqlite"):
        pytest.skip("Postgres has no file")
    stocky(empty_environ, "migrate")
    assert Path(url.removeprefix("sqlite:///")).stat().st_mode & 0o777 == 0o600


def test_rows_are_dropped_only_with_force(environ: dict[str, str]) -> None:
    refused = stocky(environ, "migrate", "--rollback", "0001")
    assert refused.returncode == 1
    assert "user_account" in refused.stderr
    assert "Repeat it with --force to do that; a backup is made first, unless you give --no-backup" in refused.stderr
    assert stocky(environ, "migrate", "--check").returncode == 0
    assert stocky(environ, "migrate", "--rollback", "0001", "--force").returncode == 0
    assert stocky(environ, "migrate", "--check").returncode == 1


def test_unknown_migration_is_reported_in_one_line(environ: dict[str, str]) -> None:
    answer = stocky(environ, "migrate", "--rollback", "9999")
    assert answer.returncode == 1
    assert answer.stderr == "stocky: There is no migration 9999; 'stocky migrate --list' shows them\n"


def unreported(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


def applied(config: Config) -> int:
    return sum(state.applied for state in list_migrations(config))


@pytest.mark.parametrize("version", [OLDEST, 8, 12, schema_version("sqlite") - 1])
def test_database_with_rows_is_backed_up_before_migration(version: int, empty_environ: dict[str, str]) -> None:
    config = load(empty_environ)
    make_old(config, version)
    migrated = migrating.migrate(config, unreported)
    assert len(migrated.ids) == schema_version(config.dialect) - version
    (stored,) = Store(config.backup_dir).list_backups()
    assert stored == migrated.backup
    assert (stored.reason, stored.schema_version, stored.is_good) == (Reason.BEFORE_MIGRATION, version, True)
    assert (stored.rows or {})["stock_event"] == 1
    assert sorted(each.name for each in config.backup_dir.iterdir()) == [stored.filename, f"{stored.filename}.json"]
    assert migrating.migrate(config, unreported) == migrating.Migrated([])


def test_start_logs_the_backup_before_migration(empty_environ: dict[str, str], tmp_path: Path) -> None:
    config = load(empty_environ)
    make_old(config, schema_version(config.dialect) - 1)
    with serving(empty_environ, tmp_path) as server:
        (stored,) = Store(config.backup_dir).list_backups()
        assert f"Backed up to {stored.filename} before migrating, and test-restored it" in server.log


def test_migration_without_backup_needs_no_backup_option(empty_environ: dict[str, str]) -> None:
    config = load(empty_environ)
    make_old(config, 8)
    schema.falsify(config, "UPDATE sku SET quantity_milli = 9999")
    with pytest.raises(Unavailable, match=r"nothing was changed: it does not restore.*--no-backup"):
        migrating.migrate(config, unreported)
    assert applied(config) == 8
    assert Store(config.backup_dir).list_backups() == []
    config.backup_dir.rmdir()
    config.backup_dir.write_text("no directory")
    with pytest.raises(Unavailable, match=r"nothing was changed: .*cannot be written.*--no-backup"):
        migrating.migrate(config, unreported)
    assert applied(config) == 8
    output = json.loads(stocky(empty_environ, "migrate", "--no-backup", "--json").stdout)
    assert (len(output["applied"]), output["backup"]) == (schema_version(config.dialect) - 8, None)


@pytest.mark.one_database
def test_repeated_failed_starts_keep_few_backups(
    empty_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "MAX_BACKUPS", 2)
    config = load(empty_environ)
    make_old(config, 8)
    # The migration creates an index of this name.
    schema.run(config, "CREATE TABLE document_by_item (id INTEGER)")
    for _ in range(migrating.MAX_BACKUPS + 2):
        with pytest.raises(Unavailable, match="0009"):
            migrating.migrate(config, unreported)
    assert len(Store(config.backup_dir).list_backups()) == migrating.MAX_BACKUPS


@pytest.mark.one_database
def test_starts_whose_backup_cannot_be_tested_keep_few_backups(
    empty_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "MAX_BACKUPS", 2)

    async def full(*given: Any, **options: Any) -> service.Verification:
        raise OutOfSpace

    monkeypatch.setattr(service, "verify_file", full)
    config = load(empty_environ)
    make_old(config, 8)
    for _ in range(migrating.MAX_BACKUPS + 2):
        with pytest.raises(Unavailable, match="Not enough disk space"):
            migrating.migrate(config, unreported)
    assert len(Store(config.backup_dir).list_backups()) == migrating.MAX_BACKUPS


def test_rollback_is_rejected_while_serving(
    environ: dict[str, str], serve: Callable[..., AbstractContextManager[Server]]
) -> None:
    config = load(environ)
    count = applied(config)
    with serve() as server:
        refused = stocky(environ, "migrate", "--rollback", f"{count:04}")
        assert refused.returncode == 1
        assert refused.stderr == "stocky: A Stocky serves this database; stop it before you roll back a migration\n"
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
    assert applied(config) == count
    back = stocky(environ, "migrate", "--rollback", f"{count:04}", "--json")
    assert json.loads(back.stdout)["backup"] in {each.filename for each in Store(config.backup_dir).list_backups()}
    assert applied(config) == count - 1


@pytest.mark.one_database
def test_a_user_without_a_name_can_migrate(empty_environ: dict[str, str]) -> None:
    unshare = shutil.which("unshare")
    nameless = [unshare or "", "--user", "--map-user=54321", "--map-group=54321"]
    if unshare is None or subprocess.run([*nameless, "true"], capture_output=True, check=False).returncode:
        pytest.skip("A user of another number takes the program unshare and user namespaces")
    named = ("LOGNAME", "USER", "LNAME", "USERNAME")
    done = subprocess.run(
        [*nameless, sys.executable, "-m", "stocky", "migrate"],
        env={name: value for name, value in environment(empty_environ).items() if name not in named},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config = load(empty_environ)
    assert schema.run(config, "SELECT DISTINCT username FROM _yoyo_log") == [("uid 54321",)]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_other_encoding_is_rejected_with_createdb_command(
    encoding: str, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    if dialect == "sqlite":
        pytest.skip("SQLite is always in UTF-8")
    with databases.empty(dialect, tmp_path) as url:
        server = postgres.Server(url)
        server.execute(f"CREATE DATABASE in_another ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
        try:
            other = load(settings(server.url_of("in_another"), tmp_path))
            with pytest.raises(
                Conflict, match=f"in_another has the encoding {encoding}, but Stocky needs UTF8"
            ) as rejected:
                migrate(other)
            assert schema.tables(other) == set()
            line = str(rejected.value).partition("Create one with: ")[2].partition(" and set")[0]
            assert line == "createdb --encoding=UTF8 --template=template0 in_another_utf8"
            program = shutil.which("createdb")
            if program is None:
                server.execute("CREATE DATABASE in_another_utf8 ENCODING 'UTF8' TEMPLATE template0")
            else:
                connection = psycopg.conninfo.conninfo_to_dict(url)
                asked = {"PGHOST": str(connection["host"]), "PGUSER": str(connection.get("user") or getpass.getuser())}
                subprocess.run([program, *line.split()[1:]], env=os.environ | asked, check=True)
            assert len(migrate(load(settings(server.url_of("in_another_utf8"), tmp_path)))) == schema_version(
                "postgres"
            )
        finally:
            for name in ("in_another", "in_another_utf8"):
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
