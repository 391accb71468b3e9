"""Scratch directories beside the stored backups: removed by their owner, or swept when the owner was killed.

The lock on a workspace ends with its process, so a workspace in use is never swept. On a file system without locks,
only one untouched for a day is swept.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from stocky.disk import FULL, NoLocks, lock
from stocky.errors import OutOfSpace, Unavailable
from stocky.worker.completion import complete

_PREFIX = ".work-"
_LOCK = "owner"
_ABANDONED_SECONDS = 86_400


@asynccontextmanager
async def workspace(backup_dir: Path) -> AsyncIterator[Path]:
    """A private directory until the end of the block, on the disk of the backups.

    Raises Unavailable when the backup directory cannot be written, OutOfSpace.
    """
    # No task: asyncio cancels every task when a command is interrupted, and its directory would be left behind.
    making = asyncio.get_running_loop().run_in_executor(None, _make, backup_dir)
    try:
        directory, _ = await asyncio.shield(making)
        yield directory
    finally:
        # Also for a cancelled task, even while the directory is being created or removed: nothing may be left behind.
        await complete(_remove_made(making))


@contextmanager
def scratch_directory(backup_dir: Path) -> Iterator[Path]:
    """The same for blocking code."""
    directory, owner = _make(backup_dir)
    try:
        yield directory
    finally:
        _remove(directory, owner)


def sweep(backup_dir: Path) -> int:
    """Removes workspaces whose owner has ended; returns their number."""
    removed = 0
    for directory in backup_dir.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            owner = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if _is_abandoned(directory, owner):
                    _empty(directory)
                    removed += 1
            finally:
                os.close(owner)
    return removed


def _is_abandoned(directory: Path, owner: int) -> bool:
    """Whether a workspace has no owner; then its lock is ours. Raises BlockingIOError while it has one."""
    try:
        lock(owner, wait=False)
    except NoLocks:
        touched = max(each.stat().st_mtime for each in (directory, *directory.iterdir()))
        return time.time() - touched > _ABANDONED_SECONDS
    return True


def _make(backup_dir: Path) -> tuple[Path, int]:
    try:
        backup_dir.mkdir(parents=True, exist_ok=True)
        while True:
            directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=backup_dir))
            if (owner := _take(directory)) is not None:
                return directory, owner
    except OSError as error:
        if error.errno in FULL:
            raise OutOfSpace from error
        raise Unavailable(
            f"{backup_dir} cannot be written ({error.strerror}); check STOCKY_BACKUP_DIR and its owner", retry_after=60
        ) from error


def _take(directory: Path) -> int | None:
    """Locks a new workspace; None when a sweep removed it first."""
    try:
        owner = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        # Without locks a sweep skips new workspaces.
        with suppress(NoLocks):
            lock(owner, wait=False)
        if os.path.samestat(os.fstat(owner), (directory / _LOCK).stat()):
            return owner
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(owner)
    return None


def _remove(directory: Path, owner: int) -> None:
    with suppress(OSError):
        _empty(directory)
    os.close(owner)


async def _remove_made(making: asyncio.Future[tuple[Path, int]]) -> None:
    await asyncio.wait([making])
    if not making.cancelled() and making.exception() is None:
        await asyncio.to_thread(_remove, *making.result())


def _empty(directory: Path) -> None:
    """Removes a workspace, its lock last: the rest can still be swept after a kill."""
    for entry in directory.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (directory / _LOCK).unlink()
    directory.rmdir()
