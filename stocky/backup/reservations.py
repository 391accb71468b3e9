"""Reserves ids of backups among the processes of a backup directory: by an empty file until the backup is stored.

The lock on a reservation ends with its process, so one in use is never dropped. On a file system without locks, only
one of more than a day ago is dropped.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from stocky.disk import NoLocks, lock

_PREFIX = ".promised-"
_ABANDONED_SECONDS = 86_400


class Reservations:
    """The reserved ids of a backup directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # The open files of this process, whose locks hold its reservations.
        self._owned: dict[str, int] = {}

    def take(self, id: str) -> bool:
        """Reserves an id; False when it is reserved. Raises OSError."""
        path = self._path(id)
        try:
            owner = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        try:
            # Without locks `drop_abandoned` skips new ones.
            with suppress(NoLocks):
                lock(owner, wait=False)
            if os.path.samestat(os.fstat(owner), path.stat()):
                self._owned[id] = owner
                return True
        except (BlockingIOError, FileNotFoundError):
            # Another process took it for an abandoned one before it was locked.
            pass
        os.close(owner)
        return False

    def release(self, id: str) -> None:
        """Releases an id; none is reserved twice at once."""
        with suppress(OSError):
            self._path(id).unlink()
        owner = self._owned.pop(id, None)
        if owner is not None:
            os.close(owner)

    def has(self, id: str) -> bool:
        """Whether an id is reserved, by any process."""
        return self._path(id).exists()

    def drop_abandoned(self) -> None:
        """Releases the ids of processes that have ended."""
        for path in self._directory.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                owner = os.open(path, os.O_WRONLY)
                try:
                    if _is_abandoned(path, owner):
                        path.unlink()
                finally:
                    os.close(owner)

    def _path(self, id: str) -> Path:
        return self._directory / f"{_PREFIX}{id}"


def _is_abandoned(path: Path, owner: int) -> bool:
    """Raises BlockingIOError while its process has the lock."""
    try:
        lock(owner, wait=False)
    except NoLocks:
        return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    return True
