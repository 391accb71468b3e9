"""Imports: a table of items and stock becomes items and stock, all of it or none, and once however often it comes."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.exchange import imports, reading
from stocky.stock.proof import find_faults
from tests.exchange.importing import begin, counts, ended, failed, imported, stock_of, table
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total

pytestmark = pytest.mark.one_postgres

KITCHEN = """name,barcode,location,quantity,unit,expires,tags
Tea,40063813,Shelf,3,pack,,hot; dry
Milk,40063820,Fridge,1.5,l,2030-01-31,
Milk,40063820,Fridge,2,l,2030-02-28,
Salt,,Shelf,0.125,kg,,
"""


async def test_a_table_becomes_items_and_stock(member: AsyncClient, config: Config) -> None:
    report = await imported(member, KITCHEN)
    assert report["applied"] is True, report
    assert counts(report) == (3, 1, 0, 0)
    assert report["new_locations"] == ["Shelf", "Fridge"]
    assert report["written"] == {"items_created": 3, "items_changed": 0, "locations_created": 2, "stock_events": 4}
    items = {item["name"]: item for item in await get(member, "/items/")}
    assert items["Tea"]["upc"] == "40063813"
    assert items["Tea"]["tags"] == ["dry", "hot"]
    assert await stock_of(member, "Milk") == [("Fridge", 1.5, "2030-01-31"), ("Fridge", 2, "2030-02-28")]
    assert await stock_of(member, "Salt") == [("Shelf", 0.125, None)]
    events = (await get(member, "/events", item_id=items["Tea"]["id"]))["events"]
    assert [(event["type"], event["delta"], event["note"]) for event in events] == [("set", 3, "import, row 2")]
    assert await find_faults(config) == []


async def test_the_same_import_twice_changes_nothing(member: AsyncClient, scanner: AsyncClient) -> None:
    await imported(member, KITCHEN)
    tea = (await get(member, "/items/search", q="Tea"))[0]
    place = (await get(member, "/locations/name/Shelf"))["id"]
    scan = {"upc": "40063813", "scanner_id": "s1", "location_hint": place}
    made(await scanner.post("/scanner/scan", json=scan))
    again = await imported(member, KITCHEN)
    assert counts(again) == (0, 0, 4, 0)
    assert again["already_imported"] == 4
    assert again["written"]["stock_events"] == 0
    assert await total(member, tea) == 4, "what was scanned since is not counted away"
    another = await imported(member, KITCHEN, import_key="the count of May")
    assert counts(another) == (0, 1, 3, 0)
    assert await total(member, tea) == 3, "under another name it is another count"


async def test_what_was_undone_may_be_imported_again(member: AsyncClient, config: Config) -> None:
    report = await imported(member, KITCHEN)
    undone = made(await member.post(f"/events/batches/{report['batch_id']}/undo"))
    assert len(undone["events"]) == 4
    assert await stock_of(member, "Tea") == [("Shelf", 0, None)]
    again = await imported(member, KITCHEN)
    assert counts(again) == (0, 4, 0, 0)
    assert await stock_of(member, "Tea") == [("Shelf", 3, None)]
    assert await find_faults(config) == []


async def test_added_stock_is_added_once(member: AsyncClient) -> None:
    delivery = "name,location,quantity\nTea,Shelf,3\nTea,Shelf,2\n"
    for _ in range(2):
        await imported(member, delivery, stock="add")
        assert await stock_of(member, "Tea") == [("Shelf", 5, None)]
    await imported(member, delivery, stock="ADD", import_key="next week")
    assert await stock_of(member, "Tea") == [("Shelf", 10, None)]


async def test_a_dry_run_says_what_would_happen_and_does_none_of_it(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="40063813")
    await new_stock(member, tea, await new_location(member, "Shelf"), 1)
    table_ = "code,name,barcode,location,quantity\n" + (
        f"{tea['code']},Green tea,40063813,Shelf,2.5\n,Salt,,Cellar,1\n,,40063813,,\n,Pepper,,Cellar,lots\n"
    )
    report = await imported(member, table_, dry_run="true", partial="true")
    assert counts(report) == (1, 1, 1, 1)
    assert report["applied"] is False
    assert [(change["line"], change["outcome"], change["message"]) for change in report["changes"]] == [
        (2, "changed", "name: Tea → Green tea; 2.5 at Shelf instead of 1"),
        (3, "created", "new item Salt; 1 at Cellar"),
    ]
    assert report["errors"] == [
        {"line": 5, "outcome": "refused", "item": "", "column": "quantity", "message": "'lots' is not a number"}
    ]
    assert report["new_locations"] == ["Cellar"]
    assert [item["name"] for item in await get(member, "/items/")] == ["Tea"]
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]
    rows = await table(member, f"/imports/{report['job_id']}/report.csv")
    assert [(row["line"], row["outcome"]) for row in rows] == [
        ("2", "changed"),
        ("3", "created"),
        ("4", "unchanged"),
        ("5", "refused"),
    ]
    assert "Green tea" in rows[0]["message"]


async def test_one_refused_row_refuses_all(member: AsyncClient) -> None:
    report = await imported(member, KITCHEN + "Rice,,Shelf,many,kg,,\n")
    assert report["applied"] is False
    assert "1 of 5 rows" in report["message"]
    assert await get(member, "/items/") == []
    assert await get(member, "/locations/") == []


async def test_a_partial_import_takes_the_sound_rows_and_gives_the_others_back(member: AsyncClient) -> None:
    report = await imported(member, KITCHEN + 'Rice,,Shelf,"many; ""more""",kg,,=1+1\n', partial="true")
    assert report["applied"] is True
    assert counts(report) == (3, 1, 0, 1)
    assert len(await get(member, "/items/")) == 3
    answer = await member.get(f"/imports/{report['job_id']}/refused.csv")
    (row,) = await table(member, f"/imports/{report['job_id']}/refused.csv")
    assert row["name"] == "Rice"
    assert row["quantity"] == 'many; "more"'
    assert row["tags"] == "'=1+1", "also what is given back is no formula"
    assert row["import_problem"].startswith("quantity: ")
    mended = answer.content.decode("utf-8-sig").replace('"many; ""more"""', "2")
    assert counts(await imported(member, mended)) == (1, 0, 0, 0)


