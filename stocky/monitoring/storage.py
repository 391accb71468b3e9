"""The space that the data and the backups use, and what is left; measured in a thread, at most every ten seconds."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from stocky.config import Config
from stocky.disk import size_of

CACHED_SECONDS = 10.0
# Below this, backups and restores of a small stockroom begin to fail.
LOW_BYTES = 2**30


class StorageUse(Struct, frozen=True, kw_only=True):
    """Bytes used, and free where it is. `database` is None on Postgres, `documents` None in an S3 store.

    The free bytes are None where they cannot be read.
    """

    database: int | None
    documents: int | None
    backups: int
    data_free: int | None
    backups_free: int | None
    is_same_disk: bool

    @property
    def is_low(self) -> bool:
        """Whether less is free than `LOW_BYTES` for the data or for the backups."""
        return any(free is not None and free < LOW_BYTES for free in (self.data_free, self.backups_free))


class FreeSpace(Struct, frozen=True):
    """Bytes free where the data and the backups are; None where they cannot be read."""

    data: int | None
    backups: int | None


class Storage:
    """Measures the storage of one installation."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = asyncio.Lock()
        self._measured: tuple[float, StorageUse] | None = None

    async def measure(self) -> StorageUse:
        """The current use, not older than CACHED_SECONDS."""
        async with self._lock:
            if self._measured is None or self._measured[0] < time.monotonic():
                use = await asyncio.to_thread(_measure, self._config)
                self._measured = time.monotonic() + CACHED_SECONDS, use
            return self._measured[1]

    async def measure_free(self) -> FreeSpace:
        """What is free now, without the sizes of what is stored, which take long to add up."""
        return await asyncio.to_thread(_measure_free, self._config)


def _measure(config: Config) -> StorageUse:
    database = None
    if config.dialect == "sqlite":
        database = sum(_size(Path(f"{config.sqlite_path}{suffix}")) for suffix in ("", "-wal", "-shm"))
    documents = None
    if config.blobs.url.startswith("file://"):
        documents = size_of(Path(config.blobs.url.removeprefix("file://")), without=config.backup_dir)
    data, backups = _existing(config.data_dir), _existing(config.backup_dir)
    return StorageUse(
        database=database,
        documents=documents,
        backups=size_of(config.backup_dir),
        data_free=_free(data),
        backups_free=_free(backups),
        is_same_disk=data.stat().st_dev == backups.stat().st_dev,
    )


def _measure_free(config: Config) -> FreeSpace:
    return FreeSpace(_free(config.data_dir), _free(config.backup_dir))


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _existing(directory: Path) -> Path:
    """The directory, or its nearest parent: backups may not have been made yet."""
    return next(each for each in (directory, *directory.parents) if each.exists())


def _free(directory: Path) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(_existing(directory)).free
    return None
