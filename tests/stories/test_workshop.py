"""A workshop's first weeks: parts from a table, boxes, a datasheet, tidying by plan, a board built, and a restore."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.documents.files import pdf
from tests.stories.house import House, Json, moved_in

TABLE = """Part;Maker's number;Kind;Words;Count;Where;Supplier
Resistor 10k;RC0805-10K;Resistors;"smd;0805";200;Box 1 / 1;Corner shop
Resistor 4k7;RC0805-4K7;Resistors;"smd;0805";150;Box 2 / 1;Corner shop
Capacitor 100n;CL21B104;Capacitors;smd;80;Box 1 / 2;Corner shop
"Transistor, NPN";BC547B;Semiconductors;tht;25;Box 3 / 1;"Mail; order"
"""
MAPPING = {
    "Part": "name",
    "Maker's number": "manufacturer_code",
    "Kind": "type",
    "Words": "tags",
    "Count": "quantity",
    "Where": "location",
    "Supplier": "seller",
}


@pytest.mark.slow
def test_a_workshop(empty_environ: dict[str, str], tmp_path: Path) -> None:
    with moved_in(empty_environ, tmp_path) as house:
        for _ in range(3):
            house.member.post("/boxes/", {"capacity": 4, "storage_type": "garage"})
        parts = _import_parts(house)
        _look_it_up(house, parts)
        _tidy_up(house, parts)
        _build(house, parts)
        _break_and_restore(house, parts)
        house.checked()


def _import_parts(house: House) -> dict[str, Json]:
    member = house.member
    form = {"mapping": json.dumps(MAPPING), "key": "name"}

    def imported(table: str, **options: str) -> Json:
        files = {"file": ("parts.csv", table.encode(), "text/csv")}
        report: Json = house.admin.done(member.post("/imports/", files=files, data=form | options))
        return report

    imported(TABLE, dry_run="true")
    assert member.get("/items/") == []
    imported(TABLE)
    parts = {item["name"]: item for item in member.get("/items/")}
    assert {name: item["total_quantity"] for name, item in parts.items()} == {
        "Resistor 10k": 200,
        "Resistor 4k7": 150,
        "Capacitor 100n": 80,
        "Transistor, NPN": 25,
    }
    assert parts["Resistor 10k"]["tags"] == ["0805", "smd"]
    # Importing the same file again changes nothing, and an export can be imported.
    imported(TABLE)
    events = member.get("/events")["events"]
    assert len(events) == 4
    exported = member.get("/exports/items.csv").decode()
    assert '"Mail; order"' in exported or "Mail; order" in exported
    return parts


def _look_it_up(house: House, parts: dict[str, Json]) -> None:
    member, transistor = house.member, parts["Transistor, NPN"]
    sheet = {"file": ("BC547.pdf", pdf(20_000), "application/pdf")}
    document = member.post(
        "/documents/", files=sheet, data={"item_id": str(transistor["id"]), "name": "Datasheet BC547"}
    )
    assert member.get(f"/documents/{document['id']}/content") == pdf(20_000)
    for words in ("bc547", "transistr", transistor["code"], "datasheet bc", "npn tht"):
        found = member.get("/search", q=words)
        assert found[0]["name"] == "Transistor, NPN", words
        assert found[0]["locations"][0]["location"]["name"] == "Box 3 / 1"
    by_type = member.get("/items/", type_id=parts["Resistor 10k"]["type_id"], tag="SMD")
    assert [item["name"] for item in by_type] == ["Resistor 10k", "Resistor 4k7"]


def _tidy_up(house: House, parts: dict[str, Json]) -> None:
    """A bag in another box is moved to similar ones; then a box is empty and can be removed."""
    member = house.member
    stray = {"type": "add", "item": {"code": parts["Resistor 10k"]["code"]}, "quantity": 30}
    member.post("/events", {"events": [stray | {"location": {"box_no": 2, "loc_no": 3}}]})
    started = member.post("/reorg/plans")
    house.admin.done(started)
    plan = member.get(f"/reorg/plans/{started['plan_id']}")
    assert plan["status"] == "proposed"
    assert all(move["reason"] for move in plan["moves"])
    before = member.get("/skus/")
    applied = member.post(f"/reorg/plans/{plan['id']}/apply")
    assert member.post(f"/reorg/plans/{plan['id']}/apply") == applied
    locations = {
        sku["location_id"] for sku in member.get("/skus/", item_id=parts["Resistor 10k"]["id"]) if sku["quantity"]
    }
    assert len(locations) == 1
    assert sum(sku["quantity"] for sku in member.get("/skus/")) == sum(sku["quantity"] for sku in before)
    member.post(f"/events/batches/{applied['batch_id']}/undo")
    assert {(sku["id"], sku["quantity"]) for sku in member.get("/skus/")} >= {
        (sku["id"], sku["quantity"]) for sku in before
    }
    assert "hold stock" in member.refused(409, "/boxes/2", {"capacity": 2}, "PATCH")
    assert member.get("/boxes/2")["capacity"] == 4


def _build(house: House, parts: dict[str, Json]) -> None:
    member = house.member
    needs = [{"item_id": parts[name]["id"], "quantity": 10} for name in ("Resistor 10k", "Transistor, NPN")]
    project = member.post("/projects/", {"name": "Amplifier", "items": needs})["id"]
    assert member.get(f"/projects/{project}/missing")["is_complete"]
    built = member.post(f"/projects/{project}/withdraw")
    assert member.total(parts["Transistor, NPN"]) == 15
    assert "withdrawn" in member.refused(409, f"/projects/{project}/withdraw").lower()
    member.post(f"/events/batches/{built['batch_id']}/undo")
    assert (member.total(parts["Transistor, NPN"]), member.total(parts["Resistor 10k"])) == (25, 230)
    member.post(f"/projects/{project}/withdraw")


def _break_and_restore(house: House, parts: dict[str, Json]) -> None:
    before, backup = house.state(), house.backed_up("sql")
    label = parts["Transistor, NPN"]["code"]
    lost = {"type": "remove", "item": {"code": label}, "location": {"name": "Box 3 / 1"}, "quantity": 15}
    house.member.post("/events", {"events": [lost]})
    assert house.member.http.delete("/boxes/3").status_code == 204
    house.restored(backup)
    assert house.state() == before
    assert house.member.get("/search", q=label)[0]["total_quantity"] == 15
