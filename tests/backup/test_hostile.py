"""What a dump must not be able to do, statement by statement; `make faults` sends the same to real servers."""

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

# The reader is the same whatever database the dump is for; `make faults` sends all of it to both.
pytestmark = pytest.mark.one_database

# An admin may come with a whole restore, and with a partial import whose caller names the table.
NOT_FOR_THE_READER = {("partial", "an admin")}


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


def accepted(content: bytes, purpose: Purpose, directory: Path) -> bool:
    """Whether the reader lets it pass. Anything but a refusal in words is a defect, and raised."""
    file, scratch = directory / "dump.sql.gz", directory / "scratch.db"
    file.write_bytes(content)
    scratch.unlink(missing_ok=True)
    try:
        load(LoadRequest(dump=str(file), scratch=str(scratch), purpose=purpose, max_bytes=2**30), silent)
    except (BadRequest, Conflict, TooLarge):
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(900)  # some two hundred dumps, each read by a child process
async def test_every_hostile_dump_is_refused(admin: AsyncClient, tmp_path: Path) -> None:
    assert len(STATEMENTS) > 60
    let_pass = {
        (kind, name)
        for kind, name, content in hostile_files(text_of(await take(admin)))
        if "bomb" not in name and accepted(content, "full" if kind == "full" else "partial", tmp_path)
    }
    # What a partial import may hold and may not do is for the merge to refuse; see test_partial.
    assert let_pass <= NOT_FOR_THE_READER | {("partial", name) for name in PASSED_BY}


# Statements that a partial import passes over, as words of any dump, without doing them; and nothing at all.
PASSED_BY = {"only a semicolon", "nothing, packed"}


@pytest.mark.slow
async def test_no_damaged_dump_is_accepted(admin: AsyncClient, tmp_path: Path) -> None:
    dump = await take(admin)
    assert accepted(dump, "full", tmp_path)
    random.seed(4)
    for number in range(60):
        damaged = DAMAGES[number % len(DAMAGES)](dump)
        if damaged != dump:
            assert not accepted(damaged, "full", tmp_path), number
