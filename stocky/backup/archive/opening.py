"""Opens a backup file: a dump, or an archive, from which it extracts the dump.

A zip that contains only one dump or archive is opened as that file.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from stocky.backup.archive.reading import extract_dump, extract_only_file
from stocky.config import Config

SUFFIX = ".zip"
_ZIP = b"PK"


class BackupFile(msgspec.Struct, frozen=True):
    """The path of the dump; for an archive also its file, content sizes by SHA-256, and contents marked damaged."""

    dump: Path
    archive: Path | None = None
    contents: dict[str, int] = {}
    damaged: list[str] = []


async def open_backup(file: Path, directory: Path, config: Config, *, accept_edited: bool = False) -> BackupFile:
    """Opens a dump or an archive, whose dump is extracted to `directory`. Raises what `extract_dump` raises."""
    return await asyncio.to_thread(_opened, file, directory, config.max_restore_gb * 2**30, accept_edited=accept_edited)


def _opened(file: Path, directory: Path, max_bytes: int, *, accept_edited: bool) -> BackupFile:
    if not _is_zip(file):
        return BackupFile(file)
    only_file = directory / "unzipped"
    if extract_only_file(file, only_file, max_bytes):
        file = only_file
        if not _is_zip(file):
            return BackupFile(file)
    dump = directory / "database.sql.gz"
    extracted = extract_dump(file, dump, max_bytes, accept_edited=accept_edited)
    return BackupFile(dump, file, extracted.contents, extracted.damaged)


def _is_zip(file: Path) -> bool:
    with file.open("rb") as beginning:
        return file.suffix == SUFFIX or beginning.read(len(_ZIP)) == _ZIP
