"""The search index matches the items, however they change and wherever their rows come from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import attach, create_app, make_routes
from stocky.config import Config, load
from stocky.db.migrate import migrate
from stocky.search import index
from stocky.search.consistency import find_index_faults
from stocky.search.repository import search
from stocky.services import Services
from tests.architecture import schema
from tests.backup.by_hand import restore_by_hand
from tests.backup.dumps import as_json, packed, restore, take, text_of
from tests.cli.running import stocky
from tests.conftest import TestDatabases, settings, started
from tests.inventory import Json, get, made, new_item, new_location, new_stock
from tests.search.indexing import index_items


async def _names(client: AsyncClient, typed: str) -> list[str]:
    return [row["name"] for row in await get(client, "/search", q=typed)]


async def _run(config: Config, statement: str) -> list[Any]:
    """Runs SQL beside Stocky in a thread, since Stocky may be committing on the loop."""
    return await asyncio.to_thread(schema.run, config, statement)


async def _in_step(app: Litestar, config: Config) -> None:
    """Waits until no item is marked, and checks the index."""
    await index_items(app)
    assert await _run(config, "SELECT item_id FROM search_pending") == []
    assert await _run(config, "SELECT count(*) FROM search_text") == await _run(config, "SELECT count(*) FROM item")
    assert await find_index_faults(config) == []


async def test_item_changes_are_found_at_once_and_indexed(
    app: Litestar, config: Config, member: AsyncClient, scanner: AsyncClient
) -> None:
    item = await new_item(member, "Capacitor")
    path = f"/items/{item['id']}"
    kind = made(await member.post("/types/", json={"name": "Passive"}))
    shelf = await new_location(member)

    async def finds(*typed: str) -> None:
        for words in typed:
            assert await _names(member, words) == ["Capacitor"], words

    async def finds_not(*typed: str) -> None:
        for words in typed:
            assert "Capacitor" not in await _names(member, words), words

    changes: list[tuple[str, str, Json, list[str], list[str]]] = [
        ("PATCH", path, {"description": "Ceramic, X7R"}, ["ceramic", "x7r"], ["electrolytic"]),
        ("PATCH", path, {"description": "Electrolytic"}, ["electrolytic"], ["ceramic"]),
        ("PATCH", path, {"manufacturer_code": "GRM188"}, ["grm188"], []),
        ("PATCH", path, {"seller": "Mouser"}, ["mouser"], []),
        ("PATCH", path, {"tags": ["smd", "0603"]}, ["smd", "0603"], []),
        ("PATCH", path, {"tags": ["smd"]}, ["smd"], ["0603"]),
        ("PATCH", path, {"type_id": kind["id"]}, ["passive"], []),
        ("PATCH", f"/types/{kind['id']}", {"name": "Reactive"}, ["reactive"], ["passive"]),
        ("POST", f"{path}/barcodes", {"barcode": "99-88-77"}, ["99-88-77", "998877", "988"], []),
        ("DELETE", f"{path}/barcodes/99-88-77", {}, [], ["99-88-77"]),
    ]
    for method, address, body, found, not_found in changes:
        answer = await member.request(method, address, json=body or None)
        assert answer.status_code < 300, answer.text
        await finds(*found)
        await finds_not(*not_found)
        await _in_step(app, config)
        await finds(*found)
        await finds_not(*not_found)
    link = {"item_id": item["id"], "url": "https://example.org/x.pdf", "name": "Datasheet rev. 4"}
    document = made(await member.post("/documents/links", json=link))
    await finds("datasheet")
    await _in_step(app, config)
    await finds("datashet")
    assert (await member.patch(f"/documents/{document['id']}", json={"name": "Spec"})).status_code == 200
    await finds("spec")
    await finds_not("datasheet")
    assert (await member.delete(f"/documents/{document['id']}")).status_code < 300
    await finds_not("spec")
    tag = next(each for each in await get(member, "/tags/") if each["name"] == "smd")
    assert (await member.patch(f"/tags/{tag['id']}", json={"name": "surface mount"})).status_code == 200
    await finds("surface")
    await _in_step(app, config)
    await finds("surface mount")
    assert (await member.delete(f"/tags/{tag['id']}")).status_code < 300
    await finds_not("surface")
    await scanner.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]})
    made(await scanner.post("/scanner/scan", json={"upc": "7610800000123", "scanner_id": "s1"}))
    assert await _names(member, "7610800000123") == ["Unknown 7610800000123"]
    await _in_step(app, config)
    assert await _names(member, "unknwon") == ["Unknown 7610800000123"]


async def test_merged_item_is_found_as_its_target(app: Litestar, config: Config, member: AsyncClient) -> None:
    stub = await new_item(member, "Unknown thing", upc="4006381333931")
    pencil = await new_item(member, "Pencil")
    await _in_step(app, config)
    made(await member.post(f"/items/{stub['id']}/merge", json={"into": pencil["id"]}))
    for _ in ("marked", "indexed"):
        assert await _names(member, "400638133393") == ["Pencil"]
        assert await _names(member, "unknown") == []
        await _in_step(app, config)
    made(await member.post(f"/items/{stub['id']}/unmerge"))
    for _ in ("marked", "indexed"):
        assert await _names(member, "400638133393") == ["Unknown thing"]
        await _in_step(app, config)


async def test_many_changes_are_indexed_eventually(app: Litestar, config: Config, member: AsyncClient) -> None:
    now = "2026-01-31T12:00:00.000000Z"
    codes = islice(map("".join, product("QXZJKV", repeat=4)), 650)
    values = ", ".join(f"('{code}', 'Thing {at}', 'other', '{now}', '{now}')" for at, code in enumerate(codes))
    await _run(config, f"INSERT INTO item (code, name, default_storage_type, created_at, updated_at) VALUES {values}")
    await _in_step(app, config)
    assert await _names(member, "thing 649") == ["Thing 649"]


async def test_outdated_text_finds_nothing(app: Litestar, config: Config, member: AsyncClient) -> None:
    now = "2026-01-31T12:00:00.000000Z"
    codes = islice(map("".join, product("QXZJKV", repeat=4)), 650)
    values = ", ".join(f"('{code}', 'Thing {at}', 'other', '{now}', '{now}')" for at, code in enumerate(codes))
    await _run(config, f"INSERT INTO item (code, name, default_storage_type, created_at, updated_at) VALUES {values}")
    await _in_step(app, config)
    assert await _names(member, "thing 649") == ["Thing 649"]
    await _run(config, "UPDATE item SET name = replace(name, 'Thing', 'Gadget')")
    for typed in ("thing 649", "649 thing", "hing 649"):
        assert {each["match"]["kind"] for each in await get(member, "/search", q=typed)} <= {"similar"}, typed
    assert await _names(member, "thing") == []
    await _in_step(app, config)
    assert await _names(member, "gadget 649") == ["Gadget 649"]


async def test_errors_in_several_words_find_the_intended_item(
    app: Litestar, config: Config, member: AsyncClient
) -> None:
    now = "2026-01-31T12:00:00.000000Z"
    codes = islice(map("".join, product("QXZJKV", repeat=4)), 1_200)
    values = ", ".join(
        f"('{code}', 'Coffee small {at}', 'other', '{now}', '{now}')" for at, code in enumerate(codes, start=1_000)
    )
    await _run(config, f"INSERT INTO item (code, name, default_storage_type, created_at, updated_at) VALUES {values}")
    await _in_step(app, config)
    for typed in ("cofee smal 2150", "coffe smlal 2150", "cofffee small 2150", "smal cofee 2150"):
        assert (await _names(member, typed))[0] == "Coffee small 2150"


async def test_restored_backup_is_searchable(app: Litestar, config: Config, admin: AsyncClient) -> None:
    await new_item(admin, "Crème brûlée", upc="4006381333931", tags=["dessert"])
    await _in_step(app, config)
    dump = await take(admin)
    for left_out in ("creme", 'INSERT INTO "search', "gin_trgm", "search_index"):
        assert left_out not in text_of(dump)
    assert "VIRTUAL" not in text_of(dump).upper()
    await new_item(admin, "Later")
    await _in_step(app, config)
    await restore(admin, dump)
    await _in_step(app, config)
    assert await _names(admin, "later") == []
    assert await _names(admin, "creme") == ["Crème brûlée"]
    assert await _names(admin, "desert") == ["Crème brûlée"]
    assert "trigrams" in app.state.search_index.state or config.dialect == "postgres"


@pytest.mark.one_server
async def test_imported_rows_are_found(app: Litestar, config: Config, admin: AsyncClient) -> None:
    cumin = await new_item(admin, "Cumin")
    dump = await take(admin)
    await restore(admin, dump)
    item = await new_item(admin, "Saffron", upc="4006381333931")
    lines = text_of(await take(admin)).splitlines()
    rows = [line for line in lines if line.startswith(('INSERT INTO "item" ', 'INSERT INTO "barcode" '))]
    imported = as_json(packed("\n".join(rows)), force=True)
    await restore(admin, dump)
    assert await _names(admin, "saffron") == []
    assert made(await admin.post("/backup/import/partial", json=imported))["records_imported"] == 2
    for _ in ("marked", "indexed"):
        assert await _names(admin, "safron") == ["Saffron"]
        assert await _names(admin, "4006381333931") == ["Saffron"]
        assert await _names(admin, cumin["code"]) == ["Cumin"]
        await _in_step(app, config)
    assert (await get(admin, f"/items/{item['id']}"))["name"] == "Saffron"


@asynccontextmanager
async def _loaded_by_hand(
    admin: AsyncClient, dialect: str, databases: TestDatabases, directory: Path
) -> AsyncIterator[Config]:
    """A database loaded from a dump of the data without Stocky, and then migrated."""
    file = directory / "dump.sql.gz"
    dump = await take(admin)
    await asyncio.to_thread(file.write_bytes, dump)
    with databases.empty(dialect, directory) as url:
        restore_by_hand(file, url)
        restored = load(settings(url, directory))
        migrate(restored)
        yield restored


async def test_manually_restored_dump_is_indexed_at_start(
    config: Config, admin: AsyncClient, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await new_item(admin, "Cardamom pods")
    async with _loaded_by_hand(admin, dialect, databases, tmp_path) as restored:
        assert await find_index_faults(restored) == []
        app = create_app(restored)
        database = app.state.database
        await database.open()
        try:
            await _in_step(app, restored)
            async with database.read() as read:
                assert [found.name for found in await read.run(search, "cardamon", 10)] == ["Cardamom pods"]
        finally:
            await database.close()


async def test_lists_search_a_dump_loaded_by_hand_from_the_first_request(
    admin: AsyncClient, dialect: str, databases: TestDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump has no index, which the lists look texts up in."""

    async def later(self: index.SearchIndex) -> None:
        """The first run of the task, which comes after the first requests."""

    monkeypatch.setattr(index.SearchIndex, "sync", later)
    await new_stock(admin, await new_item(admin, "Cardamom pods"), await new_location(admin), 1)
    async with (
        _loaded_by_hand(admin, dialect, databases, tmp_path) as restored,
        started(attach(make_routes(), Services(restored))) as app,
        AsyncClient(transport=ASGITransport(app=app), base_url=admin.base_url, headers=admin.headers) as other,
    ):
        for path in ("/items/", "/skus/"):
            for text in ("cardamom", "am", "elsewhere"):
                assert len(await get(other, path, search=text)) == (text != "elsewhere"), (path, text)


