"""A lost database file: nothing more is acknowledged, and no start creates an empty one in its place."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import httpx
import pytest

from tests.cli.running import stocky
from tests.serving import Server

Serve = Callable[..., AbstractContextManager[Server]]
SECONDS = 30

CREATE = ["create-key", "admin", "--name", "x"]

pytestmark = pytest.mark.one_database


def scan(server: Server, key: str, event_id: str) -> httpx.Response:
    return httpx.post(
        f"{server.api}/scanner/scan",
        headers={"X-API-Key": key},
        json={"upc": "5901234123457", "scanner_id": "hand-1", "event_id": event_id},
        timeout=20,
    )


def set_up(server: Server, key: str) -> None:
    """A location, and the scanner that books to it."""
    headers = {"X-API-Key": key}
    location = httpx.post(f"{server.api}/locations/", headers=headers, json={"name": "A", "storage_type": "pantry"})
    state = {"mode": "add", "location_id": location.json()["id"]}
    assert httpx.put(f"{server.api}/scanner/hand-1/state", headers=headers, json=state).status_code == 200


def events_in(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row[0] for row in connection.execute("SELECT event_id FROM stock_event")}


def rescued(directory: Path, server: Server) -> Path:
    """The file that the open database was rescued to, once the log reports it."""
    deadline = time.monotonic() + SECONDS
    while "All data recorded until then is in" not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)
    (file,) = directory.glob("stocky-rescued-*.db")
    return file


def _delete(database: Path) -> None:
    database.unlink()


def _replace(database: Path) -> None:
    other = database.with_name("other.db")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(other)) as target:
        source.backup(target)
    other.replace(database)


def _move(database: Path) -> None:
    database.rename(database.with_name("moved.db"))


def _delete_the_log(database: Path) -> None:
    database.with_name(f"{database.name}-wal").unlink()


@pytest.mark.parametrize("lose", [_delete, _replace, _move, _delete_the_log])
def test_after_file_loss_nothing_is_acknowledged_and_data_is_rescued(
    serve: Serve, environ: dict[str, str], keys: dict[str, str], tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    database, key = tmp_path / "stocky.db", keys["admin"]
    with serve() as server:
        set_up(server, key)
        acknowledged = {f"event-{number}" for number in range(20)}
        for event_id in sorted(acknowledged):
            assert scan(server, key, event_id).json()["success"]
        lose(database)
        for number in range(5):
            answer = scan(server, key, f"late-{number}")
            assert answer.status_code == 503, answer.text
            assert "deleted or replaced" in answer.json()["detail"]
            assert int(answer.headers["retry-after"]) > 0
        ready = httpx.get(f"{server.url}/health/ready")
        assert ready.status_code == 503
        assert "deleted or replaced" in ready.json()["results"]["database"]
        location = httpx.post(f"{server.api}/locations/", headers={"X-API-Key": key}, json={"name": "B"})
        assert location.status_code == 503
        file = rescued(tmp_path / "backups", server)
        assert file.stat().st_mode & 0o777 == 0o600
        assert server.stop() == 0
    assert str(file) in server.log
    assert "Traceback" not in server.log
    assert events_in(file) == acknowledged
    # The steps in the log.
    for suffix in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    shutil.move(file, database)
    with serve() as server:
        again = scan(server, key, "event-0").json()
        assert (again["success"], again["duplicate"]) == (True, True)
    assert stocky(environ, "check").returncode == 0
    assert events_in(database) == acknowledged


def test_failed_rescue_is_logged_with_manual_commands(
    serve: Serve, environ: dict[str, str], keys: dict[str, str], tmp_path: Path
) -> None:
    database, saved = tmp_path / "stocky.db", tmp_path / "saved.db"
    # A file in place of the directory: no user can write there.
    (tmp_path / "backups").write_text("in the way")
    with serve() as server:
        set_up(server, keys["admin"])
        assert scan(server, keys["admin"], "event-0").json()["success"]
        database.unlink()
        assert scan(server, keys["admin"], "late-0").status_code == 503
        deadline = time.monotonic() + SECONDS
        while "Copy it now: " not in server.log:
            assert time.monotonic() < deadline, server.log
            time.sleep(0.05)
        commands = server.log.partition("Copy it now: ")[2].partition(". Then")[0].split(" && ")
        for command in commands:
            source, target = command.removeprefix("cp ").split(" ")
            shutil.copyfile(source, target.replace("/somewhere/safe/stocky.db", str(saved)))
        server.kill()
    assert events_in(saved) == {"event-0"}


def test_start_with_lost_database_is_rejected_without_new_database_option(tmp_path: Path) -> None:
    environ = {"STOCKY_DATA_DIR": str(tmp_path)}
    assert stocky(environ, "migrate").returncode == 0
    # Created by the first start; without it there is no sign of a loss.
    (tmp_path / "secret-key").write_text("k" * 64)
    (tmp_path / "stocky.db").unlink()
    for arguments in (["migrate"], ["serve", "--port", "0"], ["check"], ["backup"], ["migrate", "--repair"], CREATE):
        answer = stocky(environ, *arguments)
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1, answer.stderr
        assert f"There is no database at {tmp_path / 'stocky.db'}" in answer.stderr
        for words in ("a secret key", "stocky restore FILE", "stocky migrate --new-database", "STOCKY_NEW_DATABASE"):
            assert words in answer.stderr
        assert not (tmp_path / "stocky.db").exists()
    assert stocky(environ, "migrate", "--new-database").returncode == 0
    assert stocky(environ, "migrate").stdout == "The schema is current\n"


@pytest.mark.parametrize("sign", ["backups/stocky_backup_20260101_000000.sql.gz", "stocky.db-wal"])
def test_backups_and_wal_are_signs_of_a_lost_database(tmp_path: Path, sign: str) -> None:
    (tmp_path / sign).parent.mkdir(exist_ok=True)
    (tmp_path / sign).write_bytes(b"something")
    # An empty file is not a database either.
    (tmp_path / "stocky.db").touch()
    environ = {"STOCKY_DATA_DIR": str(tmp_path)}
    answer = stocky(environ, "migrate")
    assert answer.returncode == 1
    assert "There is no database" in answer.stderr
    assert (tmp_path / sign).read_bytes() == b"something"
    assert stocky(environ | {"STOCKY_NEW_DATABASE": "true"}, "migrate").returncode == 0


def test_restore_needs_no_new_database_option(serve: Serve, environ: dict[str, str], tmp_path: Path) -> None:
    dump = tmp_path / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(dump)).returncode == 0
    (tmp_path / "stocky.db").unlink()
    (tmp_path / "secret-key").write_text("k" * 64)
    assert stocky(environ, "restore", str(dump), "--force").returncode == 0
    with serve() as server:
        assert server.stop() == 0


def test_interrupted_first_start_can_be_repeated(empty_environ: dict[str, str], tmp_path: Path) -> None:
    environ = {name: value for name, value in empty_environ.items() if name != "STOCKY_SECRET_KEY"}
    for _ in range(2):
        assert stocky(environ, "migrate").returncode == 0
        assert not (tmp_path / "secret-key").exists(), "a key before its database would look like a lost database"