REFUSALS = {
    "Nothing,,Shelf,,": ("quantity", "no quantity"),
    "Nothing,,,3,": ("where", "no location"),
    ",,Shelf,3,": (None, "names no item"),
    "Tea,,Shelf,-1,": ("quantity", "less than 0"),
    "Tea,,Shelf,1.2345,": ("quantity", "three decimals"),
    'Tea,,Shelf,"1,234",': ("quantity", "1234 or 1.234"),
    "Tea,,Shelf,1e9,": ("quantity", "not a number"),
    "Tea,,Shelf,9999999999,": ("quantity", "more than"),
    "Tea,,Shelf,1,31.12.2030": ("expires", "2026-12-31"),
    "Tea,,Shelf,1,2030-02-30": ("expires", "calendar"),
    f"{'x' * 201},,Shelf,1,": ("name", "200"),
    "Salt,4.00638E+12,Shelf,1,": ("barcode", "shortened"),
    "Salt,40063813,Shelf,1,": ("barcode", "belongs to Tea"),
    "Tea,,Shelf,1,,too much": (None, "6 cells"),
    'Tea,,"Sh"elf,1,': (None, "quotation mark"),
}


@pytest.mark.parametrize("row", REFUSALS)
async def test_a_refused_row_is_told_by_line_column_and_words(row: str, member: AsyncClient) -> None:
    await new_item(member, "Tea", upc="40063813")
    column, words = REFUSALS[row]
    content = f"name,barcode,where,quantity,expires\nSugar,,Shelf,1,\n{row}\n"
    report = await imported(member, content, key="name" if "40063813" in row else "auto")
    (error,) = report["errors"]
    assert error["line"] == 3
    assert error["column"] == column
    assert words in error["message"]
    assert [item["name"] for item in await get(member, "/items/")] == ["Tea"]


async def test_rows_of_one_file_must_not_contradict_each_other(member: AsyncClient) -> None:
    content = (
        "code,name,barcode,description,location,quantity\n"
        "TEAA,Tea,40063813,Green,Shelf,1\n"
        "TEAA,,,,Cellar,1\n"
        "TEAA,Coffee,,,Attic,1\n"
        "TEAA,,,,Shelf,2\n"
        ",Salt,40063813,,,\n"
        "SALT,Salt,40063813,,,\n"
        "MAYB,Twin,,,,\nTWIN,Twin,,,,\n,Twin,,new,,\n"
    )
    report = await imported(member, content, dry_run="true")
    assert [(error["line"], error["column"]) for error in report["errors"]] == [
        (4, "name"),
        (5, "quantity"),
        (6, "name"),
        (7, "barcode"),
        (10, "name"),
    ]
    assert "Row 2 is about the same item" in report["errors"][0]["message"]
    assert "Row 2 counts the same stock" in report["errors"][1]["message"]


