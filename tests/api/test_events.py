"""`/events` over HTTP; the rules of the ledger have separate tests."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made, new_item, new_location, refused, total


def event(item: Json, location: Json | None, type: str = "add", quantity: float = 1, **more: Any) -> Json:
    """An event as sent by a client."""
    where = {} if location is None else {"location": {"id": location["id"]}}
    return {"type": type, "item": {"id": item["id"]}, **where, "quantity": quantity, **more}


async def post(client: AsyncClient, *events: Json, **more: Any) -> Json:
    return made(await client.post("/events", json={"events": events, **more}))


async def test_each_event_has_its_own_result(member: AsyncClient, scanner: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    answer = await scanner.post(
        "/events",
        json={
            "events": [
                event(item, shelf, "ADD", 5, event_id="e1", note="shopping", occurred_at="2026-01-31T12:00:00+01:00"),
                event(item, shelf, "remove", 9),
                event(item, shelf, "move", 2, to_location={"name": "Cellar"}),
                event(item, shelf, "Set", 1.5),
                event(item, shelf, "ADD", 5, event_id="e1", note="shopping", occurred_at="2026-01-31T12:00:00+01:00"),
            ]
        },
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["applied"], body["duplicates"], body["rejected"]) == (3, 1, 1)
    results = body["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4]
    assert [result["status"] for result in results] == ["applied", "rejected", "applied", "applied", "duplicate"]
    assert [result["quantity_after"] for result in results] == [5, None, 3, 1.5, 5]
    assert set(results[0]) == {"index", "status", "event_id", "id", "sku_id", "quantity_after", "reason"}
    assert (results[0]["event_id"], results[4]["id"]) == ("e1", results[0]["id"])
    assert (results[1]["id"], results[1]["sku_id"]) == (None, None)
    assert "5" in results[1]["reason"]
    stock = {sku["location_id"]: sku["quantity"] for sku in await get(member, "/skus/")}
    assert stock == {shelf["id"]: 1.5, cellar["id"]: 2}
    first = await get(member, f"/events/{results[0]['id']}")
    assert (first["occurred_at"], first["note"], first["delta"]) == ("2026-01-31T11:00:00Z", "shopping", 5)
    assert first["batch_id"] == body["batch_id"]


async def test_items_and_locations_can_be_referenced_in_every_form(member: AsyncClient) -> None:
    item = await new_item(member, upc="40063813", barcodes=[{"barcode": "six", "pack_quantity": 6}])
    await new_location(member, "Shelf")
    named = {"location": {"name": "Shelf"}, "type": "add", "quantity": 1}
    body = await post(
        member,
        {**named, "item": {"id": item["id"]}},
        {**named, "item": {"code": item["code"].lower()}},
        {**named, "item": {"upc": "40063813"}},
        {**named, "item": {"upc": "six"}},
        {**named, "item": {"upc": "unheard of"}},
        {**named, "item": {"upc": item["code"]}},
        {"type": "remove", "quantity": 1, "item": {"id": item["id"]}},
    )
    assert [result["quantity_after"] for result in body["results"]] == [1, 2, 3, 9, 1, 10, 9]
    unknown = await post(
        member,
        {**named, "item": {"id": 999}},
        {**named, "item": {"code": "ZZZZ"}},
        {**named, "item": {"id": item["id"]}, "location": {"name": "Nowhere"}},
        {**named, "item": {"id": item["id"]}, "location": {"id": 999}},
        {**named, "item": {"id": item["id"]}, "location": {"box_no": 1, "loc_no": 2}},
    )
    assert unknown["rejected"] == 5
    for result, word in zip(unknown["results"], ("999", "ZZZZ", "Nowhere", "999", "box 1"), strict=True):
        assert word in result["reason"]
    assert await total(member, item) == 9
    assert len(await get(member, "/items/", needs_review=True)) == 1


async def test_atomic_events_are_applied_together_or_not_at_all(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    good, bad = event(item, shelf, "add", 2, event_id="good"), event(item, shelf, "remove", 9, event_id="bad")
    problem = refused(await member.post("/events", json={"events": [good, bad], "atomic": True}), 409, "event 1")
    assert [result["status"] for result in problem["results"]] == ["rejected", "rejected"]
    assert "9" in problem["results"][1]["reason"]
    assert await get(member, "/skus/") == []
    assert (await post(member, good, atomic=True))["applied"] == 1, "what was refused with others is not refused itself"
    assert await total(member, item) == 2


async def test_the_ledger_is_paged_with_a_cursor(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    results = (await post(member, *(event(item, shelf) for _ in range(5))))["results"]
    ids = [result["id"] for result in results][::-1]
    for path in ("/events", "/events/", f"/items/{item['id']}/events"):
        seen: list[int] = []
        cursor: Json = {}
        for count in (2, 2, 1):
            page = await get(member, path, limit=2, **cursor)
            assert len(page["events"]) == count
            seen += [each["id"] for each in page["events"]]
            cursor = {"cursor": page["next_cursor"]}
        assert (seen, cursor) == (ids, {"cursor": None})
    refused(await member.get("/events", params={"limit": 1001}), 422, "limit")
    refused(await member.get("/events", params={"cursor": "x"}), 422, "cursor")
    refused(await member.get("/items/999/events"), 404, "999")
    refused(await member.get("/events/999"), 404, "event", "999")


async def test_the_ledger_is_filtered(member: AsyncClient, scanner: AsyncClient) -> None:
    coffee, tea = await new_item(member, "Coffee", upc="40063813"), await new_item(member, "Tea")
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    await post(member, event(coffee, shelf, "add", 9, occurred_at="2026-01-10T00:00:00Z"))
    await post(scanner, event(tea, cellar, "add", 9, occurred_at="2026-01-20T00:00:00Z"))
    scan = {"upc": "40063813", "scanner_id": "s1", "location_hint": "Shelf"}
    made(await scanner.post("/scanner/scan", json=scan))
    people = {name: (await get(client, "/auth/me"))["id"] for name, client in (("m", member), ("s", scanner))}

    async def shown(**query: Any) -> list[int]:
        return [each["item_id"] for each in (await get(member, "/events", **query))["events"]]

    c, t = coffee["id"], tea["id"]
    assert await shown() == [c, t, c]
    assert await shown(item_id=t) == await shown(location_id=cellar["id"]) == [t]
    assert await shown(user_id=people["m"]) == [c]
    assert await shown(user_id=people["s"]) == [c, t]
    assert await shown(scanner_id="s1") == [c]
    assert await shown(type="ADD") == [c, t, c]
    assert await shown(type="set") == []
    assert await shown(until="2026-01-20T00:00:00Z") == [c]
    assert await shown(since="2026-01-20T00:00:00Z", until="2026-01-21T00:00:00Z") == [t]
    refused(await member.get("/events", params={"since": "yesterday"}), 422, "since")


async def test_an_event_a_transfer_and_a_batch_are_undone(member: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    body = await post(
        member,
        event(item, shelf, "add", 5),
        event(item, shelf, "move", 2, to_location={"id": cellar["id"]}),
        event(item, shelf, "remove", 1),
    )
    added, moved, removed = (result["id"] for result in body["results"])
    undone = made(await member.post(f"/events/{removed}/undo", json={"note": "mistake", "event_id": "u1"}))["events"]
    assert [(each["type"], each["delta"], each["reverses_id"]) for each in undone] == [("undo", 1, removed)]
    assert undone[0]["note"] == "mistake"
    assert (await get(member, f"/events/{removed}"))["reversed_by_id"] == undone[0]["id"]
    refused(await member.post(f"/events/{removed}/undo"), 409, "already")
    refused(await member.post(f"/events/{added}/undo"), 409, "undo")
    assert len(made(await member.post(f"/events/{moved}/undo/"))["events"]) == 2
    rest = made(await member.post(f"/events/batches/{body['batch_id']}/undo"))["events"]
    assert [each["delta"] for each in rest] == [-5]
    refused(await member.post(f"/events/batches/{body['batch_id']}/undo"), 409, "already")
    refused(await member.post("/events/batches/none/undo"), 404, "none")
    refused(await member.post("/events/999/undo"), 404, "999")
    assert await total(member, item) == 0


async def test_invalid_events_are_rejected(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    good = event(item, shelf)
    for field, value in (
        ("type", "steal"),
        ("type", "undo"),
        ("quantity", -1),
        ("quantity", 0),
        ("quantity", 0.0001),
        ("item", {}),
        ("item", {"id": item["id"], "code": item["code"]}),
        ("item", {"id": 0}),
        ("location", {"box_no": 1}),
        ("location", {"id": shelf["id"], "name": "Shelf"}),
        ("occurred_at", "2026-01-31T12:00:00"),
        ("lot", "soon"),
        ("event_id", ""),
        ("event_id", "x" * 129),
        ("note", "x" * 1001),
    ):
        problem = refused(await member.post("/events", json={"events": [good, {**good, field: value}]}), 422)
        [error] = problem["errors"]
        assert error["field"].startswith("events"), problem
        assert field in error["field"] or field in error["message"], problem
    refused(await member.post("/events", json={"events": [{**good, "type": "move"}]}), 422, "to_location")
    refused(await member.post("/events", json={"events": []}), 422, "events")
    refused(await member.post("/events", json={"events": [good] * 1001}), 422, "events", "1000")
    assert (await post(member, *[good] * 1000))["applied"] == 1000
    assert len((await get(member, "/events", limit=1000))["events"]) == 1000
