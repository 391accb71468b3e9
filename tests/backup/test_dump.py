"""Dumps, restored with only the database's own client."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import create_app
from stocky.backup.dump.format import read_footer, read_header
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import EXCLUDED_TABLES, is_data
from stocky.backup.requests import DumpRequest, DumpResult
from stocky.backup.service import dump_to_file, stream_dump, verify_file
from stocky.config import Config, load
from stocky.db.migrate import check_schema, migrate
from stocky.db.migration_files import schema_version
from stocky.errors import OutOfSpace, Unavailable
from stocky.stock.consistency import find_faults
from stocky.worker.process import run_worker
from tests.architecture.schema import contents, run
from tests.backup.by_hand import restore_by_hand, write_down
from tests.conftest import TestDatabases, settings
from tests.inventory import get, made, new_item, new_location, new_stock
from tests.people import PASSWORD

HARD_TEXTS = [
    "it's",
    "''",
    "a;\nb;\r\nc\r",
    "tab\tbell\x07back\bform\fvertical\v",
    "C:\\new\\table\\",
    "\\.\n\\.\n\\",
    "\\N",
    "-- not a comment\n/* nor this",
    "$$ $body$ %s %% :name ${x}",
    "X'00'",
    "\U0001f600 שלום مرحبا 日本語",
    "e\u0301\u0301\u0301 \u200f\u202e\u2028\ufeff",
    '\n);\nINSERT INTO "item" VALUES(1);\n-- complete: {}\n',
    "\x01\x1a\x1b\x7f",
    "long " * 200_000,
]

Restore = Callable[[Path], Config]


@pytest.fixture
def restored(dialect: str, databases: TestDatabases, tmp_path: Path) -> Iterator[Restore]:
    """`restored(file)`: the settings of a Stocky on a new database with the manually restored dump."""
    numbers = count(1)
    with ExitStack() as stack:

        def restore(file: Path) -> Config:
            directory = tmp_path / f"restored-{next(numbers)}"
            directory.mkdir()
            url = stack.enter_context(databases.empty(dialect, directory))
            restore_by_hand(file, url)
            return load(settings(url, directory))

        yield restore


def ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


async def taken(config: Config, tmp_path: Path, name: str = "dump.sql.gz") -> Path:
    file = tmp_path / name
    await dump_to_file(config, file, ignore_progress)
    return file


def text_of(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()


async def fill(admin: AsyncClient) -> None:
    shelf, drawer = await new_location(admin), await new_location(admin, "Drawer", box_no=1, loc_no=2)
    tea = await new_item(admin, "Tea", min_quantity=2)
    await new_stock(admin, tea, shelf, 5)
    await new_stock(admin, tea, drawer, 2.5, expiry_date="2027-02-28")
    await new_item(admin, "Rice")


async def test_database_client_restores_every_row(
    admin: AsyncClient, config: Config, restored: Restore, tmp_path: Path
) -> None:
    await fill(admin)
    for text in HARD_TEXTS:
        (await asyncio.to_thread(write_down, config, text))
    new = restored(await taken(config, tmp_path))
    check_schema(new)
    assert await find_faults(new) == []
    before, after = contents(config), contents(new)
    assert {table for table in before if before[table] != after[table]} <= EXCLUDED_TABLES


async def test_stocky_runs_on_a_manually_restored_dump(
    admin: AsyncClient, config: Config, restored: Restore, tmp_path: Path
) -> None:
    await fill(admin)
    dump = await taken(config, tmp_path)
    known = await get(admin, "/items/")
    key = admin.headers["x-api-key"]
    new = create_app(restored(dump))
    async with new.lifespan(), _client(new, key) as again:
        assert await get(again, "/items/") == known
        sku = (await get(again, "/skus/"))[0]
        made(await again.post(f"/skus/{sku['id']}/adjust", json={"delta": 1}))
        made(await again.post("/items/", json={"name": "Newer"}))


async def test_dump_of_restored_data_is_identical(
    admin: AsyncClient, config: Config, restored: Restore, tmp_path: Path
) -> None:
    await fill(admin)
    for text in HARD_TEXTS:
        (await asyncio.to_thread(write_down, config, text))
    dump = await taken(config, tmp_path)
    again = await taken(restored(dump), tmp_path, "again.sql.gz")
    # The time differs, and so does the footer.
    (*lines, last), (*lines_again, last_again) = (
        [line for line in text_of(file).splitlines() if not line.startswith("-- taken_at: ")] for file in (dump, again)
    )
    assert lines == lines_again
    footer, footer_again = read_footer(last), read_footer(last_again)
    assert footer is not None
    assert footer_again is not None
    assert footer.tables == footer_again.tables


async def test_header_and_footer_describe_the_dump(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await fill(admin)
    file = tmp_path / "dump.sql.gz"
    reports: list[tuple[str, int, int | None, str]] = []
    result = await dump_to_file(config, file, lambda *report: reports.append(report))
    text = text_of(file)
    header, footer = read_header(text), read_footer(text.splitlines()[-1])
    assert header == result.header
    assert footer == result.footer
    assert header is not None
    assert footer is not None
    assert header.dialect == config.dialect
    assert header.schema == schema_version(config.dialect)
    assert header.rows["item"] == 2
    assert header.rows == {table: digest.rows for table, digest in footer.tables.items()}
    assert header.rows.keys() == {table for table in stocky_objects(config.dialect).tables if is_data(table)}
    events = "".join(line for line in text.splitlines(keepends=True) if line.startswith('INSERT INTO "stock_event"'))
    assert footer.tables["stock_event"].sha256 == hashlib.sha256(events.encode()).hexdigest()
    assert result.bytes == file.stat().st_size
    assert result.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert reports[-1] == ("dumping", footer.rows, footer.rows, "rows")


async def test_only_the_owner_can_read_a_dump(config: Config, tmp_path: Path) -> None:
    assert stat.S_IMODE((await taken(config, tmp_path)).stat().st_mode) == 0o600


async def test_dump_has_no_sessions_and_no_host_names(client: AsyncClient, config: Config, tmp_path: Path) -> None:
    made(await client.post("/auth/login", data={"username": "admin", "password": PASSWORD}))
    assert run(config, "SELECT count(*) FROM sign_in") == [(1,)]
    text = text_of(await taken(config, tmp_path))
    assert 'INSERT INTO "user_account"' in text
    for table in (*EXCLUDED_TABLES, "_yoyo_log"):
        assert table in text
        assert f'INSERT INTO "{table}"' not in text


async def test_foreign_objects_are_not_in_a_dump(config: Config, restored: Restore, tmp_path: Path) -> None:
    for statement in (
        "CREATE TABLE neighbour (item_id INTEGER REFERENCES item (id))",
        "CREATE VIEW neighbours AS SELECT item_id FROM neighbour",
        "CREATE INDEX neighbour_by_item ON neighbour (item_id)",
    ):
        run(config, statement)
    dump = await taken(config, tmp_path)
    assert "neighbour" not in text_of(dump)
    assert await find_faults(restored(dump)) == []


async def test_dump_during_writes_is_a_snapshot(
    admin: AsyncClient, config: Config, restored: Restore, tmp_path: Path
) -> None:
    await fill(admin)
    skus = [sku["id"] for sku in await get(admin, "/skus/")]
    stop = asyncio.Event()

    async def write(sku: int) -> None:
        while not stop.is_set():
            made(await admin.post(f"/skus/{sku}/adjust", json={"delta": 1}))

    writers = [asyncio.create_task(write(sku)) for sku in skus * 2]
    dumps = [await taken(config, tmp_path, f"{number}.sql.gz") for number in range(3)]
    stop.set()
    await asyncio.gather(*writers)
    events = [run(new, "SELECT count(*) FROM stock_event")[0][0] for new in map(restored, dumps)]
    assert events == sorted(set(events))
    for file in dumps:
        assert await find_faults(restored(file)) == []


async def test_streamed_dump_is_complete(admin: AsyncClient, config: Config, restored: Restore, tmp_path: Path) -> None:
    await fill(admin)
    file = tmp_path / "streamed.sql.gz"
    file.write_bytes(b"".join([piece async for piece in await stream_dump(config)]))
    assert read_footer(text_of(file).splitlines()[-1]) is not None
    assert await find_faults(restored(file)) == []
    assert list(config.backup_dir.iterdir()) == []


async def test_unmigrated_database_is_not_dumped(empty_environ: dict[str, str], tmp_path: Path) -> None:
    config = load(empty_environ)
    with pytest.raises(Unavailable):
        await stream_dump(config)
    with pytest.raises(Unavailable):
        await taken(config, tmp_path)
    assert not (tmp_path / "dump.sql.gz").exists()
    assert list(config.backup_dir.iterdir()) == []


async def test_full_disk_is_reported(config: Config, tmp_path: Path) -> None:
    request = DumpRequest(database_url=config.database_url, scratch=str(tmp_path), output="/dev/full")
    with pytest.raises(OutOfSpace):
        await run_worker(request, DumpResult, ignore_progress)


async def test_dump_uses_the_current_schema(databases: TestDatabases, tmp_path: Path) -> None:
    with databases.empty("postgres-embedded", tmp_path) as url, databases.empty("postgres-embedded", tmp_path) as other:
        config = load(settings(url, tmp_path))
        name = urlsplit(url).path.strip("/")
        run(config, 'CREATE SCHEMA "Über depot"')
        run(config, f'ALTER DATABASE {name} SET search_path = "Über depot"')
        migrate(config)
        dump = await taken(config, tmp_path)
        assert "depot" not in text_of(dump)
        restore_by_hand(dump, other)
        check_schema(load(settings(other, tmp_path)))


async def test_loaded_dump_equals_the_database(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await fill(admin)
    for text in HARD_TEXTS:
        (await asyncio.to_thread(write_down, config, text))
    verification = await verify_file(config, await taken(config, tmp_path), ignore_progress)
    assert verification.problems == []
    assert verification.rows["audit_entry"] >= len(HARD_TEXTS)


def _client(app: Litestar, key: str) -> AsyncClient:
    return AsyncClient(
        transport=ASGITransport(app=app), base_url="http://stocky.test/api/v1", headers={"X-API-Key": key}
    )