async def test_items_are_found_by_the_chosen_key(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="40063813")
    by_name = await imported(member, "name,barcode,description\nTea,40063820,Green\n", key="name")
    assert counts(by_name) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["upc"], [each["barcode"] for each in now["barcodes"]]) == ("40063813", ["40063813", "40063820"])
    by_second_barcode = await imported(member, "ean,name\n40063820,Green tea\n")
    assert counts(by_second_barcode) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["name"], now["upc"], now["description"]) == ("Green tea", "40063813", "Green")
    by_code = await imported(member, f"code,min stock\n{tea['code'].lower()},2\n")
    assert counts(by_code) == (0, 1, 0, 0)
    assert (await get(member, f"/items/{tea['id']}"))["min_quantity"] == 2
    nobody = await imported(member, "name,barcode\nTea,\n", key="barcode")
    assert nobody["errors"][0]["column"] == "barcode"


async def test_a_new_item_gets_the_code_it_comes_with(member: AsyncClient) -> None:
    await imported(member, "code,name\nkzma,Tea\n")
    assert (await get(member, "/items/code/KZMA"))["name"] == "Tea"


async def test_an_empty_cell_says_nothing_unless_it_is_told_to_clear(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", description="Green", min_quantity=3, tags=["hot"], seller="Shop")
    content = f"code,name,description,min_quantity,tags,seller\n{tea['code']},,,,,\n"
    assert counts(await imported(member, content)) == (0, 0, 1, 0)
    assert counts(await imported(member, content, empty="clear")) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["name"], now["description"], now["min_quantity"], now["tags"], now["seller"]) == (
        "Tea",
        "",
        None,
        [],
        "",
    )


async def test_a_column_is_what_the_mapping_says(member: AsyncClient) -> None:
    content = "Artikel;Menge;Lagerort;Name;Bemerkung\nTee;1,5;Regal;ignored;x\n"
    mapping = '{"Artikel": "name", "Menge": "quantity", "Lagerort": "location", "Name": null}'
    started = await begin(member, content, mapping=mapping)
    assert started["delimiter"] == ";"
    assert started["columns"] == {
        "Artikel": "name",
        "Menge": "quantity",
        "Lagerort": "location",
        "Name": None,
        "Bemerkung": None,
    }
    await ended(member, started["job_id"])
    assert await stock_of(member, "Tee") == [("Regal", 1.5, None)]


