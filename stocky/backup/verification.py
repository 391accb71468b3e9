"""The proof of a backup: it is restored on trial, and every row is compared with what was dumped."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stocky.backup.opening import opened
from stocky.backup.process import run_worker
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.backup.workspace import workspace
from stocky.backup.writing import Report
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, TooLarge


class Verification(msgspec.Struct, frozen=True):
    """What the trial found: rows per table, and what is wrong: nothing, when it restores to the last row."""

    rows: dict[str, int]
    problems: list[str]
    warnings: list[str]


async def verify_file(config: Config, file: Path, report: Report) -> Verification:
    """Restores a dump or an archive into a scratch database of its own, which is thrown away.

    Raises Unavailable or OutOfSpace when the trial could not be made; what is wrong with the backup is its result.
    """
    async with workspace(config.backup_dir) as place:
        try:
            dump = await opened(file, place, config)
            request = LoadRequest(
                dump=str(dump),
                scratch=str(place / "scratch.db"),
                purpose="verify",
                max_bytes=config.max_restore_gb * 2**30,
            )
            loaded = await run_worker(request, LoadResult, report)
        except (BadRequest, Conflict, TooLarge) as error:
            return Verification({}, [error.detail], [])
    return Verification(loaded.rows, loaded.problems, loaded.warnings)
