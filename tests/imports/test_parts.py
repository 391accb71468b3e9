"""Bills of materials become what a project needs: which item a row means, dry runs, unknown parts, and rollbacks."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.errors import Conflict
from stocky.imports import parts, presets
from tests.imports.importing import counts, failed, imported, table
from tests.imports.test_presets import content_of
from tests.imports.test_questions import asked, questions
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server

TIMER = "Reference,Value,Footprint,Qty\nU1,NE555P,DIP-8,2\n"


async def needs(member: AsyncClient, project_id: int) -> dict[str, float]:
    """What a project needs, by the name of the item or the text."""
    project = await get(member, f"/projects/{project_id}")
    return {each["item"]["name"] if each["item"] else each["text"]: each["quantity"] for each in project["items"]}


async def new_project(member: AsyncClient, **fields: object) -> int:
    project_id: int = made(await member.post("/projects/", json={"name": "Blinker", **fields}))["id"]
    return project_id


async def electronics(member: AsyncClient) -> Json:
    """The items of the KiCad file, each found by something else."""
    await new_item(member, "Ceramic capacitor", barcodes=[{"barcode": "490-1532-1-ND"}])
    await new_item(member, "100n", upc="1234567890128")
    resistor = await new_item(member, "10 kOhm", manufacturer_code="rc0402fr-0710kl")
    await new_item(member, "10k, R_0805_2012Metric")
    await new_item(member, "Timer", manufacturer_code="NE555P")
    return resistor


async def outcomes(member: AsyncClient, report: Json) -> list[tuple[str, str]]:
    rows = await table(member, f"/imports/{report['job_id']}/report.csv")
    return [(row["outcome"], row["message"]) for row in rows]


async def test_file_is_recognised_and_asks_for_its_project(member: AsyncClient) -> None:
    for name, title in (("kicad", "KiCad"), ("kicad-ungrouped", "KiCad"), ("altium", "Altium")):
        problem = await asked(member, content_of(name))
        assert questions(problem) == [("preset", None, [])]
        assert title in problem["detail"]
        problem = await asked(member, content_of(name), preset=title.lower())
        assert questions(problem) == [("project", None, [])]
        assert problem["errors"][0]["field"] == "project"


async def test_dry_run_then_a_new_project(member: AsyncClient, admin: AsyncClient) -> None:
    await electronics(member)
    dry = await imported(member, content_of("kicad"), preset="kicad", project="Blinker", dry_run="true")
    assert (counts(dry), dry["skipped"], dry["project_id"]) == ((4, 0, 0, 0), 1, None)
    assert await get(member, "/projects/") == []
    assert await outcomes(member, dry) == [
        ("created", "needs 5; found by its name; C1,C2,C4-C6"),
        ("created", "needs 2; found by the maker's part number; R1,R2"),
        ("created", "needs 1; found by its name; R3"),
        ("created", "needs 1; found by the maker's part number; U1"),
        ("skipped", "not populated (DNP)"),
    ]
    report = await imported(member, content_of("kicad"), preset="kicad", project="Blinker")
    assert (counts(report), report["applied"], report["batch_id"]) == ((4, 0, 0, 0), True, None)
    assert "1 row about no item was skipped" in report["message"]
    assert await needs(member, report["project_id"]) == {
        "100n": 5,
        "10 kOhm": 2,
        "10k, R_0805_2012Metric": 1,
        "Timer": 1,
    }
    (project,) = await get(member, "/projects/")
    assert project["name"] == "Blinker"
    assert len(await get(member, "/items/")) == 5
    (entry,) = [each for each in await get(admin, "/audit", subject="project") if each["action"] == "imported"]
    assert (entry["subject_id"], entry["details"]["added"]) == (str(project["id"]), 4)
    # The same file again, perhaps for a response that was lost, is the same import: for another project it needs a key.
    again = await imported(member, content_of("kicad"), preset="kicad", project="Blinker")
    assert (counts(again), again["project_id"]) == ((0, 0, 4, 0), project["id"])
    other = await imported(member, content_of("kicad"), preset="kicad", project="Blinker", import_key="two")
    assert (counts(other), other["project_id"]) == ((4, 0, 0, 0), project["id"] + 1)
    job = await failed(member, TIMER, preset="kicad", project="Blinker", import_key="two")
    assert "import_key was used" in job["error"]
    assert (await member.delete(f"/projects/{project['id']}")).status_code in (200, 204)
    third = await imported(member, content_of("kicad"), preset="kicad", project="Blinker")
    assert third["project_id"] == other["project_id"] + 1


async def test_existing_project_gets_the_quantities_of_the_file(member: AsyncClient) -> None:
    resistor = await electronics(member)
    project_id = await new_project(
        member, items=[{"item_id": resistor["id"], "quantity": 7}, {"text": "A box", "quantity": 1}]
    )
    wanted = {"preset": "kicad", "project_id": str(project_id)}
    report = await imported(member, content_of("kicad"), **wanted)
    assert counts(report) == (3, 1, 0, 0)
    assert ("changed", "needs 2; instead of 7; found by the maker's part number; R1,R2") in await outcomes(
        member, report
    )
    found = await needs(member, project_id)
    assert (found["10 kOhm"], found["A box"], len(found)) == (2, 1, 5)
    again = await imported(member, content_of("kicad"), **wanted)
    assert counts(again) == (0, 0, 4, 0)
    assert await needs(member, project_id) == found


async def test_rows_of_single_parts_are_added_up(member: AsyncClient) -> None:
    await electronics(member)
    report = await imported(member, content_of("kicad-ungrouped"), preset="kicad", project="Blinker")
    assert (counts(report), report["skipped"]) == ((4, 0, 0, 0), 1)
    assert await needs(member, report["project_id"]) == {"100n": 2, "10 kOhm": 2}
    assert (await outcomes(member, report))[0] == ("created", "needs 1; 2 with other rows; found by its name; C1")


async def test_altium(member: AsyncClient) -> None:
    await electronics(member)
    report = await imported(member, content_of("altium"), preset="altium", project="Blinker")
    assert (counts(report), report["skipped"]) == ((2, 0, 0, 0), 1)
    assert await needs(member, report["project_id"]) == {"Ceramic capacitor": 3, "Timer": 1}


async def test_any_table_may_be_a_list_of_parts(member: AsyncClient) -> None:
    flour = await new_item(member, "Flour")
    content = f"code,name,quantity\n{flour['code']},,0.5\n,Eggs,3\n"
    report = await imported(member, content, project="Cake", unmatched="text")
    assert await needs(member, report["project_id"]) == {"Flour": 0.5, "Eggs": 3}
    report = await imported(member, "name\nFlour\nFlour\n", project="Bread")
    assert await needs(member, report["project_id"]) == {"Flour": 2}
    # Once it is withdrawn, the same file is another project.
    await new_stock(member, flour, await new_location(member), 2)
    made(await member.post(f"/projects/{report['project_id']}/withdraw"))
    again = await imported(member, "name\nFlour\nFlour\n", project="Bread")
    assert again["project_id"] == report["project_id"] + 1


async def test_unknown_part_refuses_the_file(member: AsyncClient) -> None:
    await new_item(member, "Timer", manufacturer_code="NE555P")
    report = await imported(member, content_of("kicad"), preset="kicad", project="Blinker")
    assert (counts(report), report["applied"]) == ((1, 0, 0, 3), False)
    assert "unmatched=create" in report["errors"][0]["message"]
    assert report["errors"][0]["item"] == "100n, C_0402_1005Metric"
    assert await get(member, "/projects/") == []
    assert [row["Reference"] for row in await table(member, f"/imports/{report['job_id']}/refused.csv")] == [
        "C1,C2,C4-C6",
        "R1,R2",
        "R3",
    ]
    report = await imported(member, content_of("kicad"), preset="kicad", project="Blinker", partial="true")
    assert (report["applied"], await needs(member, report["project_id"])) == (True, {"Timer": 1})


async def test_unknown_parts_become_items(member: AsyncClient) -> None:
    options = {"preset": "kicad", "project": "Blinker", "unmatched": "create"}
    content = content_of("kicad") + b'"R7","10k","~","Resistor_SMD:R_0402_1005Metric","1","","rc0402fr-0710kl",""\n'
    dry = await imported(member, content, **options, dry_run="true")
    assert counts(dry) == (5, 0, 0, 0)
    assert await get(member, "/items/") == []
    report = await imported(member, content, **options)
    assert report["written"]["items_created"] == 4
    assert await needs(member, report["project_id"]) == {
        "100n, C_0402_1005Metric": 5,
        "RC0402FR-0710KL": 3,
        "10k, R_0805_2012Metric": 1,
        "NE555P, DIP-8_W7.62mm": 1,
    }
    found = {item["name"]: item for item in await get(member, "/items/")}
    resistor = found["RC0402FR-0710KL"]
    assert (resistor["manufacturer_code"], resistor["description"]) == ("RC0402FR-0710KL", "10k, R_0402_1005Metric")
    assert [each["barcode"] for each in resistor["barcodes"]] == ["C60490"]
    again = await imported(member, content, **options | {"project": "Another"})
    assert again["written"]["items_created"] == 0
    assert await needs(member, again["project_id"]) == await needs(member, report["project_id"])


async def test_item_with_another_part_number_is_another_part(member: AsyncClient) -> None:
    await new_item(member, "NE555P", manufacturer_code="LM555")
    await new_item(member, "Old timer", barcodes=[{"barcode": "S-1"}], manufacturer_code="LM555CN")
    content = "Reference,Value,Footprint,MPN,SPN\nU1,NE555P,DIP-8,NE555PSR,S-1\n"
    report = await imported(member, content, preset="kicad", project="Blinker")
    assert counts(report) == (0, 0, 0, 1)
    refusal = await imported(member, content, preset="kicad", project="Blinker", unmatched="create")
    assert "S-1 belongs to Old timer" in refusal["errors"][0]["message"]


async def test_ambiguous_and_hidden_items(member: AsyncClient) -> None:
    for _ in range(2):
        await new_item(member, "NE555P")
    report = await imported(member, TIMER, preset="kicad", project="Blinker")
    assert "2 items have the name" in report["errors"][0]["message"]
    for item in await get(member, "/items/"):
        assert (await member.delete(f"/items/{item['id']}")).status_code == 200
    report = await imported(member, TIMER, preset="kicad", project="Blinker")
    assert "No item has" in report["errors"][0]["message"]


@pytest.mark.parametrize("quantity", ["0", "-1", "many"])
async def test_quantity_is_more_than_zero(quantity: str, member: AsyncClient) -> None:
    await new_item(member, "NE555P")
    report = await imported(member, TIMER.replace(",2\n", f",{quantity}\n"), preset="kicad", project="Blinker")
    assert counts(report) == (0, 0, 0, 1)
    assert report["errors"][0]["column"] == "Qty"


async def test_project_is_checked_first(member: AsyncClient) -> None:
    item = await new_item(member, "NE555P")
    files = {"file": ("x.csv", TIMER.encode())}
    for options, status, words in (
        ({"project_id": "99"}, 422, ("no project with id 99",)),
        ({"project_id": "x"}, 422, ("project_id",)),
        ({"project_id": "1", "project": "New"}, 422, ("leave",)),
        ({"project": "x" * 201}, 422, ("project",)),
        ({"project": "New", "unmatched": "maybe"}, 422, ("unmatched",)),
    ):
        refused(await member.post("/imports", files=files, data={"preset": "kicad", **options}), status, *words)
    project_id = await new_project(member, items=[{"item_id": item["id"], "quantity": 1}])
    await new_stock(member, item, await new_location(member), 1)
    made(await member.post(f"/projects/{project_id}/withdraw"))
    withdrawn = {"preset": "kicad", "project_id": str(project_id)}
    refused(await member.post("/imports", files=files, data=withdrawn), 409, "withdrawn")


async def test_failure_takes_created_items_back(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> int:
        raise Conflict("The project has been withdrawn")

    monkeypatch.setattr(parts, "_fill_project", refuse)
    job = await failed(member, TIMER, preset="kicad", project="Blinker", unmatched="create")
    assert "withdrawn" in job["error"]
    assert await get(member, "/items/") == []
    assert await get(member, "/projects/") == []


async def test_project_has_a_most(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_REQUIREMENTS", 1)
    job = await failed(member, content_of("altium"), preset="altium", project="Blinker", unmatched="text")
    assert "at most 1 things" in job["error"]
    monkeypatch.setattr(parts, "MAX_ROWS", 1)
    job = await failed(member, content_of("altium"), preset="altium", project="Blinker", unmatched="text")
    assert "at most 1 rows" in job["error"]


@pytest.mark.parametrize(
    ("cells", "is_left_out"),
    [
        ({"DNP": "DNP"}, True),
        ({"DNP": "1"}, True),
        ({"DNP": "No"}, False),
        ({"Do Not Populate": "x"}, True),
        ({"Fitted": "Not Fitted"}, True),
        ({"Fitted": "Fitted"}, False),
        ({"Populate": "0"}, True),
        ({"Value": "10k/DNF"}, True),
        ({"Value": "DNP10"}, False),
        ({"Value": "do not populate"}, True),
        ({"Exclude from BOM": "Excluded from BOM"}, True),
        ({"Value": "10k"}, False),
    ],
)
def test_parts_that_are_not_populated(cells: dict[str, str], is_left_out: bool) -> None:
    skips = presets.BY_NAME["kicad"].skips
    assert skips is not None
    assert bool(skips(lambda header: cells.get(header, ""))) == is_left_out


@pytest.mark.parametrize(
    ("references", "count"), [("R1", "1"), ("R1, R2,R3", "3"), ("R1 R2", "2"), ("R1-R4, C2-4", "7"), ("SW_A1", "1")]
)
def test_pieces_are_counted_by_designators(references: str, count: str) -> None:
    quantity = next(take for take in presets.BY_NAME["kicad"].takes if take.field == "quantity")
    assert quantity.text(lambda header: references if header == "Reference" else "") == count
    assert quantity.text(lambda header: {"Qty": "12", "Reference": references}.get(header, "")) == "12"
