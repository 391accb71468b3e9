"""Detects that the open SQLite file was deleted or replaced; no commit is acknowledged after that.

A deleted or replaced file stays readable and writable through open connections, and disappears when they close. The
same is true of its write-ahead log: without it, everything since the last checkpoint is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stocky.errors import Unavailable

WAL = "-wal"
_RETRY_AFTER = 30


class FileLost(Unavailable):
    """The open database file is no longer the one at its path; nothing is recorded until a restart."""

    def __init__(self) -> None:
        super().__init__(
            "The database file was deleted or replaced while Stocky had it open, so nothing more is recorded. Restart"
            " Stocky; its log describes how to keep what was recorded",
            retry_after=_RETRY_AFTER,
        )


class OpenFile:
    """The files of one open database, by device and inode. Only the writer's thread uses it, except `is_lost`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_lost = False
        self._files: list[tuple[Path, tuple[int, int]]] = []
        self._on_lost: Callable[[], object] | None = None

    def note(self, on_lost: Callable[[], object]) -> None:
        """Stores which files are open; `on_lost` is called once, when they are lost. Raises FileNotFoundError."""
        self._on_lost = on_lost
        wal = self.path.with_name(self.path.name + WAL)
        self._files = [
            (each, _identity(os.stat(each))) for each in (self.path, wal) if each == self.path or each.exists()
        ]

    def check(self) -> None:
        """Called before a commit. Raises FileLost from the first mismatch on; Unavailable when stat fails."""
        if self.is_lost:
            raise FileLost
        for path, identity in self._files:
            try:
                # A stat costs about a thousandth of a commit.
                if _identity(os.stat(path)) == identity:
                    continue
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                raise Unavailable(f"The database file cannot be checked ({error.strerror}); try again") from error
            self.is_lost = True
            if self._on_lost is not None:
                self._on_lost()
            raise FileLost


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
