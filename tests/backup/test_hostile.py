"""Hostile statements in dumps, one by one; `make faults` sends the same to real servers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest, Purpose
from stocky.errors import BadRequest, Conflict, TooLarge
from tests.backup.dumps import take, text_of
from tests.faults.backup_damage import DAMAGES
from tests.faults.backup_hostile import STATEMENTS, hostile_files

# The reader does not depend on the database; `make faults` sends all files to both.
pytestmark = pytest.mark.one_database

# The merge, not the reader, rejects an admin in a partial import unless the caller names the table.
REJECTED_LATER = {("partial", "an admin")}


def ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


def accepted(content: bytes, purpose: Purpose, directory: Path) -> bool:
    """Whether the reader accepts it. Any other error than a rejection is a defect, and raised."""
    file, scratch = directory / "dump.sql.gz", directory / "scratch.db"
    file.write_bytes(content)
    scratch.unlink(missing_ok=True)
    try:
        load(LoadRequest(dump=str(file), scratch=str(scratch), purpose=purpose, max_bytes=2**30), ignore_progress)
    except (BadRequest, Conflict, TooLarge):
        return False
    return True


@pytest.mark.slow
@pytest.mark.usefixtures("scratch_built_once")
async def test_every_hostile_dump_is_rejected(admin: AsyncClient, tmp_path: Path) -> None:
    assert len(STATEMENTS) > 60
    accepted_dumps = {
        (kind, name)
        for kind, name, content in hostile_files(text_of(await take(admin)), with_bombs=False)
        if accepted(content, "full" if kind == "full" else "partial", tmp_path)
    }
    # Other contents of a partial import are rejected by the merge; see test_partial.
    assert accepted_dumps <= REJECTED_LATER | {("partial", name) for name in IGNORED_STATEMENTS}


# Usual statements of dumps that a partial import skips, and an empty dump.
IGNORED_STATEMENTS = {"only a semicolon", "nothing, packed"}


@pytest.mark.slow
@pytest.mark.usefixtures("scratch_built_once")
async def test_no_damaged_dump_is_accepted(admin: AsyncClient, tmp_path: Path) -> None:
    dump = await take(admin)
    assert accepted(dump, "full", tmp_path)
    random.seed(4)
    for number in range(60):
        damaged = DAMAGES[number % len(DAMAGES)](dump)
        if damaged != dump:
            assert not accepted(damaged, "full", tmp_path), number