WRONG = {
    "no form": ("", {}, 400, "as a form"),
    "an empty file": ("", {"partial": "false"}, 422, "empty"),
    "a header of nothing known": ("a,b\n1,2\n", {"partial": "false"}, 422, "code or barcode or name"),
    "the key's column missing": ("name\nTea\n", {"key": "code"}, 422, "code"),
    "a column twice": ("name,name\nTea,Tea\n", {"partial": "false"}, 422, "twice"),
    "an unknown column": ("name\nTea\n", {"mapping": '{"Tee": "name"}'}, 422, "no column"),
    "an unknown field": ("name\nTea\n", {"mapping": '{"name": "colour"}'}, 422, "no field"),
    "two of a field": ("a,b\nTea,1\n", {"mapping": '{"a": "name", "b": "name"}'}, 422, "two columns"),
    "no mapping": ("name\nTea\n", {"mapping": "[1]"}, 422, "JSON object"),
    "an unknown mode": ("name\nTea\n", {"stock": "replace"}, 422, "set, add"),
    "no flag": ("name\nTea\n", {"dry_run": "perhaps"}, 422, "neither"),
    "an unknown delimiter": ("name\nTea\n", {"delimiter": "x"}, 422, "comma"),
    "an unknown encoding": ("name\nTea\n", {"encoding": "ebcdic"}, 422, "cp1252"),
    "a long key": ("name\nTea\n", {"import_key": "x" * 129}, 422, "128"),
    "too many columns": (",".join(f"c{n}" for n in range(101)), {"partial": "false"}, 422, "100"),
    "a picture": ("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {"partial": "false"}, 422, "UTF-8"),
}


@pytest.mark.one_database
@pytest.mark.parametrize("case", WRONG)
async def test_what_cannot_be_imported_is_refused_at_once(case: str, member: AsyncClient, config: Config) -> None:
    content, options, status, words = WRONG[case]
    if case == "no form":
        answer = await member.post("/imports", content=b"name\nTea\n", headers={"Content-Type": "text/csv"})
    else:
        body = content.encode("latin-1")
        answer = await member.post("/imports", files={"file": ("x.csv", body, "text/csv")}, data=options)
    refused(answer, status, words)
    assert await get(member, "/imports") == []
    assert list((config.data_dir / "imports").iterdir()) == []


@pytest.mark.one_database
async def test_what_is_too_large_is_refused(
    member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"name\n" + b"Tea\n" * 300
    with monkeypatch.context() as smaller:
        smaller.setattr(imports, "MAX_BYTES", 1000)
        refused(await member.post("/imports", files={"file": ("x.csv", body)}), 413, "in parts")
    assert list((config.data_dir / "imports").iterdir()) == []
    monkeypatch.setattr(reading, "MAX_LINES", 100)
    job = await failed(member, "name\n" + "".join(f"Item {number}\n" for number in range(101)))
    assert (job["error_status"], "more than 100 rows" in job["error"]) == (422, True)
    long = await imported(member, f'name,description\nTea,"{"x" * 10_001}"\nSalt,{"y" * 200_000}\n', dry_run="true")
    assert [error["line"] for error in long["errors"]] == [2, 3]
    many = await failed(member, "name\n" + "z" * 2_000_000, dry_run="true")
    assert "1,000,000 characters" in many["error"]
    assert await get(member, "/items/") == []


async def test_only_so_many_uploads_wait(member: AsyncClient, config: Config) -> None:
    waiting = config.data_dir / "imports"
    for number in range(10):
        place = waiting / f"{number:032x}"
        place.mkdir(parents=True)
        (place / "arriving.csv").touch()
    assert (await imported(member, "name\nTea\n"))["applied"] is True
    for number in range(10):
        (waiting / f"{number:032x}" / "upload.csv").touch()
    refused(await member.post("/imports", files={"file": ("x.csv", b"name\nTea\n")}), 503, "waiting already")


async def test_an_unclosed_quotation_mark_ends_the_import_before_it_begins(member: AsyncClient) -> None:
    job = await failed(member, 'name,description\nTea,green\nSalt,"white\nPepper,black\n')
    assert (job["error_status"], job["attempts"]) == (422, 1)
    assert "line 3" in job["error"]
    assert await get(member, "/items/") == []


@pytest.mark.one_database
async def test_a_file_that_stops_being_text_says_after_which_line(member: AsyncClient) -> None:
    rows = "".join(f"Item {number}\n" for number in range(20_000)).encode()
    job = await failed(member, b"name\n" + rows + b"Caf\xe9\n")
    assert "not UTF-8" in job["error"]
    assert "cp1252" in job["error"]


TEXT = "name,description\r\nCafé,naïve – ünïcode 茶\r\n"
ENCODED = {
    "utf-8": (TEXT.encode(), {}),
    "utf-8 with a mark": (TEXT.encode("utf-8-sig"), {}),
    "utf-16 little": (b"\xff\xfe" + TEXT.encode("utf-16-le"), {}),
    "utf-16 big": (b"\xfe\xff" + TEXT.encode("utf-16-be"), {}),
    "cp1252": (TEXT.replace("茶", "x").encode("cp1252"), {"encoding": "cp1252"}),
}


@pytest.mark.one_database
@pytest.mark.parametrize("encoding", ENCODED)
async def test_text_is_read_in_its_encoding(encoding: str, member: AsyncClient) -> None:
    content, options = ENCODED[encoding]
    assert (await imported(member, content, **options))["applied"]
    (item,) = await get(member, "/items/")
    assert item["name"] == "Café"
    assert item["description"].startswith("naïve – ünïcode ")


@pytest.mark.one_database
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_the_delimiter_is_found(delimiter: str, member: AsyncClient) -> None:
    rows = [
        ["name", "location", "quantity", "description"],
        ["Tea", "Shelf", "1", '"a, b; c|d"'],
        ["Salt", "Shelf", "2", ""],
    ]
    content = "\n".join(delimiter.join(row) for row in rows)
    started = await begin(member, content)
    assert started["delimiter"] == delimiter
    assert (await ended(member, started["job_id"]))["result"]["created"] == 2


async def test_a_quoted_line_break_is_part_of_the_text_and_lines_are_counted_on(member: AsyncClient) -> None:
    report = await imported(
        member, 'name,description,min_quantity\nTea,"one\r\ntwo\n\nfour",1\n\nSalt,,x\n', partial="1"
    )
    assert report["errors"][0]["line"] == 7
    assert (await get(member, "/items/"))[0]["description"] == "one\r\ntwo\n\nfour"


async def test_a_place_in_a_box_is_named_by_its_numbers(member: AsyncClient) -> None:
    report = await imported(member, "name,box,loc_no,quantity\nTea,3,7,1\n")
    assert "no place 7 in box 3" in report["errors"][0]["message"]


async def test_locations_are_only_made_where_that_is_wanted(member: AsyncClient) -> None:
    content = "name,location,quantity,location_storage_type\nPeas,Chest,1,freezer\n"
    report = await imported(member, content, create_locations="false")
    assert report["errors"][0]["column"] == "location"
    await imported(member, content)
    assert (await get(member, "/locations/name/Chest"))["storage_type"] == "freezer"


async def test_what_is_said_of_stock_is_changed_without_an_event(member: AsyncClient) -> None:
    tea, shelf = await new_item(member, "Tea"), await new_location(member, "Shelf")
    sku = await new_stock(member, tea, shelf, 1, unit="piece")
    content = f"code,location,quantity,unit,notes\n{tea['code']},Shelf,1,pack,'=top\n"
    report = await imported(member, content)
    assert report["written"]["stock_events"] == 0
    now = await get(member, f"/skus/{sku['id']}")
    assert (now["unit"], now["notes"], now["quantity"]) == ("pack", "=top", 1)


async def test_an_item_out_of_use_is_in_use_again_when_a_file_names_it(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="40063813")
    assert (await member.delete(f"/items/{tea['id']}")).status_code == 204
    assert counts(await imported(member, "barcode,name,location,quantity\n40063813,Tea,Shelf,1\n")) == (0, 1, 0, 0)
    assert (await get(member, f"/items/{tea['id']}"))["is_active"] is True
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]


async def test_types_are_found_in_any_case_and_made_where_they_are_new(member: AsyncClient) -> None:
    made(await member.post("/types/", json={"name": "Semiconductors"}))
    report = await imported(member, "name,type\nBC547,SEMICONDUCTORS\nR1,Resistors\nR2,resistors\n")
    assert report["new_types"] == ["Resistors", "resistors"]
    assert [item["type_name"] for item in await get(member, "/items/")] == [
        "Semiconductors",
        "Resistors",
        "Resistors",
    ]


async def test_one_sees_ones_own_imports_and_an_admin_all(
    member: AsyncClient, admin: AsyncClient, scanner: AsyncClient
) -> None:
    own = await imported(member, "name\nTea\n")
    others = await imported(admin, "name\nSalt\n")
    assert [job["id"] for job in await get(member, "/imports")] == [own["job_id"]]
    assert [job["id"] for job in await get(admin, "/imports")] == [others["job_id"], own["job_id"]]
    for path in ("", "/events", "/report.csv", "/refused.csv"):
        refused(await member.get(f"/imports/{others['job_id']}{path}"), 404, "no import")
        assert (await admin.get(f"/imports/{own['job_id']}{path}")).status_code == 200
    backup = made(await admin.post("/backup/create/full"))
    assert backup
    jobs = [job["id"] for job in await get(admin, "/jobs") if job["kind"] != "import.csv"]
    refused(await admin.get(f"/imports/{jobs[0]}"), 404, "no import")


async def test_an_import_key_belongs_to_one_file(member: AsyncClient) -> None:
    await imported(member, "name,location,quantity\nTea,Shelf,1\n", import_key="May")
    job = await failed(member, "name,location,quantity\nTea,Shelf,2\n", import_key="May")
    assert job["error_status"] == 409
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]


