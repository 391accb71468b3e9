"""`/events` over HTTP; the rules of the ledger have separate tests."""

from __future__ import annotations

import json
from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made, new_item, new_location, refused, total

JSON = {"Content-Type": "application/json"}


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


# What is wrong with one event, by a field and its value as JSON, and a word of the reason.
MALFORMED = [
    ("type", '"steal"', "type"),
    ("type", '"undo"', "type"),
    ("type", "null", "type"),
    ("quantity", "-1", "quantity"),
    ("quantity", "0", "quantity"),
    ("quantity", "0.0001", "quantity"),
    ("quantity", "1.00001", "three decimals"),
    ("quantity", "1e400", "infinite"),
    ("quantity", "NaN", "NaN"),
    ("quantity", "1" * 40, "quantity"),
    ("quantity", "1" * 5000, "infinite"),
    ("quantity", '"many"', "quantity"),
    ("item", "{}", "item"),
    ("item", '{"id": 1, "code": "ABCD"}', "item"),
    ("item", '{"id": 0}', "item.id"),
    ("item", '{"upc": " "}', "item.upc"),
    ("item", '{"upc": "%s"}' % ("x" * 9000), "item.upc"),
    ("location", '{"box_no": 1}', "location"),
    ("location", '{"id": 1, "name": "Shelf"}', "location"),
    ("occurred_at", '"2026-01-31T12:00:00"', "time zone"),
    ("occurred_at", '"yesterday"', "occurred_at"),
    ("lot", '"2027-02-30"', "lot"),
    ("lot", '"two\\nlines"', "lot"),
    ("lot", "20270105", "lot"),
    ("serial", '"%s"' % ("x" * 101), "serial"),
    ("expiry_date", '"soon"', "expiry_date"),
    ("expiry_date", "20270105", "expiry_date"),
    ("event_id", '""', "event_id"),
    ("event_id", '"%s"' % ("x" * 129), "event_id"),
    ("note", '"%s"' % ("x" * 1001), "note"),
    ("note", r'"a\u0000b"', "NUL"),
    ("note", r'"half a face \ud83d"', "half of a character"),
    ("note", '"M\xfcller"', "UTF-8"),
]


