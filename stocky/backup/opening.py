"""Finds the dump in whatever file is given: a dump is one already, and an archive holds one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from stocky.backup.archive_reading import extract_dump
from stocky.config import Config

SUFFIX = ".zip"
_ZIP = b"PK"


async def opened(file: Path, place: Path, config: Config) -> Path:
    """Where the dump lies: in the file itself, or taken out of it to `place`. Raises BadRequest for a bad archive."""
    return await asyncio.to_thread(_opened, file, place, config.max_restore_gb * 2**30)


def _opened(file: Path, place: Path, max_bytes: int) -> Path:
    with file.open("rb") as beginning:
        is_archive = file.suffix == SUFFIX or beginning.read(len(_ZIP)) == _ZIP
    if not is_archive:
        return file
    dump = place / "database.sql.gz"
    extract_dump(file, dump, max_bytes)
    return dump
