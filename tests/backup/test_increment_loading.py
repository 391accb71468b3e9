"""A chain is loaded without a gap: what does not belong together is refused, and late commits are in the next part."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from httpx import AsyncClient

from stocky.backup.dump import ledger, sqlite
from stocky.backup.dump.format import LEDGER, ParentFile
from stocky.backup.dump.ledger import Continued
from stocky.backup.dump.making import dump
from stocky.backup.load.loading import load
from stocky.backup.load.parents import find_parents
from stocky.backup.requests import DumpRequest, DumpResult, LoadRequest, LoadResult
from stocky.config import Config
from stocky.config import load as load_config
from stocky.db.migrate import migrate
from stocky.db.migration_files import schema_version
from stocky.errors import BadRequest
from tests.architecture import schema
from tests.backup.test_increments import events_in
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.inventory import new_item, new_location, new_stock

pytestmark = pytest.mark.one_server

WRITERS_LOCK = "SELECT pg_advisory_xact_lock_shared(77862604)"


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


class Part(msgspec.Struct, frozen=True):
    """A dump that was made in this process."""

    file: Path
    result: DumpResult
    base: str

    def continued(self) -> Continued:
        header, mark = self.result.header, self.result.mark
        assert mark is not None
        parent = ParentFile(filename=self.file.name, sha256=self.result.sha256, size_bytes=self.result.bytes)
        return Continued(base=self.base, parent=parent, dialect=header.dialect, schema=header.schema, mark=mark)


async def part(config: Config, directory: Path, number: int, parent: Part | None = None) -> Part:
    """Dumps the database; an increment of `parent`, if given."""
    scratch, file = directory / f"scratch-{number}", directory / f"part-{number}.sql.gz"
    scratch.mkdir()
    request = DumpRequest(
        database_url=config.session_url,
        scratch=str(scratch),
        output=str(file),
        is_marked=True,
        continued=parent.continued() if parent is not None else None,
    )
    result = await asyncio.to_thread(dump, request, silent)
    assert result.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    return Part(file, result, parent.base if parent is not None else result.sha256)


async def loaded(directory: Path, *parts: Part) -> LoadResult:
    """Verifies the last of the parts, with the others as its parents."""
    scratch = directory / "scratch.db"
    scratch.unlink(missing_ok=True)
    request = LoadRequest(
        dump=str(parts[-1].file),
        scratch=str(scratch),
        purpose="verify",
        max_bytes=2**40,
        parents=tuple(str(each.file) for each in parts[:-1]),
    )
    return await asyncio.to_thread(load, request, silent)


async def stocked(admin: AsyncClient, *names: str) -> None:
    shelf = await new_location(admin, f"Shelf of {names[0]}")
    for name in names:
        await new_stock(admin, await new_item(admin, name), shelf, 3)


async def test_parts_that_do_not_belong_together_are_refused(
    admin: AsyncClient, config: Config, tmp_path: Path
) -> None:
    await stocked(admin, "Tea")
    base = await part(config, tmp_path, 0)
    await stocked(admin, "Coffee")
    first = await part(config, tmp_path, 1, base)
    await stocked(admin, "Flour", "Rice")
    second = await part(config, tmp_path, 2, first)
    assert (await loaded(tmp_path, base, first, second)).problems == []
    with pytest.raises(BadRequest, match=r"which needs part-1\.sql\.gz"):
        await loaded(tmp_path, second)
    with pytest.raises(BadRequest, match="with its parents it has"):
        await loaded(tmp_path, base, second)
    with pytest.raises(BadRequest, match="Part 1 of the increment's chain: it is not a dump"):
        await loaded(tmp_path, first, second)
    with pytest.raises(BadRequest, match="Part 2 of the increment's chain: it is not a dump"):
        await loaded(tmp_path, base, base, second)


async def test_every_part_is_checked(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await stocked(admin, "Tea")
    base = await part(config, tmp_path, 0)
    await stocked(admin, "Coffee")
    first = await part(config, tmp_path, 1, base)
    text = gzip.decompress(base.file.read_bytes()).decode()
    changed = text.replace(f'INSERT INTO "{LEDGER}" VALUES(1,', f'INSERT INTO "{LEDGER}" VALUES(2,', 1)
    for wrong, message in ((changed, "does not match the checksum"), (text[:-200], "last line")):
        base.file.write_bytes(gzip.compress(wrong.encode()))
        with pytest.raises(BadRequest, match=f"Part 1 of the increment's chain: .*{message}"):
            await loaded(tmp_path, base, first)


async def test_increment_holds_only_what_is_new(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await stocked(admin, "Tea", "Coffee")
    base = await part(config, tmp_path, 0)
    assert base.result.mark is not None
    await stocked(admin, "Flour")
    first = await part(config, tmp_path, 1, base)
    assert events_in(first.file) == [base.result.mark.position + 1]
    header = first.result.header
    assert header.increment is not None
    assert (header.increment.after, header.rows[LEDGER], header.increment.events) == (2, 1, 3)
    assert (await loaded(tmp_path, base, first)).rows[LEDGER] == 3
    assert [Path(each) for each in await find_parents(first.file, first.file, tmp_path, config)] == [base.file]


async def test_migration_that_ends_just_before_the_copy_makes_a_base(
    databases: TestDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On Postgres, the number of the schema is read in the snapshot of the rows anyway.
    copy_increment = sqlite.copy_increment
    with databases.empty("sqlite", tmp_path) as url:
        config = load_config(environment(url, tmp_path))
        await asyncio.to_thread(migrate, config, through=schema_version("sqlite") - 1)
        base = await part(config, tmp_path, 0)

        def copy_late(*given: Any) -> Any:
            migrate(config)
            return copy_increment(*given)

        monkeypatch.setattr(sqlite, "copy_increment", copy_late)
        header = (await part(config, tmp_path, 1, base)).result.header
    assert (header.schema, header.increment) == (schema_version("sqlite"), None)


@pytest.fixture
def writer(config: Config) -> Iterator[Any]:
    """Another process that books on Postgres: it has reserved an id, and has not committed."""
    if config.dialect != "postgres":
        pytest.skip("SQLite has one writer")
    with closing(psycopg.connect(config.database_url)) as connection:
        yield connection


def reserve(connection: Any) -> int:
    connection.execute(WRITERS_LOCK)
    row = connection.execute(f"SELECT nextval(pg_get_serial_sequence('{LEDGER}', 'id'))").fetchone()
    return int(row[0])


def book(connection: Any, id: int) -> None:
    """Books an event of no difference under a reserved id."""
    columns = "item_id, location_id, sku_id, quantity_after_milli, occurred_at, recorded_at"
    connection.execute(
        f"INSERT INTO {LEDGER} (id, kind, delta_milli, {columns})"
        f" SELECT {id}, 'set', 0, {columns} FROM {LEDGER} WHERE id = 1"
    )
    connection.commit()


async def test_event_committed_late_is_in_the_next_increment(
    admin: AsyncClient, config: Config, tmp_path: Path, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stocked(admin, "Tea")
    base = await part(config, tmp_path, 0)
    late = await asyncio.to_thread(reserve, writer)
    await stocked(admin, "Coffee")
    monkeypatch.setattr(ledger, "SETTLE_SECONDS", 0.2)
    first = await part(config, tmp_path, 1, base)
    assert base.result.mark is not None
    assert first.result.mark == base.result.mark, "an id below its last event is still open"
    assert (late in events_in(first.file), late + 1 in events_in(first.file)) == (False, True)
    await asyncio.to_thread(book, writer, late)
    second = await part(config, tmp_path, 2, first)
    assert {late, late + 1} <= set(events_in(second.file)), "both, in place of what the first has"
    assert second.result.mark is not None
    assert second.result.mark.position == late + 1
    assert (await loaded(tmp_path, base, first)).problems == []
    result = await loaded(tmp_path, base, first, second)
    assert result.problems == []
    assert result.rows[LEDGER] == 3


async def test_base_during_a_long_transaction_is_not_continued(
    admin: AsyncClient, config: Config, tmp_path: Path, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(reserve, writer)
    monkeypatch.setattr(ledger, "SETTLE_SECONDS", 0.2)
    base = await part(config, tmp_path, 0)
    assert base.result.mark is None
    assert (await loaded(tmp_path, base)).problems == []


async def test_backup_waits_for_an_open_transaction(
    admin: AsyncClient, config: Config, tmp_path: Path, writer: Any
) -> None:
    await stocked(admin, "Tea")
    late = await asyncio.to_thread(reserve, writer)
    await stocked(admin, "Coffee")
    making = asyncio.create_task(part(config, tmp_path, 0))
    # Its session is seen once it looks for open transactions.
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%stocky backup%'"
    )
    async with asyncio.timeout(30):
        while not await schema.run_beside(config, query):  # noqa: ASYNC110 - another process gives no event
            await asyncio.sleep(0.01)
    await asyncio.to_thread(book, writer, late)
    base = await making
    await stocked(admin, "Flour")
    first = await part(config, tmp_path, 1, base)
    result = await loaded(tmp_path, base, first)
    assert result.problems == []
    # Whenever the backup began to wait: the event is in one of the two.
    found = set(events_in(base.file)) | set(events_in(first.file))
    assert {1, late, late + 1, late + 2} <= found
    assert result.rows[LEDGER] == 4