async def test_two_files_under_one_key_at_once_lose_nothing_silently(member: AsyncClient) -> None:
    tables = [
        "name,location,quantity\n" + "".join(f"{name} {row},Shelf,{row}\n" for row in range(1, 61))
        for name in ("Tea", "Salt")
    ]
    jobs = [(await begin(member, table, import_key="same"))["job_id"] for table in tables]
    told = [await ended(member, job) for job in jobs]
    for name, job in zip(("Tea", "Salt"), told, strict=True):
        is_applied = job["status"] == "done" and job["result"]["applied"]
        assert [len(await stock_of(member, f"{name} {row}")) for row in (1, 60)] == [is_applied] * 2, told
    assert any(job["status"] == "done" and job["result"]["applied"] for job in told)
    assert not all(job["status"] == "done" and job["result"]["applied"] for job in told)


async def test_a_mistyped_option_is_no_import(member: AsyncClient) -> None:
    files = {"file": ("items.csv", b"name\nTea\n", "text/csv")}
    refused(await member.post("/imports", files=files, data={"dryrun": "true"}), 422, "dryrun", "dry_run")
    answer = await member.post("/imports?dry_run=true", files=files)
    report = (await ended(member, answer.json()["job_id"]))["result"]
    assert (report["dry_run"], report["applied"]) == (True, False)
    assert await get(member, "/items/") == []


