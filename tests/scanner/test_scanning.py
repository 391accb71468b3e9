"""`POST /scanner/scan`: the effect of a barcode in each state of its scanner."""

from __future__ import annotations

import asyncio

from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, new_stock, refused, total
from tests.scanner.conftest import Scan

UPC = "4006381333931"
ANSWER = {
    "success", "item", "skus", "message", "mode", "scanner_state", "suggested_actions", "event", "duplicate",
}  # fmt: skip


async def test_scan_in_mode_add_adds_one(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    answer = await scan(UPC, event_id="e1", scanned_at="2026-01-31T12:00:00Z")
    assert set(answer) >= ANSWER
    assert (answer["success"], answer["mode"], answer["duplicate"]) == (True, "add", False)
    assert (answer["item"]["id"], answer["item"]["total_quantity"]) == (item["id"], 1)
    [sku] = answer["skus"]
    assert (sku["quantity"], sku["location_id"], sku["item_id"]) == (1, shelf["id"], item["id"])
    event = answer["event"]
    assert (event["type"], event["delta"], event["quantity_after"], event["sku_id"]) == ("add", 1, 1, sku["id"])
    assert (event["scanner_id"], event["event_id"], event["occurred_at"]) == ("s1", "e1", "2026-01-31T12:00:00Z")
    assert answer["scanner_state"]["location_id"] == shelf["id"]
    assert answer["scanner_state"]["last_scan"] == UPC
    assert answer["scanner_state"]["last_seen"]
    assert item["name"] in answer["message"]
    assert answer["suggested_actions"] == []
    assert (await scan(UPC, quantity=2.5))["item"]["total_quantity"] == 3.5
    assert await total(member, item) == 3.5
    assert (await get(member, f"/skus/{sku['id']}"))["quantity"] == 3.5


async def test_scan_without_a_location_books_nothing_and_suggests_one(
    member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await new_stock(member, item, shelf, 4)
    for mode in ("add", "remove", "count"):
        await set_state(mode)
        answer = await scan(UPC, quantity=1)
        assert (answer["success"], answer["event"], answer["item"]["total_quantity"]) == (True, None, 4)
        assert [sku["quantity"] for sku in answer["skus"]] == [4]
        assert [action["action"] for action in answer["suggested_actions"]] == ["set_location"]
    assert await total(member, item) == 4


async def test_scan_in_mode_remove_removes_one(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await new_stock(member, item, shelf, 2, expiry_date="2030-01-02")
    await new_stock(member, item, shelf, 2, expiry_date="2030-01-01")
    await set_state("REMOVE", shelf)
    answer = await scan(UPC)
    assert (answer["mode"], answer["event"]["type"], answer["event"]["delta"]) == ("remove", "remove", -1)
    left = {sku["expiry_date"]: sku["quantity"] for sku in answer["skus"]}
    assert left == {"2030-01-01": 1, "2030-01-02": 2}
    across = await scan(UPC, quantity=2)
    assert {sku["expiry_date"]: sku["quantity"] for sku in across["skus"]} == {"2030-01-01": 0, "2030-01-02": 1}
    assert await total(member, item) == 1


async def test_shortage_is_rejected_clamped_or_allowed(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    shelf = await new_location(member)
    await set_state("remove", shelf)
    items = {}
    for number, policy in enumerate(("reject", "clamp", "allow")):
        items[policy] = await new_item(member, policy, upc=f"1000000{number}", oversell_policy=policy)
        await new_stock(member, items[policy], shelf, 2)
    answers = {policy: await scan(item["upc"], quantity=5) for policy, item in items.items()}
    assert [answers[policy]["success"] for policy in items] == [False, True, True]
    assert answers["reject"]["event"] is None
    assert "2" in answers["reject"]["message"]
    assert answers["clamp"]["event"]["delta"] == -2
    assert "all that was left" in answers["clamp"]["message"]
    assert answers["allow"]["event"]["delta"] == -5
    assert [answers[policy]["item"]["total_quantity"] for policy in items] == [2, 0, -3]
    assert [await total(member, item) for item in items.values()] == [2, 0, -3]
    nothing = await scan(items["clamp"]["upc"])
    assert (nothing["success"], nothing["skus"][0]["quantity"]) == (False, 0)
    [alert] = await get(member, "/alerts/")
    assert (alert["alert_type"], alert["item_id"]) == ("negative_stock", items["allow"]["id"])


async def test_pack_counts_its_pieces(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item = await new_item(member, upc=UPC, barcodes=[{"barcode": "six", "pack_quantity": 6}])
    shelf = await new_location(member)
    await set_state("add", shelf)
    assert (await scan("six"))["event"]["delta"] == 6
    assert (await scan("six", quantity=1.5))["event"]["delta"] == 9
    assert (await scan(UPC))["event"]["delta"] == 1
    assert (await scan(item["code"]))["event"]["delta"] == 1
    await set_state("remove", shelf)
    assert (await scan("six"))["item"]["total_quantity"] == 11
    await set_state("count", shelf)
    assert (await scan("six", quantity=1))["item"]["total_quantity"] == 6
    assert await total(member, item) == 6


async def test_unknown_barcode_is_booked_on_a_stub(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    shelf = await new_location(member)
    await set_state("add", shelf)
    answer = await scan("unheard of", event_id="u1")
    item = answer["item"]
    assert (answer["success"], item["needs_review"], item["total_quantity"], item["upc"]) == (
        True, True, 1, "unheard of",
    )  # fmt: skip
    assert answer["suggested_actions"][0]["action"] == "review_item"
    assert answer["suggested_actions"][0]["payload"] == {"item_id": item["id"]}
    assert (await scan("unheard of"))["item"]["total_quantity"] == 2
    assert (await scan("unheard of", event_id="u1"))["duplicate"] is True
    assert [each["id"] for each in await get(member, "/items/", needs_review=True)] == [item["id"]]
    await set_state("remove", shelf)
    assert (await scan("unheard of", quantity=3))["item"]["total_quantity"] == -1, "it counts, whatever it is"
    named = made(await member.patch(f"/items/{item['id']}", json={"name": "Plum jam"}))
    assert (named["needs_review"], named["oversell_policy"]) == (False, "reject")
    assert (await scan("unheard of"))["success"] is False


async def test_concurrent_scans_of_an_unknown_barcode_create_one_stub(
    member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    await set_state("add", await new_location(member))
    answers = await asyncio.gather(*(scan("new thing") for _ in range(8)))
    assert len({answer["item"]["id"] for answer in answers}) == 1
    assert sorted(answer["item"]["total_quantity"] for answer in answers) == list(range(1, 9))
    assert len(await get(member, "/items/")) == 1


async def test_unknown_barcode_without_a_location_creates_a_stub(
    member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    await set_state("add")
    answer = await scan("unheard of")
    assert (answer["success"], answer["event"], answer["item"]["needs_review"]) == (True, None, True)
    assert {action["action"] for action in answer["suggested_actions"]} == {"set_location", "review_item"}
    assert len(await get(member, "/items/")) == 1


async def test_lookup_books_and_creates_nothing(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await new_stock(member, item, shelf, 2)
    await set_state("lookup", shelf)
    for answer in (await scan(UPC), made(await scanner.post(f"/scanner/lookup/{UPC}"))):
        assert (answer["success"], answer["event"], answer["item"]["id"]) == (True, None, item["id"])
        assert [sku["quantity"] for sku in answer["skus"]] == [2]
        assert answer["mode"] == "lookup"
    for answer in (await scan("unheard of"), made(await scanner.post("/scanner/lookup/unheard%20of"))):
        assert (answer["success"], answer["item"], answer["skus"], answer["event"]) == (True, None, [], None)
        assert "unheard of" in answer["message"]
    assert len(await get(member, "/items/")) == 1
    assert await total(member, item) == 2


async def test_count_sets_the_quantity(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await new_stock(member, item, shelf, 7)
    await set_state("count", shelf)
    answer = await scan(UPC)
    assert (answer["success"], answer["event"]) == (True, None)
    assert [action["action"] for action in answer["suggested_actions"]] == ["name_quantity"]
    counted = await scan(UPC, quantity=4.5)
    assert (counted["event"]["type"], counted["event"]["delta"], counted["event"]["quantity_after"]) == (
        "set",
        -2.5,
        4.5,
    )
    assert (await scan(UPC, quantity=0))["item"]["total_quantity"] == 0
    await new_stock(member, item, shelf, 1, expiry_date="2030-01-01")
    await new_stock(member, item, shelf, 1, expiry_date="2030-01-02")
    several = await scan(UPC, quantity=3)
    assert several["success"] is False
    assert "lot" in several["message"]
    assert await total(member, item) == 2


async def test_scan_in_mode_move_moves_stock_to_the_scanner(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item = await new_item(member, upc=UPC)
    here, there, attic = [await new_location(member, name) for name in ("Here", "There", "Attic")]
    await new_stock(member, item, there, 3, expiry_date="2030-01-01")
    await set_state("move", here)
    answer = await scan(UPC, quantity=2)
    assert answer["success"] is True
    assert {sku["location_id"]: (sku["quantity"], sku["expiry_date"]) for sku in answer["skus"]} == {
        there["id"]: (1, "2030-01-01"),
        here["id"]: (2, "2030-01-01"),
    }
    both = (await get(member, "/events"))["events"][:2]
    assert [event["delta"] for event in both] == [2, -2]
    assert both[0]["transfer_id"] == both[1]["transfer_id"] == both[1]["id"]
    too_much = await scan(UPC, quantity=2)
    assert (too_much["success"], too_much["event"]) == (False, None)
    await new_stock(member, item, attic, 1)
    unclear = await scan(UPC)
    assert unclear["success"] is False
    assert "location" in unclear["message"]
    hinted = await scan(UPC, location_hint="Attic")
    assert {sku["location_id"]: sku["quantity"] for sku in hinted["skus"] if not sku["expiry_date"]} == {
        attic["id"]: 0,
        here["id"]: 1,
    }
    assert await total(member, item) == 4


async def test_hint_sets_the_location_of_one_scan(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf, cellar = (
        await new_item(member, upc=UPC),
        await new_location(member),
        await new_location(member, "Cellar"),
    )
    await set_state("add", shelf)
    for hint in ("Cellar", cellar["id"], str(cellar["id"])):
        answer = await scan(UPC, location_hint=hint)
        assert answer["event"]["location_id"] == cellar["id"], hint
        assert answer["scanner_state"]["location_id"] == shelf["id"]
    assert (await scan(UPC))["event"]["location_id"] == shelf["id"]
    await set_state("add")
    assert (await scan(UPC, location_hint="Cellar"))["event"]["location_id"] == cellar["id"]
    assert await total(member, item) == 5


async def test_unknown_hint_is_reported(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    gone = await new_location(member, "Gone")
    assert (await member.delete(f"/locations/{gone['id']}")).status_code == 200
    await set_state("add", shelf)
    for hint in ("Nowhere", 999, "Gone", gone["id"]):
        answer = await scan(UPC, location_hint=hint, event_id=f"hint {hint}")
        assert (answer["success"], answer["event"]["location_id"]) == (True, shelf["id"]), "a hint is no order"
        assert answer["message"].endswith(f"There is no location {hint!r}; used the scanner's, Shelf"), answer
        assert [action["action"] for action in answer["suggested_actions"]] == ["set_location"]
    again = await scan(UPC, location_hint="Nowhere", event_id="hint Nowhere")
    assert again["message"].endswith("this scan was already counted")
    await set_state("remove", shelf)
    short = await scan(UPC, location_hint="Nowhere", quantity=9)
    assert short["success"] is False
    assert "no location 'Nowhere'" in short["message"]
    await set_state("lookup", shelf)
    looked = await scan(UPC, location_hint="Nowhere")
    assert (looked["message"], looked["suggested_actions"]) == ("Coffee: 4 in stock", []), "it has no say there"
    await set_state("add")
    nowhere = await scan(UPC, location_hint="Nowhere")
    assert nowhere["event"] is None
    assert nowhere["message"] == (
        "Coffee: nothing was booked, because there is no location 'Nowhere', and the scanner has no location yet"
    )
    await set_state("add", shelf)
    for nothing in ("", "  "):
        assert "There is no" not in (await scan(UPC, location_hint=nothing))["message"]
    assert await total(member, item) == 6


async def test_repeated_scan_is_answered_and_counts_once(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    first = await scan(UPC, event_id="e1")
    again = await scan(UPC, event_id="e1")
    assert (again["success"], again["duplicate"]) == (True, True)
    assert again["event"]["id"] == first["event"]["id"]
    assert await total(member, item) == 1
    answers = await asyncio.gather(*(scan(UPC, event_id="e2") for _ in range(6)))
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 5
    assert len({answer["event"]["id"] for answer in answers}) == 1
    assert await total(member, item) == 2
    for other in ({"quantity": 2}, {"upc": "12345678"}, {"scanner_id": "s2"}):
        body = {"upc": UPC, "scanner_id": "s1", "event_id": "e1", **other}
        refused(await scanner.post("/scanner/scan", json=body), 409, "e1", "new one")
    assert await total(member, item) == 2
    assert len((await get(member, "/events"))["events"]) == 2


async def test_repeated_rejected_scan_stays_rejected(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("remove", shelf)
    assert (await scan(UPC, event_id="e1"))["success"] is False
    await new_stock(member, item, shelf, 5)
    again = await scan(UPC, event_id="e1")
    assert (again["success"], again["event"]) == (False, None)
    assert (await scan(UPC, event_id="e2"))["success"] is True
    assert await total(member, item) == 4


async def test_scan_without_a_scanner_id_uses_the_users_scanner(
    member: AsyncClient, scan: Scan, scanner: AsyncClient
) -> None:
    shelf = await new_location(member)
    me = (await get(scanner, "/auth/me"))["id"]
    made(await scanner.put(f"/scanner/user-{me}/state", json={"location_id": shelf["id"]}))
    answer = await scan(UPC, scanner_id=None)
    assert answer["event"]["scanner_id"] == answer["scanner_state"]["scanner_id"] == f"user-{me}"
    assert answer["event"]["user_id"] == me


async def test_invalid_scan_is_rejected(member: AsyncClient, scanner: AsyncClient, set_state: Scan) -> None:
    await set_state("add", await new_location(member))
    for wrong in (
        {"upc": ""},
        {"upc": "x" * 501},
        {"upc": None},
        {"upc": 4006381333931},
        {"quantity": -1},
        {"quantity": 0.0001},
        {"quantity": 1e15},
        {"scanner_id": ""},
        {"scanner_id": "x" * 129},
        {"event_id": ""},
        {"event_id": "x" * 129},
        {"scanned_at": "2026-01-31T12:00:00"},
        {"scanned_at": "yesterday"},
        {"location_hint": "x" * 501},
        {"location_hint": 0},
    ):
        problem = refused(await scanner.post("/scanner/scan", json={"upc": UPC, **wrong}), 422)
        assert [error["field"] for error in problem["errors"]] == list(wrong), problem
    future = made(
        await scanner.post("/scanner/scan", json={"upc": UPC, "scanner_id": "s1", "scanned_at": "2999-01-01T00:00:00Z"})
    )
    assert future["success"] is False
    assert "clock" in future["message"]
    assert (await get(member, "/events"))["events"] == []
