"""A household's first weeks: unknown groceries, lots, a shopping list, pancakes, a mistake, a backup and a restore."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.documents.files import picture
from tests.stories.house import House, Json, moved_in

FLOUR, MILK = "4006381333931", "5901234123457"


@pytest.mark.slow
def test_a_kitchen(empty_environ: dict[str, str], tmp_path: Path) -> None:
    with moved_in(empty_environ, tmp_path) as house:
        locations = _furnish(house)
        flour, milk = _unpack(house, locations)
        _keep_an_eye_on(house, milk, locations)
        _bake(house, flour, milk)
        _tidy_up(house, flour, locations)
        _break_and_restore(house, flour)
        house.checked()


def _furnish(house: House) -> dict[str, int]:
    return {
        kind: house.member.post("/locations/", {"name": kind.title(), "storage_type": kind})["id"]
        for kind in ("pantry", "refrigerator", "freezer")
    }


def _unpack(house: House, locations: dict[str, int]) -> tuple[Json, Json]:
    """Unknown groceries are scanned first and named afterwards."""
    member, scanner = house.member, house.scanner
    assert "set_location" in str(scanner.scan(FLOUR)["suggested_actions"])
    for _ in range(3):
        assert scanner.scan(FLOUR, location_hint=locations["pantry"])["success"]
    # A GS1 label with an expiry date, and the plain barcode of the same carton.
    soon = datetime.now(UTC).date() + timedelta(days=3)
    label = f"01{MILK:0>14}17{soon:%y%m%d}"
    assert scanner.scan(label, location_hint=locations["refrigerator"])["success"]
    assert scanner.scan(MILK, location_hint=locations["refrigerator"], event_id="again")["success"]
    assert scanner.scan(MILK, location_hint=locations["refrigerator"], event_id="again")["duplicate"]
    stubs = {each["item"]["barcodes"][0]["barcode"].lstrip("0"): each["item"] for each in member.get("/items/review")}
    assert stubs.keys() == {FLOUR, MILK}
    flour = member.patch(f"/items/{stubs[FLOUR]['id']}", name="Flour", default_storage_type="pantry", tags=["baking"])
    milk = member.patch(f"/items/{stubs[MILK]['id']}", name="Milk", default_storage_type="refrigerator")
    assert member.get("/items/review") == []
    lots = {sku["expiry_date"]: sku["quantity"] for sku in member.get("/skus/", item_id=milk["id"])}
    assert lots == {soon.isoformat(): 1, None: 1}
    photo = {"file": ("flour.png", picture(), "image/png")}
    image = member.post("/documents/", files=photo, data={"item_id": str(flour["id"])})
    member.patch(f"/items/{flour['id']}", image_document_id=image["id"])
    assert member.get(f"/documents/{image['id']}/thumbnail")
    return flour, milk


def _keep_an_eye_on(house: House, milk: Json, locations: dict[str, int]) -> None:
    """Low stock raises an alert, goes on the list, is bought, and the alert is resolved."""
    member = house.member
    member.patch(f"/items/{milk['id']}", min_quantity=4)

    def alerts() -> set[str]:
        return {each["alert_type"] for each in member.get("/alerts/") if each["item_id"] == milk["id"]}

    assert "low_stock" in alerts()
    shopping = member.post("/shopping-lists/", {"name": "Saturday", "is_public": True})["id"]
    member.post(f"/shopping-lists/{shopping}/items", {"text": "Something nice"})
    member.post(f"/shopping-lists/{shopping}/fill-low-stock")
    entries = member.get(f"/shopping-lists/{shopping}")["items"]
    assert {entry["item"]["name"]: entry["quantity"] for entry in entries} == {"Milk": 2, "Something nice": 1}
    bought = {"quantity": 6, "location": {"id": locations["refrigerator"]}, "event_id": "till receipt 17"}
    for _ in range(2):
        member.post(f"/shopping-lists/{shopping}/items/{milk['id']}/bought", bought)
    assert member.total(milk) == 8
    assert "low_stock" not in alerts()
    assert [entry["item"]["id"] for entry in member.get(f"/shopping-lists/{shopping}")["items"]] == [None]


def _bake(house: House, flour: Json, milk: Json) -> None:
    """A project is planned, its missing items are bought, and it is withdrawn, undone and withdrawn again."""
    member = house.member
    needs = [
        {"item_id": flour["id"], "quantity": 4},
        {"item_id": milk["id"], "quantity": 1.5},
        {"text": "Good company", "quantity": 1},
    ]
    project = member.post("/projects/", {"name": "Pancakes", "items": needs})["id"]
    missing = member.get(f"/projects/{project}/missing")
    assert [(each["item"]["name"], each["missing"]) for each in missing["items"] if each["item"]] == [("Flour", 1)]
    assert "Flour" in member.refused(409, f"/projects/{project}/withdraw")
    listed = member.post(f"/projects/{project}/shopping-list", {"name": "For pancakes"})["shopping_list"]["id"]
    member.post(f"/shopping-lists/{listed}/items/{flour['id']}/bought")
    first = member.post(f"/projects/{project}/withdraw", {"event_id": "pancakes"})
    assert (member.total(flour), member.total(milk)) == (0, 6.5)
    # The carton with the earliest expiry is taken first.
    assert {sku["expiry_date"]: sku["quantity"] for sku in member.get("/skus/", item_id=milk["id"])}[None] == 6.5
    assert member.post(f"/projects/{project}/withdraw", {"event_id": "pancakes"})["duplicate"]
    member.post(f"/events/batches/{first['batch_id']}/undo")
    assert (member.total(flour), member.total(milk)) == (4, 8)
    member.post(f"/projects/{project}/withdraw")


def _tidy_up(house: House, flour: Json, locations: dict[str, int]) -> None:
    """A duplicate item under another barcode is merged; a mistake is undone."""
    member, scanner = house.member, house.scanner
    other = scanner.scan("96385074", location_hint=locations["pantry"], quantity=2)["item"]
    merged = member.post(f"/items/{other['id']}/merge", {"into": flour["id"]})
    assert merged["total_quantity"] == 2
    assert scanner.scan("96385074", location_hint=locations["pantry"])["item"]["name"] == "Flour"
    wrong = scanner.scan(FLOUR, location_hint=locations["pantry"], quantity=50)["event"]
    member.post(f"/events/{wrong['id']}/undo")
    assert member.total(flour) == 3
    assert [found["name"] for found in member.get("/search", q="fluor")][:1] == ["Flour"]


def _break_and_restore(house: House, flour: Json) -> None:
    before, backup = house.state(), house.backed_up("archive")
    assert backup["documents_count"] == 1
    for sku in house.member.get("/skus/"):
        assert house.member.http.delete(f"/skus/{sku['id']}").status_code == 200
    house.member.patch(f"/items/{flour['id']}", name="Oh no")
    for document in house.member.get("/documents/"):
        assert house.member.http.delete(f"/documents/{document['id']}").status_code == 204
    house.restored(backup)
    assert house.state() == before
    assert house.member.get(f"/documents/{house.member.get('/documents/')[0]['id']}/content")
    # The restored data still recognises a scan that was acknowledged before.
    location = house.member.get("/locations/name/Refrigerator")["id"]
    assert house.scanner.scan(MILK, location_hint=location, event_id="again")["duplicate"]