async def test_what_is_utf_16_without_a_mark_is_told(member: AsyncClient) -> None:
    files = {"file": ("items.csv", "name\nTea\n".encode("utf-16-le"), "text/csv")}
    refused(await member.post("/imports", files=files, data={"encoding": "utf-16"}), 422, "not UTF-16")


async def test_the_upload_goes_when_the_import_has_ended(member: AsyncClient, config: Config) -> None:
    report = await imported(member, KITCHEN)
    await failed(member, 'name\n"Tea\n')
    places = sorted((config.data_dir / "imports").iterdir())
    assert len(places) == 2
    assert sorted(file.name for file in (config.data_dir / "imports" / report["import_id"]).iterdir()) == [
        "refused.csv",
        "report.csv",
    ]
    assert not [file for place in places for file in place.iterdir() if file.name == "upload.csv"]


async def test_two_imports_of_one_file_at_once_book_it_once(member: AsyncClient, config: Config) -> None:
    content = "name,location,quantity\n" + "".join(f"Item {number},Shelf,1\n" for number in range(120))
    started = [await begin(member, content, stock="add") for _ in range(2)]
    reports = [(await ended(member, each["job_id"]))["result"] for each in started]
    assert all(report["applied"] for report in reports), reports
    items = await get(member, "/items/", limit=1000)
    assert len(items) == 120
    assert {item["total_quantity"] for item in items} == {1}
    assert sum(report["written"]["stock_events"] for report in reports) == 120
    assert await find_faults(config) == []


async def test_the_fields_a_column_can_hold_are_told(member: AsyncClient) -> None:
    fields = {field["name"]: field for field in await get(member, "/imports/fields")}
    assert "ean" in fields["barcode"]["headers"]
    assert fields["quantity"]["about"] == "stock"
    content = ",".join(fields) + "\n" + ",".join(f'"{field["example"]}"' for field in fields.values()) + "\n"
    report = await imported(member, content, partial="true")
    assert [error["column"] for error in report["errors"]] == ["loc_no"], "only the box is missing"


async def test_what_the_import_does_is_in_the_audit_trail(member: AsyncClient, admin: AsyncClient) -> None:
    report = await imported(member, "name,location,quantity\nTea,Shelf,1\n", name="tea.csv")
    entries = await get(admin, "/audit", subject="import")
    assert entries[0]["details"]["filename"] == "tea.csv"
    assert entries[0]["request_id"] == report["import_id"]
    created = await get(admin, "/audit", subject="item", action="created")
    assert created[0]["request_id"] == report["import_id"]
    await asyncio.sleep(0)


async def test_the_code_on_an_old_label_stands_for_the_item_it_was_merged_into(member: AsyncClient) -> None:
    old, tea = await new_item(member, "Tee"), await new_item(member, "Tea")
    made(await member.post(f"/items/{old['id']}/merge", json={"into": tea["id"]}))
    report = await imported(member, f"code,location,quantity\n{old['code']},Shelf,2\n")
    assert counts(report) == (0, 1, 0, 0)
    assert await total(member, tea) == 2


async def test_forms_of_one_number_are_one_barcode(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="036000291452")
    content = "barcode,name,location,quantity\n0036000291452,Tea,Shelf,1\n036000291452,Tea,Cellar,1\n"
    assert counts(await imported(member, content)) == (0, 2, 0, 0)
    assert [each["barcode"] for each in (await get(member, f"/items/{tea['id']}"))["barcodes"]] == ["036000291452"]
    assert await total(member, tea) == 2
    new = "barcode,barcodes,name\n4006381333931,04006381333931*6; x,Pen\n"
    report = await imported(member, new)
    (pen,) = await get(member, "/items/search", q="Pen")
    assert report["created"] == 1
    assert pen["barcodes"] == [
        {"barcode": "4006381333931", "pack_quantity": 6},
        {"barcode": "x", "pack_quantity": 1},
    ]
