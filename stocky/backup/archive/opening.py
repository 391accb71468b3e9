"""Finds the dump in whatever file is given: a dump is one already, and an archive holds one beside its documents.

A zip with nothing but one of either in it was packed once more than it had to be, and is opened as what is in it.
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
    """Where the dump lies. Of an archive: the file, sizes of contents by SHA-256, and contents it knows as damaged."""

    dump: Path
    archive: Path | None = None
    contents: dict[str, int] = {}
    damaged: list[str] = []


async def open_backup(file: Path, directory: Path, config: Config, *, accept_edited: bool = False) -> BackupFile:
    """A dump as it is, or what is in an archive, its dump taken out of it to `place`. Raises what is wrong with it."""
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
