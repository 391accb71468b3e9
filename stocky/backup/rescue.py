"""Copies the open database out when its file was deleted or replaced: no other copy has the acknowledged events."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path

from stocky import clock
from stocky.config import Config
from stocky.db import Database
from stocky.db.sqlite import SqliteDatabase
from stocky.disk import disk_errors, move_new, require_space
from stocky.errors import StockyError
from stocky.worker.workspace import workspace

NAME = "stocky-rescued-%Y-%m-%d-%H-%M-%S.db"

_log = logging.getLogger(__name__)


class Rescue:
    """Reacts to the loss of one database's file; on Postgres that never happens."""

    def __init__(self, config: Config, database: Database) -> None:
        self._backup_dir = config.backup_dir
        self._database = database
        self._task: asyncio.Task[None] | None = None
        database.on_lost(self._begin)

    async def close(self) -> None:
        """Waits for a running rescue: the open file is gone when the process ends."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _begin(self) -> None:
        if isinstance(self._database, SqliteDatabase):
            self._task = asyncio.create_task(self._rescue(self._database))

    async def _rescue(self, database: SqliteDatabase) -> None:
        _log.error(
            "%s, or its -wal file, was deleted or replaced while Stocky has it open. Every change returns 503 until a"
            " restart. Do not stop Stocky yet: all recorded data is being copied to %s",
            database.path,
            self._backup_dir,
        )
        try:
            file = await self._write(database)
        except (StockyError, OSError) as error:
            reason = error.detail if isinstance(error, StockyError) else str(error)
            _log.error("The open database could not be copied: %s. %s", reason, _manual_rescue(database.path))
            return
        _log.error(
            "All data recorded until then is in %s. Stop Stocky, delete %s and its -wal and -shm files if they exist,"
            " move the rescued file to that name, and start Stocky again",
            file,
            database.path,
        )

    async def _write(self, database: SqliteDatabase) -> Path:
        async with workspace(self._backup_dir) as directory:
            rescued = directory / "rescued.db"
            size = _open_size(database.path)
            await asyncio.to_thread(require_space, directory, size)
            # Readable by the owner only: it holds hashes of passwords and keys.
            await asyncio.to_thread(rescued.touch, 0o600)
            await database.copy_to(rescued)
            target = self._backup_dir / clock.now().strftime(NAME)
            with disk_errors():
                await asyncio.to_thread(_move, rescued, target)
        return target


def _move(rescued: Path, target: Path) -> None:
    with rescued.open("rb+") as file:
        os.fsync(file.fileno())
    move_new(rescued, target)


def _open_files(path: Path) -> dict[str, Path]:
    """The /proc paths of this process's open database and write-ahead log, by suffix."""
    found: dict[str, Path] = {}
    with suppress(OSError):
        for link in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                name = os.readlink(link).removesuffix(" (deleted)")
                for suffix in ("", "-wal"):
                    if name == f"{path.resolve()}{suffix}":
                        found.setdefault(suffix, Path(f"/proc/{os.getpid()}/fd/{link.name}"))
    return found


def _open_size(path: Path) -> int:
    size = 0
    for file in _open_files(path).values():
        with suppress(OSError):
            size += file.stat().st_size
    return size


def _manual_rescue(path: Path) -> str:
    files = _open_files(path)
    if "" not in files:
        return "Its data is lost when Stocky stops; restore a backup then: 'stocky restore FILE'"
    commands = [f"cp {file} /somewhere/safe/stocky.db{suffix}" for suffix, file in sorted(files.items())]
    return (
        f"It exists only while Stocky runs. Copy it now: {' && '.join(commands)}. Then stop Stocky, move the copies"
        f" to {path} and {path}-wal, and start it again"
    )
