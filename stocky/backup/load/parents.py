"""Finds the files that an increment needs: by their SHA-256, beside it or among the stored backups.

So a parent that was damaged, exchanged or renamed is never taken for the right one, or passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from stocky.backup.archive.reading import open_backup
from stocky.backup.dump.format import Increment, ParentFile
from stocky.backup.load.database_file import is_database
from stocky.backup.load.dump_text import Unpacked
from stocky.backup.load.reading import DumpReader
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, TooLarge
from stocky.progress import ProgressCallback, ignore_progress

# More increments than a chain has: Stocky makes a new base earlier.
LONGEST_CHAIN = 1_000


async def find_parents(
    dump: Path,
    file: Path,
    directory: Path,
    config: Config,
    *,
    passphrase: str | None = None,
    report: ProgressCallback = ignore_progress,
) -> tuple[str, ...]:
    """The dumps that `dump`, opened from `file`, needs, the base first; none when it is not an increment.

    What has to be decrypted or unpacked is in `directory`. Raises BadRequest naming the parent that is missing, and
    what `open_backup` raises.
    """
    max_bytes = config.max_restore_gb * 2**30
    parents: list[Path] = []
    increment = await asyncio.to_thread(_read_increment, dump, max_bytes)
    base = increment.base if increment is not None else ""
    sha256 = ""
    while increment is not None:
        if len(parents) == LONGEST_CHAIN or increment.base != base:
            raise BadRequest("The backup is damaged: it is an increment without a base")
        sha256 = increment.parent.sha256
        path = await asyncio.to_thread(_find, increment.parent, [file.parent, config.backup_dir])
        place = directory / f"parent-{len(parents)}"
        await asyncio.to_thread(place.mkdir)
        opened = await open_backup(path, place, config, passphrase=passphrase, report=report)
        parents.append(opened.dump)
        increment = await asyncio.to_thread(_read_increment, parents[-1], max_bytes)
    if sha256 != base:
        raise BadRequest("The backup is damaged: the base of its increments is another one")
    return tuple(str(each) for each in reversed(parents))


def _read_increment(dump: Path, max_bytes: int) -> Increment | None:
    """What the dump says that it needs; None for any other file, also one that loading will refuse."""
    with suppress(BadRequest, Conflict, TooLarge), closing(Unpacked(dump, max_bytes)) as source:
        if not is_database(source.beginning):
            header = DumpReader(source, ignore_progress).header
            return None if header is None else header.increment
    return None


def _find(parent: ParentFile, directories: list[Path]) -> Path:
    is_changed = False
    for file in _candidates(parent, directories):
        # No file system has some names, and a file may be deleted meanwhile.
        with suppress(OSError):
            # Opening a pipe would block.
            if not file.is_file():
                continue
            with file.open("rb") as opened:
                is_as_long = os.fstat(opened.fileno()).st_size == parent.size_bytes
                if is_as_long and hashlib.file_digest(opened, "sha256").hexdigest() == parent.sha256:
                    return file
            is_changed = is_changed or file.name == parent.filename
    name = parent.filename[:100]
    if is_changed:
        raise BadRequest(
            f"This backup is an increment of {name}, and the file of that name is not the one it continues: it was"
            " damaged or exchanged. Put an undamaged copy beside it, for example one from off site"
        )
    raise BadRequest(
        f"This backup is an increment: it cannot be restored without {name} (SHA-256 {parent.sha256[:16]}…). Put that"
        " file beside it or into the backup directory"
    )


def _candidates(parent: ParentFile, directories: list[Path]) -> Iterator[Path]:
    """The files that may be the parent: first those of its name, then those of its size."""
    if Path(parent.filename).name == parent.filename:
        yield from (directory / parent.filename for directory in directories)
    for directory in directories:
        files: list[Path] = []
        with suppress(OSError):
            files = list(directory.iterdir())
        yield from (file for file in files if _size(file) == parent.size_bytes)


def _size(file: Path) -> int | None:
    """The size of a file itself; None for a link, and for one that was deleted meanwhile."""
    with suppress(OSError):
        if not file.is_symlink():
            return file.stat().st_size
    return None
