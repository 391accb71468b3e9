"""`POST /events?details=true`: each result has its item and the stock right after it, and is otherwise the same."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from stocky.errors import Unavailable
from stocky.stock import service
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

EAN = "4006381333931"


async def _post(client: AsyncClient, *events: Json, **more: Any) -> list[Json]:
    body = {"events": list(events), **more}
    results: list[Json] = made(await client.post("/events", params={"details": "true"}, json=body))["results"]
    return results


def _event(type: str, item: Json, location: Json, quantity: float, **more: Any) -> Json:
    return {"type": type, "item": item, "location": {"id": location["id"]}, "quantity": quantity, **more}


async def test_results_have_no_details_unless_asked(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    body = {"events": [_event("add", {"id": item["id"]}, shelf, 1)]}
    [result] = made(await member.post("/events", json=body))["results"]
    assert set(result) == {"index", "status", "event_id", "id", "sku_id", "quantity_after", "reason"}


async def test_details_are_of_the_moment_after_each_event(member: AsyncClient, scanner: AsyncClient) -> None:
    item = await new_item(member, barcodes=[{"barcode": EAN, "pack_quantity": 6}])
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    by_upc = {"upc": EAN}
    results = await _post(
        scanner,
        _event("add", by_upc, shelf, 2),
        _event("add", by_upc, cellar, 1, lot="2030-01-31", event_id="e1"),
        _event("move", {"id": item["id"]}, shelf, 5, to_location={"name": "Cellar"}),
        _event("set", {"id": item["id"]}, shelf, 3),
        _event("remove", {"code": item["code"]}, cellar, 8),
    )
    assert [result["status"] for result in results] == ["applied"] * 5
    details = [result["details"] for result in results]
    assert details[0] == {
        "item_id": item["id"], "item_code": item["code"], "item_name": "Coffee", "needs_review": False,
        "image_document_id": None, "total_quantity": 12, "unit": "piece", "to_location": None,
        "location": {"id": shelf["id"], "name": "Shelf", "path": "Shelf", "quantity": 12, "unit": "piece", "delta": 12},
    }  # fmt: skip
    assert [each["total_quantity"] for each in details] == [12, 18, 18, 14, 6]
    at = [(each["location"]["name"], each["location"]["quantity"], each["location"]["delta"]) for each in details]
    # What was removed came from two lots.
    assert at == [("Shelf", 12, 12), ("Cellar", 6, 6), ("Shelf", 7, -5), ("Shelf", 3, -4), ("Cellar", 3, -8)]
    moved_to = details[2]["to_location"]
    assert (moved_to["name"], moved_to["quantity"], moved_to["delta"]) == ("Cellar", 11, 5)
    [again] = await _post(scanner, _event("add", by_upc, cellar, 1, lot="2030-01-31", event_id="e1"))
    assert again["status"] == "duplicate"
    assert again["details"]["total_quantity"] == 6
    assert again["details"]["location"] == {
        "id": cellar["id"], "name": "Cellar", "path": "Cellar", "quantity": 3, "unit": "piece", "delta": 6
    }  # fmt: skip


async def test_unknown_barcode_and_rejected_events_have_details(member: AsyncClient) -> None:
    shelf = await new_location(member)
    item = await new_item(member)
    await new_stock(member, item, shelf, 2)
    unknown, short, missing = await _post(
        member,
        _event("remove", {"upc": EAN}, shelf, 1),
        _event("remove", {"id": item["id"]}, shelf, 3),
        _event("add", {"id": 999}, shelf, 1),
    )
    assert (unknown["details"]["item_name"], unknown["details"]["needs_review"]) == (f"Unknown {EAN}", True)
    assert unknown["details"]["location"]["quantity"] == unknown["details"]["total_quantity"] == -1
    assert short["status"] == missing["status"] == "rejected"
    assert (short["details"]["total_quantity"], short["details"]["location"]) == (2, None)
    assert missing["details"] is None


async def test_stock_in_several_units_is_not_added(member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Rice"), await new_location(member)
    await new_stock(member, item, shelf, 1, unit="kg")
    await new_stock(member, item, shelf, 500, unit="g", expiry_date="2030-01-31")
    [result] = await _post(member, _event("add", {"id": item["id"]}, shelf, 250, unit="g", lot="2030-01-31"))
    assert (result["details"]["total_quantity"], result["details"]["unit"]) == (1.75, "kg")
    assert result["details"]["location"] | {"id": 0, "name": "", "path": ""} == {
        "id": 0, "name": "", "path": "", "quantity": 750, "unit": "g", "delta": 250
    }  # fmt: skip


async def test_merged_item_shows_its_target(member: AsyncClient) -> None:
    source, target = await new_item(member, "Cofee"), await new_item(member, "Coffee")
    shelf = await new_location(member)
    made(await member.post(f"/items/{source['id']}/merge", json={"into": target["id"]}))
    [result] = await _post(member, _event("add", {"id": source["id"]}, shelf, 1))
    assert result["details"]["item_id"] == target["id"]


async def test_rejected_atomic_request_has_no_details(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    body = {
        "events": [_event("add", {"id": item["id"]}, shelf, 1), _event("remove", {"id": item["id"]}, shelf, 5)],
        "atomic": True,
    }
    problem = refused(await member.post("/events?details=true", json=body), 409, "none")
    assert all("details" not in result for result in problem["results"])
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 0


async def test_recorded_events_are_answered_without_details_that_cannot_be_read(
    member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get_locations(*_: object) -> None:
        raise Unavailable("The database is busy; try again")

    monkeypatch.setattr(service, "get_locations", get_locations)
    item, shelf = await new_item(member), await new_location(member)
    [result] = await _post(member, _event("add", {"id": item["id"]}, shelf, 1))
    assert (result["status"], result["details"]) == ("applied", None)
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 1
