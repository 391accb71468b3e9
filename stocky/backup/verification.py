"""The proof of a backup: it is restored on trial, and every row is compared with what was dumped."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stocky.backup.archive.contents import contents_of, tell_incomplete
from stocky.backup.archive.opening import opened
from stocky.backup.dump.format import Header
from stocky.backup.dump.writing import Report
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, TooLarge
from stocky.worker.process import run_worker
from stocky.worker.requests import LoadRequest, LoadResult
from stocky.worker.workspace import workspace


class Verification(msgspec.Struct, frozen=True):
    """What the trial found: rows per table, and what is wrong: nothing, when it restores to the last row."""

    rows: dict[str, int]
    problems: list[str]
    warnings: list[str]
    # Contents of documents in an archive, each compared with its SHA-256.
    documents_count: int = 0
    # Whether every row was compared with what was backed up: not for an edited dump, nor for a SQLite file.
    is_as_made: bool = True
    # The first lines of a dump that was read to its end.
    header: Header | None = None


async def verify_file(config: Config, file: Path, report: Report, *, accept_edited: bool = False) -> Verification:
    """Restores a dump, an archive or a SQLite file into a scratch database of its own, which is thrown away.

    Raises Unavailable or OutOfSpace when the trial could not be made; what is wrong with the backup is its result.
    """
    async with workspace(config.backup_dir) as place:
        try:
            from_file = await opened(file, place, config, accept_edited=accept_edited)
            scratch = place / "scratch.db"
            request = LoadRequest(
                dump=str(from_file.dump),
                scratch=str(scratch),
                purpose="verify",
                max_bytes=config.max_restore_gb * 2**30,
                accept_edited=accept_edited,
            )
            loaded = await run_worker(request, LoadResult, report)
            lacking = tell_incomplete(from_file, await contents_of(scratch))
        except (BadRequest, Conflict, TooLarge) as error:
            return Verification({}, [error.detail], [])
    problems = [*loaded.problems, *lacking]
    return Verification(
        loaded.rows, problems, loaded.warnings, len(from_file.contents), loaded.is_as_made, loaded.header
    )
