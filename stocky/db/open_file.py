"""Whether the SQLite file behind the path is still the one that is open: what is committed to another is lost.

A file that is deleted or replaced stays readable and writable through the connections that have it open, and is gone
when they close. Its write-ahead log is the same: without it everything since the last checkpoint is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stocky.errors import Unavailable

WAL = "-wal"
_RETRY_AFTER = 30


class FileLost(Unavailable):
    """The open database file is no longer the one behind its path; nothing is recorded until a restart."""

    def __init__(self) -> None:
        super().__init__(
            "The database file was deleted or replaced while Stocky had it open, so nothing more is recorded. Stocky"
            " has to be restarted; its log says how to keep what was recorded",
            retry_after=_RETRY_AFTER,
        )


class OpenFile:
    """The files of one open database, by device and inode. Belongs to the writer's thread, but for `is_lost`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_lost = False
        self._files: list[tuple[Path, tuple[int, int]]] = []
        self._tell: Callable[[], object] | None = None

    def note(self, tell: Callable[[], object]) -> None:
        """Remembers which files are open; `tell` is called once, when they are lost. Raises FileNotFoundError."""
        self._tell = tell
        wal = self.path.with_name(self.path.name + WAL)
        self._files = [
            (each, _identity(os.stat(each))) for each in (self.path, wal) if each == self.path or each.exists()
        ]

    def check(self) -> None:
        """Before a commit. Raises FileLost once a file is another, and ever after; Unavailable where it cannot look."""
        if self.is_lost:
            raise FileLost
        for path, identity in self._files:
            try:
                # A stat costs about a thousandth of what the commit costs.
                if _identity(os.stat(path)) == identity:
                    continue
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                raise Unavailable(f"The database file cannot be checked ({error.strerror}); try again") from error
            self.is_lost = True
            if self._tell is not None:
                self._tell()
            raise FileLost


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
