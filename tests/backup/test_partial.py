"""Partial imports: all rows are added or none, and access rights never change by chance."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.backup.partial import postgres
from stocky.backup.partial.rules import Imported, Merge
from stocky.config import Config
from stocky.database_address import parse
from stocky.db.postgres_connect import connect
from stocky.merging import service
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import as_json, packed, take, text_of
from tests.faults.backup_hostile import altered
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge
from tests.people import NOBODYS_HASH
from tests.postgres import LOCKS_HERE
from tests.shopping.lists import new_list, on, put_on

pytestmark = pytest.mark.one_server

PATH = "/backup/import/partial"
NOW = "'2026-01-01T00:00:00.000000Z'"
USER = (
    'INSERT INTO "user_account" VALUES'
    f"(99,'evil','evil@example.org','{NOBODYS_HASH}','admin',{{yes}},{NOW},{NOW},NULL);"
)


@pytest.fixture
async def tea(app: Litestar, admin: AsyncClient) -> Json:
    """An item with five pieces on a shelf, booked in two events."""
    shelf, tea = await new_location(admin), await new_item(admin, "Tea")
    sku = await new_stock(admin, tea, shelf, 3)
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": 2}))
    return tea


@pytest.fixture(autouse=True)
async def everything_adds_up(app: Litestar, config: Config) -> AsyncIterator[None]:
    yield
    assert await find_faults(config) == []


async def lines(admin: AsyncClient, *tables: str) -> list[str]:
    """The current INSERT lines of these tables."""
    text = text_of(await take(admin))
    return [line for line in text.split("\n") if line.startswith(tuple(f'INSERT INTO "{table}" ' for table in tables))]


async def send(admin: AsyncClient, statements: list[str], **options: object):  # type: ignore[no-untyped-def]  # an answer of httpx
    return await admin.post(PATH, json=as_json(packed("\n".join(statements) + "\n"), **options))


def renumbered(line: str, ids: dict[str, str]) -> str:
    for old, new in ids.items():
        line = line.replace(old, new)
    return line


async def test_item_is_imported_with_stock_and_ledger(admin: AsyncClient, tea: Json) -> None:
    rows = await lines(admin, "item", "location", "sku", "stock_event")
    text = text_of(await take(admin))
    assert text.count('INSERT INTO "stock_event" ') == 2
    code = tea["code"]
    # The same rows under other ids, as in another Stocky.
    moved = []
    for line in rows:
        table = line.split('"')[1]
        head, _, values = line.partition("VALUES(")
        fields = values.split(",")
        for directory in {"item": [0], "location": [0], "sku": [0, 1, 2], "stock_event": [0, 6, 7, 8]}[table]:
            fields[directory] = str(int(fields[directory]) + 100)
        moved.append(f"{head}VALUES({','.join(fields)}".replace(f"'{code}'", "'ZZZZ'").replace("'Shelf'", "'Other'"))
    answer = made(await send(admin, moved))
    assert answer["records_imported"] == len(moved)
    assert set(answer["tables_affected"]) == {"locations", "items", "skus", "events"}
    other = await get(admin, "/items/code/ZZZZ")
    assert await total(admin, other) == 5
    # New rows get ids above the imported ones.
    assert (await new_item(admin, "Next"))["id"] > other["id"]
    sku = next(each for each in await get(admin, "/skus/") if each["item_id"] == other["id"])
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": 1}))
    assert await total(admin, other) == 6


async def test_existing_row_cancels_import_or_stays_unchanged(admin: AsyncClient, tea: Json) -> None:
    rows = await lines(admin, "item", "location", "sku", "stock_event")
    made(await admin.patch(f"/items/{tea['id']}", json={"name": "Green tea"}))
    problem = refused(await send(admin, rows), 400, "already", "force=true")
    assert any(table in problem["detail"] for table in ("item", "location"))
    answer = made(await send(admin, rows, force=True))
    assert (answer["records_imported"], answer["records_skipped"]) == (0, len(rows))
    assert (await get(admin, f"/items/{tea['id']}"))["name"] == "Green tea"


async def test_rows_of_another_stocky_with_the_same_id_are_rejected(admin: AsyncClient, tea: Json) -> None:
    (item,) = await lines(admin, "item")
    # As in another Stocky's dump: the same id, created at another time.
    flour = re.sub(r"'20\d\d-[^']+Z'", NOW, item).replace("'Tea'", "'Flour'")
    barcode = f"INSERT INTO \"barcode\" VALUES(70,'FLOUR-1',{tea['id']},1000,TRUE,'FLOUR-1',NULL);"
    refused(await send(admin, [flour, barcode], force=True), 400, "item 1 of the dump", "another Stocky", "/exports")
    assert (await get(admin, f"/items/{tea['id']}"))["barcodes"] == []
    assert made(await send(admin, [item, barcode], force=True))["records_imported"] == 1


async def test_shared_barcode_gets_the_key_that_nothing_here_has(admin: AsyncClient, tea: Json) -> None:
    """In the other Stocky another barcode had the key; here there may be none, or one."""
    number = "04006381333931"
    rows = [
        f"INSERT INTO \"barcode\" VALUES({id},'{code}',{tea['id']},1000,FALSE,'{code}','{shared}');"
        for id, code, shared in ((70, "4006381333931 ", number), (71, "4006381333931-", number), (72, "COLA ", "COLA"))
    ]
    made(await admin.post(f"/items/{tea['id']}/barcodes", json={"barcode": "COLA"}))
    assert made(await send(admin, rows))["records_imported"] == 3
    assert (await get(admin, "/items/upc/4006381333931"))["id"] == tea["id"]
    listed = await get(admin, "/items/review/barcodes")
    assert [(each["barcode"], each["same_barcode"]) for each in listed] == [
        ("4006381333931-", "4006381333931 "),
        ("COLA ", "COLA"),
    ]


async def test_conflict_of_another_key_is_reported(admin: AsyncClient, tea: Json) -> None:
    (row,) = await lines(admin, "item")
    refused(await send(admin, [row.replace("VALUES(1,", "VALUES(50,")]), 400, "code")
    assert len(await get(admin, "/items/")) == 1


async def test_complete_dump_is_imported_over_its_own_data(admin: AsyncClient, tea: Json) -> None:
    dump = await take(admin)
    await new_item(admin, "Since then")
    answer = made(await admin.post(PATH, json=as_json(dump, force=True)))
    assert answer["records_imported"] == 0
    assert len(await get(admin, "/items/")) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: row.replace("VALUES(1,1,1,", "VALUES(2,77,1,"), ""),
        (lambda row: row.replace("VALUES(1,1,1,NULL,5000", "VALUES(2,1,1,'2026-01-01',5000"), "ledger"),
    ],
)
async def test_dangling_rows_and_wrong_sums_are_rejected(
    admin: AsyncClient, tea: Json, change, reason: str  # type: ignore[no-untyped-def]  # a table of functions
) -> None:  # fmt: skip
    (row,) = await lines(admin, "sku")
    assert change(row) != row
    refused(await send(admin, [change(row)], force=True), 400, "nothing was imported", reason)
    assert len(await get(admin, "/skus/")) == 1


async def test_serial_number_at_two_places_is_rejected(admin: AsyncClient, tea: Json) -> None:
    shelf, cellar = (await get(admin, "/locations/"))[0], await new_location(admin, "Cellar")
    piece = await new_stock(admin, tea, shelf, 1, serial="S1")
    times = f"{NOW},{NOW}"
    rows = [
        'INSERT INTO "sku" ("id","item_id","location_id","serial","quantity_milli","created_at","updated_at")'
        f" VALUES(900,{tea['id']},{cellar['id']},'S1',1000,{times});",
        'INSERT INTO "stock_event" ("id","kind","item_id","location_id","sku_id","delta_milli","quantity_after_milli",'
        f'"occurred_at","recorded_at") VALUES(900,\'add\',{tea["id"]},{cellar["id"]},900,1000,1000,{times});',
    ]
    refused(await send(admin, rows), 400, "the serial number of SKU 900 would be in stock at two places")
    made(await admin.put(f"/skus/{piece['id']}/quantity", json={"quantity": 0}))
    assert made(await send(admin, rows))["records_imported"] == 2


async def test_event_without_matching_quantity_is_rejected(admin: AsyncClient, tea: Json) -> None:
    row = (await lines(admin, "stock_event"))[1]
    other = row.replace("VALUES(2,", "VALUES(3,")
    refused(await send(admin, [other], force=True), 400, "ledger")
    assert await total(admin, tea) == 5


@pytest.mark.parametrize(
    "options", [{}, {"force": True}, {"tables": ["user_account"]}, {"force": True, "tables": ["api_key"]}]
)
async def test_import_adds_no_admin_by_chance(admin: AsyncClient, config: Config, options: Json) -> None:
    statement = USER.format(yes="1" if config.dialect == "sqlite" else "true")
    refused(await send(admin, [statement], **options), 400, "user_account")
    assert len(await get(admin, "/users/")) == 4


async def test_users_are_imported_with_force_and_named_table(admin: AsyncClient, config: Config) -> None:
    statement = USER.format(yes="1" if config.dialect == "sqlite" else "true")
    answer = made(await send(admin, [statement], force=True, tables=["user_account"]))
    assert any("user_account" in warning for warning in answer["warnings"])
    assert {user["username"] for user in await get(admin, "/users/")} >= {"evil"}


async def test_rejection_names_all_privileged_tables_at_once(admin: AsyncClient, config: Config) -> None:
    user = USER.format(yes="1" if config.dialect == "sqlite" else "true")
    rows = [user, f"INSERT INTO setting (name, value, updated_at) VALUES('expiring_soon_days','9',{NOW});"]
    refused(await send(admin, rows, force=True), 400, "1 new row of user_account", "tables=")
    named = "tables=setting,user_account"
    answer = refused(await send(admin, rows, force=True, tables=["setting"]), 400, "user_account", named)
    assert "new row of setting" not in answer["detail"]
    assert made(await send(admin, rows, force=True, tables=["setting, user_account"]))["records_imported"] == 2
    for useless in ("frob", "item"):
        refused(await send(admin, rows, force=True, tables=["setting", useless]), 422, useless, "are always imported")


async def test_sessions_and_jobs_are_always_rejected(admin: AsyncClient) -> None:
    session = f"INSERT INTO \"sign_in\" VALUES('s',1,1,{NOW},{NOW},NULL);"
    refused(await send(admin, [session], force=True, tables=["sign_in"]), 400, "sign_in")


async def test_handwritten_rows_are_accepted(admin: AsyncClient) -> None:
    statement = (
        "insert into location (id, name, storage_type, created_at, updated_at)"
        f" values (7, 'By hand', 'garage', {NOW}, {NOW}),\n (8, 'It''s', 'other', {NOW}, {NOW});"
    )
    assert made(await send(admin, ["-- two locations", statement]))["records_imported"] == 2
    assert {directory["name"] for directory in await get(admin, "/locations/")} == {"By hand", "It's"}


def located(id: int, name: str, parent: int | str = "NULL", box_no: int | str = "NULL") -> str:
    """The row of a location as a person writes it."""
    return (
        "INSERT INTO location (id, name, storage_type, parent_id, box_no, created_at, updated_at)"
        f" VALUES ({id}, '{name}', 'other', {parent}, {box_no}, {NOW}, {NOW});"
    )


async def test_locations_are_put_into_those_that_are_here(admin: AsyncClient) -> None:
    garage = await new_location(admin, "Garage")
    rows = [located(70, "Shelf", garage["id"]), located(71, "Äpfel", 70), located(80, "Box", garage["id"], 9)]
    boxes = "INSERT INTO box (id, box_no, capacity) VALUES (5, 9, 1);"
    assert made(await send(admin, [*rows, boxes]))["records_imported"] == 4
    assert {each["path"] for each in await get(admin, "/locations/")} == {
        "Garage", "Garage / Shelf", "Garage / Shelf / Äpfel", "Garage / Box",
    }  # fmt: skip
    assert (await get(admin, "/boxes/9"))["path"] == "Garage / Box"
    assert (await get(admin, "/locations/name/garage %2F shelf %2F äpfel"))["id"] == 71
    refused(await admin.post("/locations/", json={"name": "ÄPFEL", "parent_id": 70}), 409, "same place")


async def test_locations_that_do_not_fit_are_rejected(admin: AsyncClient) -> None:
    garage, cellar = await new_location(admin, "Garage"), await new_location(admin, "Cellar")
    await new_location(admin, "Shelf", parent_id=garage["id"])
    assert (await admin.delete(f"/locations/{cellar['id']}")).status_code == 200
    for rows, words in (
        ([located(70, "A", 71), located(71, "B", 70)], "in themselves"),
        ([located(70, "A", cellar["id"])], "hidden here"),
        ([located(70, "A", 999)], "location"),
        ([located(70, "SHELF ", garage["id"])], "same place"),
        (["INSERT INTO box (id, box_no, capacity) VALUES (5, 9, 1);"], "box 9 has no location"),
    ):
        refused(await send(admin, rows), 400, words)
    assert {each["path"] for each in await get(admin, "/locations/")} == {"Garage", "Garage / Shelf"}


async def test_duplicates_of_locations_stay_duplicates(admin: AsyncClient, config: Config) -> None:
    first, second = located(70, "Shelf"), located(71, "SHELF")
    columns = "INSERT INTO location (id, name, duplicate_no, "
    second = second.replace("INSERT INTO location (id, name, ", columns).replace("'SHELF', ", "'SHELF', 71, ")
    assert made(await send(admin, [first, second]))["records_imported"] == 2
    assert [each["id"] for each in await get(admin, "/locations/duplicates")] == [71]
    assert await find_faults(config) == []


async def test_too_long_paths_are_rejected(admin: AsyncClient) -> None:
    rows = [located(70 + level, "x" * 180, 69 + level if level else "NULL") for level in range(3)]
    refused(await send(admin, rows), 400, "the path of location 72", "500 characters")
    assert made(await send(admin, rows[:2]))["records_imported"] == 2


async def test_empty_import_succeeds(admin: AsyncClient, config: Config) -> None:
    before = await asyncio.to_thread(schema.contents, config)
    answer = made(await send(admin, ["-- nothing"]))
    assert (answer["records_imported"], answer["tables_affected"]) == (0, [])
    after = await asyncio.to_thread(schema.contents, config)
    assert after["item"] == before["item"]


async def test_barcode_without_key_gets_its_key(admin: AsyncClient, tea: Json) -> None:
    row = (
        f"INSERT INTO barcode (id, code, item_id, pack_milli, is_primary) VALUES (7,'614141123452',{tea['id']},1000,0);"
    )
    assert made(await send(admin, [row]))["records_imported"] == 1
    assert (await get(admin, "/items/upc/0614141123452"))["id"] == tea["id"]
    again = row.replace("(7,'614141123452'", "(8,'00614141123452'")
    assert (await send(admin, [again])).status_code in (400, 409)
    wrong = (
        row.replace("(7,", "(9,").replace("(id, code,", "(id, code_key, code,").replace("(9,", "(9,'4006381333931',")
    )
    refused(await send(admin, [wrong]), 400, "barcode")


async def test_rows_of_a_merged_item_are_rejected(admin: AsyncClient, tea: Json) -> None:
    other = await new_item(admin, "Green tea", barcodes=[{"barcode": "GT-1"}])
    food = await new_list(admin)
    for item in (tea, other):
        await put_on(admin, food, item)
    before = await lines(admin, "item", "barcode", "shopping_list_entry")
    whole = await take(admin)
    await merge(admin, other, tea)
    # The list entry was added to the target's, and the barcode was removed.
    refused(await send(admin, before, force=True), 400, "shopping_list_entry", "Green tea", "was merged into item")
    made(await admin.patch(f"/items/{tea['id']}", json={"barcodes": []}))
    barcodes = [line for line in before if line.startswith('INSERT INTO "barcode" ')]
    assert len(barcodes) == 1
    refused(await send(admin, barcodes, force=True), 400, "barcode", "undo the merge")
    refused(await admin.post(PATH, json=as_json(whole, force=True)), 400, "was merged into item")
    assert (await get(admin, f"/items/{tea['id']}"))["barcodes"] == []
    await unmerge(admin, other)
    answer = made(await send(admin, before, force=True))
    assert answer["tables_affected"] == ["barcodes"]
    assert (await get(admin, "/items/upc/GT-1"))["id"] == other["id"]


async def test_merge_waits_for_a_running_import(admin: AsyncClient, tea: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    checked, go_on = asyncio.Event(), asyncio.Event()
    last_step = postgres._set_sequences

    async def held_up(*arguments: Any) -> None:
        checked.set()
        await go_on.wait()
        await last_step(*arguments)

    # SQLite has one writer, so this cannot happen.
    monkeypatch.setattr(postgres, "_set_sequences", held_up)
    monkeypatch.setattr(service, "WAIT_SECONDS", 60)
    other, food = await new_item(admin, "Green tea"), await new_list(admin)
    await put_on(admin, food, other, 2)
    rows = await lines(admin, "shopping_list_entry")
    assert (await admin.delete(f"/shopping-lists/{food['id']}/items/{other['id']}")).status_code == 204
    importing = asyncio.create_task(send(admin, rows))
    await asyncio.wait([importing, asyncio.create_task(checked.wait())], return_when=asyncio.FIRST_COMPLETED)
    merging = asyncio.create_task(merge(admin, other, tea))
    await asyncio.wait([merging], timeout=0.5)
    go_on.set()
    assert made(await importing)["records_imported"] == 1
    await merging
    assert await on(admin, food) == {"Tea": 2}


async def test_import_does_not_deadlock_with_other_writers(admin: AsyncClient, tea: Json, config: Config) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    item, stock = await lines(admin, "item"), await lines(admin, "sku")
    rows = [renumbered(line, {"VALUES(1,": "VALUES(70,", f"'{tea['code']}'": "'ZZZZ'"}) for line in item]
    rows += [renumbered(line, {"VALUES(1,1,": "VALUES(70,70,", ",5000,": ",0,"}) for line in stock]
    async with await psycopg.AsyncConnection.connect(config.database_url) as other:
        await other.execute("LOCK TABLE sku IN ROW EXCLUSIVE MODE")
        importing = asyncio.create_task(send(admin, rows))
        waits = f"SELECT count(*) FROM pg_locks WHERE {LOCKS_HERE} AND NOT granted AND relation = 'sku'::regclass"
        while await schema.run_beside(config, waits) == [(0,)]:
            assert not importing.done()
        # It holds the lock on items, and waits for the one on SKUs.
        await other.execute("UPDATE item SET description = 'changed meanwhile' WHERE id = 1")
        await other.commit()
    assert made(await importing)["records_imported"] == 2
    assert (await get(admin, "/items/1"))["description"] == "changed meanwhile"


async def test_import_waits_long_only_for_a_single_table(admin: AsyncClient, tea: Json, config: Config) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    rows = await lines(admin, "item", "sku")
    of_locks = f"SELECT count(*) FROM pg_locks WHERE {LOCKS_HERE} AND mode = 'ExclusiveLock' AND relation ="
    alone = f"SELECT ({of_locks} 'item'::regclass), ({of_locks} 'sku'::regclass AND NOT granted)"
    async with await psycopg.AsyncConnection.connect(config.database_url) as other:
        await other.execute("LOCK TABLE sku IN ROW EXCLUSIVE MODE")
        importing = asyncio.create_task(send(admin, rows, force=True))
        # After a second Postgres cancels an autovacuum that holds the lock, but also resolves deadlocks.
        while await schema.run_beside(config, alone) != [(0, 1)]:
            assert not importing.done()
        await other.commit()
    assert made(await importing)["records_skipped"] == 2


async def test_partial_merge_is_rejected(admin: AsyncClient, tea: Json) -> None:
    other, third = await new_item(admin, "Green tea"), await new_item(admin, "Tee")
    await merge(admin, third, other)
    (row,) = [line for line in await lines(admin, "item") if "'Tee'" in line]
    await merge(admin, other, tea)
    # The same item under another id, merged as it was when the dump was made.
    again = row.replace(f"VALUES({third['id']},", "VALUES(70,").replace(f"'{third['code']}'", "'ZZZZ'")
    refused(await send(admin, [again]), 400, "item 70", "merged as well")
    assert len(await get(admin, "/items/", is_active=True)) == 1


async def test_merge_record_is_imported_if_the_items_are_merged_here(admin: AsyncClient, tea: Json) -> None:
    only_tea = await take(admin)
    other = await new_item(admin, "Green tea")
    not_merged = await take(admin)
    third = await new_item(admin, "Tee")
    await merge(admin, third, other)
    await merge(admin, other, tea)
    rows = await lines(admin, "item", "item_merge")
    journal = [line for line in await lines(admin, "item_merge") if f",{other['id']},{tea['id']}," in line]
    assert len(journal) == 1
    made(await admin.post("/backup/import/full", json=as_json(not_merged, force=True)))
    refused(await send(admin, journal), 400, "item_merge", "Green tea", "is not merged into item", "leave that row out")
    await merge(admin, other, await new_item(admin, "Coffee"))
    again = [line.replace("VALUES(2,", "VALUES(70,") for line in journal]
    refused(await send(admin, again), 400, "has a merge that is not undone")
    made(await admin.post("/backup/import/full", json=as_json(only_tea, force=True)))
    assert made(await send(admin, rows, force=True))["records_imported"] == 4
    await unmerge(admin, other)
    assert (await unmerge(admin, third))["is_active"]


async def test_wrong_existing_merge_record_does_not_block_import(admin: AsyncClient, tea: Json, config: Config) -> None:
    other, third = await new_item(admin, "Green tea"), await new_item(admin, "Tee")
    await merge(admin, third, tea)
    journal = await lines(admin, "item_merge")
    untrue = f"50, {other['id']}, {tea['id']}, 'b', '{{}}', {NOW}"
    await schema.run_beside(config, "DELETE FROM item_merge")
    await schema.run_beside(
        config, f"INSERT INTO item_merge (id, source_id, target_id, batch_id, moved, merged_at) VALUES ({untrue})"
    )
    assert made(await send(admin, journal))["tables_affected"] == ["item_merges"]
    for item in (other, third):
        assert (await unmerge(admin, item))["is_active"]


async def test_loans_fit_the_events_that_are_here(admin: AsyncClient, tea: Json, config: Config) -> None:
    anna = await new_location(admin, "Anna", kind="person")
    lent = {"sku_id": 1, "person_id": anna["id"], "quantity": 2, "due_on": "2026-01-31"}
    made(await admin.post("/loans/", json=lent))
    loan = await get(admin, "/loans/1")
    (line,) = await lines(admin, "loan")
    event, sku = loan["stock_event_id"], loan["sku_id"]
    await schema.run_beside(config, "DELETE FROM loan")
    other = line.replace(f"(1,{event},{sku},", f"(1,{event},1,")
    refused(await send(admin, [other]), 400, "another SKU than its event")
    refused(await send(admin, [line.replace(f",{sku},2000,", f",{sku},9000,")]), 400, "more than it brought")
    assert made(await send(admin, [line]))["tables_affected"] == ["loans"]
    assert await get(admin, "/loans/1") == loan
    # Rows that are here already hinder no import: a loan that ended where a place is now, or a hidden location.
    (shelf, *_) = await lines(admin, "location")
    made(await admin.post("/loans/1/return"))
    bag = await new_location(admin, "Bag", kind="person")
    inside = await new_location(admin, "Inside")
    made(await admin.delete(f"/locations/{inside['id']}"))
    made(await admin.patch(f"/locations/{inside['id']}", json={"parent_id": bag["id"]}))
    made(await admin.patch(f"/locations/{anna['id']}", json={"kind": "place"}))
    made(await admin.post(f"/skus/{sku}/adjust", json={"delta": 1}))
    new = re.sub(r"VALUES\(\d+,'[^']*','[^']*'", "VALUES(900,'New','new'", shelf)
    assert made(await send(admin, [new]))["records_imported"] == 1
    made(await admin.post(f"/skus/{sku}/adjust", json={"delta": -1}))
    made(await admin.patch(f"/locations/{anna['id']}", json={"kind": "person"}))
    await schema.run_beside(config, "DELETE FROM loan_return")
    # A complete dump is checked by the same rules.
    await schema.run_beside(config, "DELETE FROM loan")
    wrong = altered(text_of(await take(admin)), line.replace(f",{sku},2000,", f",{sku},9000,"))
    answer = await admin.post("/backup/import/full", json=as_json(wrong, force=True))
    refused(answer, 400, f"the loans of event {event} are more than it brought")


async def test_values_of_custom_fields_fit_the_fields_that_are_here(admin: AsyncClient) -> None:
    kind = made(await admin.post("/types/", json={"name": "Parts"}))
    field = made(await admin.post(f"/types/{kind['id']}/fields", json={"name": "Size", "kind": "number"}))
    item = await new_item(admin, "Nut", type_id=kind["id"], fields={"Size": 4.5})
    (line,) = await lines(admin, "item_field_value")
    made(await admin.patch(f"/items/{item['id']}", json={"fields": {"Size": None}}))
    refused(await send(admin, [line.replace("'4.5'", "'4,5'")]), 400, "does not fit the field Size")
    address = f"/types/{kind['id']}/fields/{field['id']}"
    made(await admin.patch(address, json={"kind": "text"}))
    refused(await send(admin, [line]), 400, "does not fit the field Size")
    assert (await get(admin, f"/items/{item['id']}"))["fields"] == {}
    made(await admin.patch(address, json={"kind": "number"}))
    listed = await get(admin, "/items/")
    assert made(await send(admin, [line]))["tables_affected"] == ["item_fields"]
    assert await get(admin, "/items/") != listed
    assert (await get(admin, f"/items/{item['id']}"))["fields"] == {"Size": 4.5}
    # A complete dump has the fields that its values have to fit.
    made(await admin.patch(f"/items/{item['id']}", json={"fields": {"Size": None}}))
    wrong = altered(text_of(await take(admin)), line.replace("'4.5'", "'4,5'"))
    answer = await admin.post("/backup/import/full", json=as_json(wrong, force=True))
    refused(answer, 400, "1 values of custom fields do not fit their fields")


async def test_statement_may_take_longer_than_those_of_requests(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("only Postgres has a time limit for statements")

    def slow(*given: Any, **options: Any) -> Merge:
        yield "SELECT pg_sleep(3)"
        return Imported(0, 0, [], [])

    monkeypatch.setattr(postgres, "merge_script", slow)
    connection = await connect(parse(config.database_url), command_timeout=2)
    try:
        assert (await postgres._run(connection, [], "staging", False, frozenset())).records_imported == 0
    finally:
        await connection.close()
