"""Files that can be read in several ways: nothing is imported before the question is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.imports.fields import guess
from tests.imports.importing import counts, imported, stock_of
from tests.inventory import Json, get, refused

pytestmark = pytest.mark.one_server


async def asked(client: AsyncClient, content: str | bytes, **options: str) -> Json:
    """The problem of a file with questions, of which nothing is imported."""
    before = await get(client, "/imports")
    body = content.encode() if isinstance(content, str) else content
    answer = await client.post("/imports", files={"file": ("items.csv", body, "text/csv")}, data=options)
    assert answer.status_code == 422, answer.text
    problem: Json = answer.json()
    assert problem["type"] == "/problems/question", problem
    assert await get(client, "/imports") == before
    assert await get(client, "/items/") == []
    return problem


def questions(problem: Json) -> list[tuple[str, str | None, list[str]]]:
    return [(each["option"], each["field"], each["columns"]) for each in problem["results"]["questions"]]


def answer_to(problem: Json, chosen: int) -> dict[str, Any]:
    """The options that answer a problem with one question."""
    (question,) = problem["results"]["questions"]
    options: dict[str, Any] = question["answers"][chosen]["options"]
    if "mapping" in options:
        return {"mapping": json.dumps(problem["results"]["columns"] | options["mapping"])}
    return options


@pytest.mark.parametrize("header", ["number,quantity", "quantity,number", "stock,quantity", "quantity,qty,count"])
async def test_exact_name_wins(header: str, member: AsyncClient) -> None:
    cells = ",".join("5" if name == "quantity" else "1001" for name in header.split(","))
    await imported(member, f"name,location,{header}\nScrews,Shelf,{cells}\n")
    assert await stock_of(member, "Screws") == [("Shelf", 5, None)]


@pytest.mark.parametrize("header", ["item", "number", "#", "Item", "Number", "No.", "Nr"])
def test_ambiguous_header_is_no_alias(header: str) -> None:
    assert guess(header) is None


async def test_path_column_is_a_location(member: AsyncClient) -> None:
    await imported(member, "name,location_path,quantity\nTea,Garage / Shelf 2,3\n")
    assert await stock_of(member, "Tea") == [("Garage / Shelf 2", 3, None)]


@pytest.mark.parametrize("options", [{}, {"preset": "none"}])
async def test_location_without_quantity_is_refused(options: dict[str, str], member: AsyncClient) -> None:
    content = "name,location,quantity,expiry_date\nTea,Pantry,,2026-12-31\n"
    report = await imported(member, content, **options)
    assert [each["message"] for each in report["errors"]] == [
        "It has a location and no quantity; fill in both, or neither"
    ]


async def test_point_is_ambiguous_beside_decimal_commas(member: AsyncClient) -> None:
    content = 'name,location,quantity\nScrews,Cellar,"1.234"\nFlour,Cellar,"2,5"\n'
    report = await imported(member, content, partial="true")
    assert [(each["line"], "set decimal" in each["message"]) for each in report["errors"]] == [(2, True)]
    await imported(member, content, decimal="comma")
    assert await stock_of(member, "Screws") == [("Cellar", 1234, None)]


async def test_two_columns_for_one_field_are_asked_about(member: AsyncClient) -> None:
    content = "name,location,On hand,Count\nScrews,Shelf,5,1001\n"
    problem = await asked(member, content, dry_run="true")
    assert questions(problem) == [("mapping", "quantity", ["On hand", "Count"])]
    assert problem["results"]["columns"] == {"name": "name", "location": "location", "On hand": None, "Count": None}
    assert "On hand" in problem["detail"]
    assert "Count" in problem["detail"]
    assert problem["errors"][0]["field"] == "mapping"
    answers = problem["results"]["questions"][0]["answers"]
    assert [each["options"] for each in answers] == [
        {"mapping": {"On hand": "quantity"}},
        {"mapping": {"Count": "quantity"}},
        {"mapping": {}},
    ]
    assert answers[0]["sample"] == "5"
    report = await imported(member, content, **answer_to(problem, 0))
    assert counts(report) == (1, 0, 0, 0)
    assert await stock_of(member, "Screws") == [("Shelf", 5, None)]


@pytest.mark.parametrize(
    "header", ["Qty on hand", "Menge", "Quantity (pcs)", "Number", "#", "Anzahl", "In-Stock", "Qté"]
)
async def test_quantity_column_that_nothing_maps_to_is_asked_about(header: str, member: AsyncClient) -> None:
    content = f"name,location,{header}\nScrews,Shelf,5\n"
    problem = await asked(member, content)
    assert questions(problem) == [("mapping", "quantity", [header])]
    await imported(member, content, **answer_to(problem, 0))
    assert await stock_of(member, "Screws") == [("Shelf", 5, None)]


@pytest.mark.parametrize(
    "header", ["Min qty", "Part number", "Item No.", "Stock keeper", "Quantity unit", "Order number"]
)
async def test_other_columns_are_not_asked_about(header: str, member: AsyncClient) -> None:
    report = await imported(member, f"name,{header}\nScrews,Joe 5\n", dry_run="true")
    assert counts(report) == (1, 0, 0, 0), report["errors"]


async def test_quantity_without_column_is_an_answer(member: AsyncClient) -> None:
    content = "name,Menge\nScrews,5\n"
    problem = await asked(member, content)
    assert counts(await imported(member, content, **answer_to(problem, -1))) == (1, 0, 0, 0)


async def test_all_questions_are_asked_at_once(member: AsyncClient) -> None:
    problem = await asked(member, "name,Tag,Labels,Menge,Wo\nScrews,a,b,5,Shelf\n")
    assert questions(problem) == [("mapping", "tags", ["Tag", "Labels"]), ("mapping", "quantity", ["Menge"])]


async def test_item_column_is_asked_about(member: AsyncClient) -> None:
    content = "Item,location,quantity\nScrews,Shelf,5\n"
    problem = await asked(member, content)
    assert questions(problem) == [("mapping", "name", ["Item"])]
    assert "No column holds code or barcode or name" in problem["detail"]
    await imported(member, content, **answer_to(problem, 0))
    assert await stock_of(member, "Screws") == [("Shelf", 5, None)]


async def test_mapping_asks_nothing(member: AsyncClient) -> None:
    content = "name,qty,stock,Menge\nScrews,5,6,7\n"
    assert counts(await imported(member, content, mapping='{"name": "name"}')) == (1, 0, 0, 0)
    files = {"file": ("x.csv", b"name,qty\nTea,1\n")}
    refused(await member.post("/imports", files=files, data={"mapping": '{"Tea": "name"}'}), 422, "no column")


async def test_quantities_without_a_location_are_asked_about(member: AsyncClient) -> None:
    content = "name,quantity\nScrews,5\n"
    problem = await asked(member, content)
    assert questions(problem) == [("location", "location", [])]
    await imported(member, content, location="Shelf")
    assert await stock_of(member, "Screws") == [("Shelf", 5, None)]
    report = await imported(member, "name,quantity\nNails,\nTotal,12\n")
    assert (counts(report), report["skipped"]) == ((1, 0, 0, 0), 1)
    files = {"file": ("x.csv", content.encode())}
    refused(await member.post("/imports", files=files, data={"location": "x" * 201}), 422, "location", "200")
