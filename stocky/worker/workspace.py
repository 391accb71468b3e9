"""Scratch space beside the stored backups: it goes with its owner, and what a killed owner left is swept away.

The lock on it dies with the process that made it, so nothing that is in use is ever swept. Where the file system has no
locks, only what nobody has touched for a day is swept.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from stocky.disk import NoLocks, lock
from stocky.errors import OutOfSpace, Unavailable

_PREFIX = ".work-"
_LOCK = "owner"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO)
_ABANDONED_SECONDS = 86_400


@asynccontextmanager
async def workspace(backup_dir: Path) -> AsyncIterator[Path]:
    """A directory of one's own for the length of the block, on the disk where backups lie.

    Raises Unavailable when the directory of backups cannot be written, OutOfSpace.
    """
    making = asyncio.create_task(asyncio.to_thread(_make, backup_dir))
    try:
        directory, _ = await asyncio.shield(making)
        yield directory
    finally:
        # Also of a task that is cancelled, even while the directory is being made: nothing may be left half done.
        await asyncio.shield(asyncio.create_task(_remove_made(making)))


@contextmanager
def scratch_directory(backup_dir: Path) -> Iterator[Path]:
    """The same for code that may wait for the disk."""
    directory, owner = _make(backup_dir)
    try:
        yield directory
    finally:
        _remove(directory, owner)


@contextmanager
def disk_errors() -> Iterator[None]:
    """A block that writes files: a full disk is OutOfSpace, one that cannot be written Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OutOfSpace from error
        if error.errno in _NOT_WRITABLE:
            raise Unavailable(
                f"A file cannot be written ({os.strerror(error.errno)}), and nothing was changed; check the owner of"
                " the data and backup directories, and whether their disk is read-only",
                retry_after=60,
            ) from error
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
    """Whether nobody owns a workspace any more, whose lock is ours then. Raises BlockingIOError when somebody does."""
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
        if error.errno in _FULL:
            raise OutOfSpace from error
        raise Unavailable(
            f"{backup_dir} cannot be written ({error.strerror}); check STOCKY_BACKUP_DIR and its owner", retry_after=60
        ) from error


def _take(directory: Path) -> int | None:
    """The lock on a new workspace; None when a sweep came first and took it for one that was left behind."""
    try:
        owner = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        # Without locks a sweep leaves alone what is new.
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


async def _remove_made(making: asyncio.Task[tuple[Path, int]]) -> None:
    await asyncio.wait([making])
    if not making.cancelled() and making.exception() is None:
        await asyncio.to_thread(_remove, *making.result())


def _empty(directory: Path) -> None:
    """Removes a workspace, its lock last: what is left of it when this is killed can still be swept."""
    for entry in directory.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (directory / _LOCK).unlink()
    directory.rmdir()
