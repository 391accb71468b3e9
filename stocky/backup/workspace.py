"""Scratch space beside the stored backups: it goes with its owner, and what a killed owner left is swept away.

The lock on it dies with the process that made it, so nothing that is in use is ever swept.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from stocky.errors import OutOfSpace, Unavailable

_PREFIX = ".work-"
_LOCK = "owner"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@asynccontextmanager
async def workspace(backup_dir: Path) -> AsyncIterator[Path]:
    """A directory of one's own for the length of the block, on the disk where backups lie.

    Raises Unavailable when the directory of backups cannot be written, OutOfSpace.
    """
    making = asyncio.create_task(asyncio.to_thread(_make, backup_dir))
    try:
        place, _ = await asyncio.shield(making)
        yield place
    finally:
        # Also of a task that is cancelled, even while the directory is being made: nothing may be left half done.
        await asyncio.shield(asyncio.create_task(_remove_made(making)))


@contextmanager
def scratch_directory(backup_dir: Path) -> Iterator[Path]:
    """The same for code that may wait for the disk."""
    place, lock = _make(backup_dir)
    try:
        yield place
    finally:
        _remove(place, lock)


@contextmanager
def disk_errors() -> Iterator[None]:
    """A block in which a full disk is OutOfSpace."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OutOfSpace from error
        raise


def require_space(directory: Path, needed: int) -> None:
    """Raises OutOfSpace unless so many bytes are free there."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OutOfSpace(
            f"Not enough disk space: this needs about {needed // 2**20 + 1} MiB in {directory},"
            f" and {free // 2**20} MiB are free; nothing was changed. Free some and try again"
        )


def sweep(backup_dir: Path) -> int:
    """Removes the workspaces whose owner is gone; how many there were."""
    removed = 0
    for place in backup_dir.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _empty(place)
                removed += 1
            finally:
                os.close(lock)
    return removed


def _make(backup_dir: Path) -> tuple[Path, int]:
    try:
        with disk_errors():
            backup_dir.mkdir(parents=True, exist_ok=True)
            while True:
                place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=backup_dir))
                if (lock := _take(place)) is not None:
                    return place, lock
    except OSError as error:
        raise Unavailable(
            f"{backup_dir} cannot be written ({error.strerror}); check STOCKY_BACKUP_DIR and its owner", retry_after=60
        ) from error


def _take(place: Path) -> int | None:
    """The lock on a new workspace; None when a sweep came first and took it for one that was left behind."""
    try:
        lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), (place / _LOCK).stat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _remove(place: Path, lock: int) -> None:
    with suppress(OSError):
        _empty(place)
    os.close(lock)


async def _remove_made(making: asyncio.Task[tuple[Path, int]]) -> None:
    await asyncio.wait([making])
    if not making.cancelled() and making.exception() is None:
        await asyncio.to_thread(_remove, *making.result())


def _empty(place: Path) -> None:
    """Removes a workspace, its lock last: what is left of it when this is killed can still be swept."""
    for entry in place.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (place / _LOCK).unlink()
    place.rmdir()