async def test_malformed_event_does_not_block_the_batch(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    good = event(item, shelf)
    sent = [json.dumps({**good, "event_id": f"good {index}"}) for index in range(len(MALFORMED) + 1)]
    bad = []
    for index, (field, value, _) in enumerate(MALFORMED):
        text = json.dumps({"event_id": f"bad {index}", **good, field: "@@"}).replace('"@@"', value)
        bad += [text, sent[index]]
    body = f'{{"events": [{sent[-1]}, {", ".join(bad)}, "no event", 7, null, [], {{}}]}}'.encode("latin-1")
    answer = made(await member.post("/events?details=true", content=body, headers=JSON))
    count = len(MALFORMED)
    assert (answer["applied"], answer["rejected"], answer["duplicates"]) == (count + 1, count + 5, 0)
    results = answer["results"]
    assert [each["index"] for each in results] == list(range(2 * count + 6))
    assert [each["event_id"] for each in results[:3]] == [f"good {count}", "bad 0", "good 0"]
    assert all(each["details"]["item_id"] == item["id"] for each in results[: 2 * count + 1 : 2])
    for index, (result, (field, value, word)) in enumerate(zip(results[1::2], MALFORMED, strict=False)):
        assert (result["status"], result["details"], result["id"]) == ("rejected", None, None), result
        assert word in result["reason"], (field, value[:40], result)
        assert result["event_id"] == (None if field == "event_id" else f"bad {index}")
    assert {each["status"] for each in results[-5:]} == {"rejected"}
    assert await total(member, item) == count + 1
    again = made(await member.post("/events", content=body, headers=JSON))
    assert (again["applied"], again["duplicates"], again["rejected"]) == (0, count + 1, count + 5)


async def test_malformed_event_is_booked_once_it_is_corrected(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    right = event(item, shelf, "add", 2, event_id="e1")
    wrong = {**right, "expiry_date": "soon"}
    first = await post(member, wrong, right, wrong)
    assert [each["status"] for each in first["results"]] == ["rejected", "applied", "rejected"]
    assert [each["event_id"] for each in first["results"]] == ["e1", "e1", "e1"]
    again = await post(member, wrong, {**right, "event_id": "e2", "quantity": -1})
    assert (again["rejected"], again["applied"]) == (2, 0)
    assert (await post(member, right, {**right, "event_id": "e2"}))["duplicates"] == 1
    assert await total(member, item) == 4
    undone = made(await member.post(f"/events/batches/{first['batch_id']}/undo"))["events"]
    assert [each["delta"] for each in undone] == [-2]


async def test_malformed_event_rejects_an_atomic_request(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    good = event(item, shelf, event_id="good")
    answer = await member.post(
        "/events", json={"events": [good, {**good, "expiry_date": "soon"}, good], "atomic": True}
    )
    problem = refused(answer, 409, "event 1", "expiry_date")
    assert [(each["index"], each["status"]) for each in problem["results"]] == [(i, "rejected") for i in range(3)]
    assert "event 1" in problem["results"][0]["reason"]
    assert await get(member, "/skus/") == []
    assert (await post(member, good, atomic=True))["applied"] == 1


async def test_wrong_batch_is_refused_as_a_whole(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    good = event(item, shelf)
    bad = {**good, "expiry_date": "soon"}
    refused(await member.post("/events", json={"events": []}), 422, "events", "empty")
    refused(await member.post("/events", json={"events": [good] * 1001}), 422, "events", "1000")
    refused(await member.post("/events", json={"events": [bad] * 1001}), 422, "events", "1000")
    refused(await member.post("/events", json={"events": good}), 422, "events", "list")
    refused(await member.post("/events", json={"events": [bad], "atomic": "perhaps"}), 422, "atomic")
    refused(await member.post("/events", json={}), 422, "events", "required")
    refused(await member.post("/events", json=[good]), 422, "object")
    for body in (b"", b"{", b'{"events": [1', b"[" * 100_000):
        answer = await member.post("/events", content=body, headers=JSON)
        assert answer.status_code in (400, 422), answer.text
    assert await get(member, "/skus/") == []
    assert (await post(member, *[good] * 1000))["applied"] == 1000
    assert len((await get(member, "/events", limit=1000))["events"]) == 1000


async def test_what_floating_point_arithmetic_leaves_is_rounded(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sums = [0.1 + 0.2, 1.1 * 3, 0.7 + 0.1, 4.35 * 100, 8.41 - 8.4, 2.0000001]
    assert all(each != round(each, 3) for each in sums)
    body = await post(member, *(event(item, shelf, "set", each, event_id=f"e{each}") for each in sums))
    assert [each["quantity_after"] for each in body["results"]] == [0.3, 3.3, 0.8, 435, 0.01, 2]
    again = await post(member, event(item, shelf, "set", 0.3, event_id=f"e{0.1 + 0.2}"))
    assert again["duplicates"] == 1, "the same quantity, before and after it was rounded"
    for path, sent in (("skus", {"quantity": 0.1 + 0.2}), ("adjust", {"delta": 0.1 + 0.2})):
        [sku] = await get(member, "/skus/")
        await member.put(f"/skus/{sku['id']}", json={"quantity": 0})
        at = f"/skus/{sku['id']}"
        answer = await (member.put(at, json=sent) if path == "skus" else member.post(f"{at}/adjust", json=sent))
        assert made(answer)["quantity"] == 0.3
    body_of_scan = {"upc": item["code"], "scanner_id": "s", "location_hint": "Shelf", "quantity": 0.1 + 0.2}
    assert made(await member.post("/scanner/scan", json=body_of_scan))["event"]["delta"] == 0.3
    text = json.dumps({**body_of_scan, "quantity": "@"}).replace('"@"', "1.0000000000000001")
    assert made(await member.post("/scanner/scan", content=text, headers=JSON))["event"]["delta"] == 1


async def test_event_is_found_by_the_id_of_its_client(member: AsyncClient, reader: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    body = await post(
        member,
        event(item, shelf, quantity=5, event_id="e/1 ü"),
        event(item, shelf, "move", 2, to_location={"id": cellar["id"]}, event_id="m1"),
        event(item, shelf, "remove", 9, event_id="r1"),
    )
    added, moved, rejected = body["results"]
    found = await get(reader, "/events/by-event-id/e%2F1%20%C3%BC")
    assert found == await get(reader, f"/events/{added['id']}")
    assert found["event_id"] == "e/1 ü"
    found = await get(reader, "/events/by-event-id/m1")
    assert (found["id"], found["delta"], found["location_id"]) == (moved["id"], -2, shelf["id"])
    refused(await reader.get("/events/by-event-id/r1"), 404, "'r1' was rejected", rejected["reason"])
    unknown = "no event with the event_id 'none': it never arrived, or was refused for its form"
    refused(await reader.get("/events/by-event-id/none"), 404, unknown)
