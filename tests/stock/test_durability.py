"""An answer is sent after the sync to disk: SQLite is set to sync each commit, and its system calls show it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from stocky.config import Config
from stocky.db import Database, make_database
from stocky.db.queries import compile_query
from stocky.db.sqlite import SqliteDatabase
from stocky.db.sqlite_file import CHECKPOINT_BYTES
from stocky.services import Services
from tests.conftest import TestDatabases, settings
from tests.serving import serve
from tests.stock.stockroom import Stockroom, event

FULL = 2


async def test_the_writer_syncs_every_commit(database: Database) -> None:
    if not isinstance(database, SqliteDatabase):
        async with database.transaction() as tx:
            database.queries["setting"] = compile_query("setting", "SHOW synchronous_commit", "postgres")
            assert await tx.value("setting") != "off"
        return
    wanted = {"synchronous": FULL, "journal_mode": "wal", "foreign_keys": 1}
    for name, value in wanted.items():
        database.queries[name] = compile_query(name, f"PRAGMA {name}", "sqlite")
        async with database.transaction() as tx:
            assert await tx.value(name) == value


async def test_readers_neither_write_nor_checkpoint(database: Database) -> None:
    if isinstance(database, SqliteDatabase):
        for name, value in {"query_only": 1, "wal_autocheckpoint": 0}.items():
            database.queries[name] = compile_query(name, f"PRAGMA {name}", "sqlite")
            async with database.read() as read:
                assert await read.value(name) == value
    else:
        async with database.read() as read:
            assert read.dialect == "postgres"


@pytest.mark.one_database
async def test_only_the_server_runs_checkpoints(config: Config) -> None:
    pages = {}
    for name, database in {"command": make_database(config), "server": Services(config).database}.items():
        assert isinstance(database, SqliteDatabase)
        database.queries = {"pages": compile_query("pages", "PRAGMA wal_autocheckpoint", "sqlite")}
        await database.open()
        async with database.transaction() as tx:
            pages[name] = await tx.value("pages")
        await database.close()
    assert pages == {"command": 0, "server": CHECKPOINT_BYTES // 4096}


async def test_answered_event_is_in_the_file(stockroom: Stockroom, config: Config) -> None:
    rice, shelf = await stockroom.item(), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 1))
    if config.dialect == "sqlite":
        # The write-ahead log, as another program would find it after a power cut.
        copied = config.data_dir / "copy.db"
        shutil.copy(config.sqlite_path, copied)
        shutil.copy(f"{config.sqlite_path}-wal", f"{copied}-wal")
        with closing(sqlite3.connect(copied)) as connection:
            assert connection.execute("SELECT delta_milli FROM stock_event").fetchall() == [(1000,)]
    else:
        assert len(await stockroom.history(rice)) == 1


def test_sync_happens_before_the_answer(databases: TestDatabases, tmp_path: Path) -> None:
    if (strace := shutil.which("strace")) is None:
        pytest.skip("strace is not installed, so system calls cannot be seen here")
    probe = subprocess.run([strace, "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"system calls cannot be traced here: {probe.stderr.strip()}")
    trace = tmp_path / "trace"
    calls = "fsync,fdatasync,pwrite64,read,recvfrom,write,writev,sendto"
    command = (strace, "-f", "-y", "-s", "60", "-e", f"trace={calls}", "-o", str(trace), sys.executable, "-m", "stocky")
    with databases.copy("sqlite", tmp_path) as url, serve(settings(url, tmp_path), tmp_path, command=command) as server:
        scan = {"upc": "4006381333931", "event_id": "traced"}
        key = databases.keys["sqlite"]["scanner"]
        answer = httpx.post(f"{server.api}/scanner/scan", json=scan, headers={"X-API-Key": key})
        assert answer.status_code == 200
        # strace forwards no signal, so the signal goes to its child.
        os.kill(_child_of(server.process.pid), signal.SIGTERM)
        server.process.wait(15)
    done = _completed(trace.read_text("utf-8", "replace").splitlines())
    asked = _last(done, len(done), r"(read|recvfrom)\(.*POST /api/v1/scanner/scan")
    answered = asked + next(number for number, call in enumerate(done[asked:]) if "HTTP/1.1 200" in call)
    written = _last(done, answered, r"pwrite64\(\d+<[^>]*-wal")
    synced = _last(done, answered, r"f(data)?sync\(\d+<[^>]*-wal")
    assert asked < written < synced < answered


def _completed(lines: list[str]) -> list[str]:
    """The system calls in the order in which they ended, across all threads."""
    begun: dict[str, str] = {}
    calls = []
    for line in lines:
        thread, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[thread] = call
        else:
            calls.append(begun.pop(thread, "") + call if "resumed>" in call else call)
    return calls


def _last(calls: list[str], before: int, pattern: str) -> int:
    """The index of the last matching call; fails if there is none."""
    found = [number for number, call in enumerate(calls[:before]) if re.search(pattern, call)]
    assert found, f"no {pattern} in:\n" + "\n".join(calls[max(0, before - 40) : before])
    return found[-1]


def _child_of(pid: int) -> int:
    """The process that strace runs."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