async def test_migration_reindexes_items_with_measures(dialect: str, databases: TestDatabases, tmp_path: Path) -> None:
    now = "2026-01-31T12:00:00.000000Z"
    with databases.empty(dialect, tmp_path) as url:
        older = load(settings(url, tmp_path))
        await asyncio.to_thread(migrate, older, through=15)
        await _run(
            older,
            "INSERT INTO item (code, name, default_storage_type, created_at, updated_at)"
            f" VALUES ('QXZJ', 'Capacitor 10 µF', 'other', '{now}', '{now}')",
        )
        await _run(older, "INSERT INTO search_text SELECT id, 'capacitor 10 μf', ' capacitor 10 μf ' FROM item")
        await _run(older, "DELETE FROM search_pending")
        await asyncio.to_thread(migrate, older)
        assert await find_index_faults(older) == []
        app = create_app(older)
        database = app.state.database
        await database.open()
        try:
            for _ in ("marked", "indexed"):
                async with database.read() as read:
                    found = await read.run(search, "10uf", 10)
                assert [(each.name, each.match.kind) for each in found] == [("Capacitor 10 µF", "words")]
                await _in_step(app, older)
        finally:
            await database.close()


@pytest.mark.parametrize("damage", ["UPDATE search_index_data SET block = X'00'", "DELETE FROM search_index_docsize"])
@pytest.mark.one_database
async def test_damaged_index_is_reported_and_rebuilt(
    damage: str, app: Litestar, config: Config, environ: dict[str, str], member: AsyncClient
) -> None:
    await new_item(member, "Coffee")
    await _in_step(app, config)
    await _run(config, damage)
    if "docsize" in damage:
        [fault] = await find_index_faults(config)
        assert "is in only one of the index and its texts; 'stocky reindex'" in fault.message
    answer = await asyncio.to_thread(stocky, environ, "reindex")
    assert answer.returncode == 0, answer.stderr
    await _in_step(app, config)
    assert await _names(member, "coffe") == ["Coffee"]


async def test_outdated_index_is_reported_and_rebuilt(
    app: Litestar, config: Config, environ: dict[str, str], member: AsyncClient
) -> None:
    item = await new_item(member, "Coffee")
    await new_item(member, "Tea")
    await _in_step(app, config)
    await _run(config, f"UPDATE search_text SET text = replace(text, 'coffee', 'cocoa') WHERE item_id = {item['id']}")
    [fault] = await find_index_faults(config)
    assert fault.check == "search"
    assert f"item {item['id']} has other words in the index than its own; 'stocky reindex'" in fault.message
    answer = await asyncio.to_thread(stocky, environ, "check")
    assert (answer.returncode, answer.stdout.count("\n")) == (1, 1)
    answer = await asyncio.to_thread(stocky, environ, "reindex")
    assert answer.returncode == 0, answer.stderr
    assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0
    await _in_step(app, config)
    assert await _names(member, "cofee") == ["Coffee"]


async def test_emptied_index_is_rebuilt_while_serving(app: Litestar, config: Config, member: AsyncClient) -> None:
    await new_item(member, "Capacitor")
    await _in_step(app, config)
    await app.state.database.run(index._empty)
    await _in_step(app, config)
    assert await _names(member, "capacitor") == ["Capacitor"]
