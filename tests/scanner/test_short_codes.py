"""Short codes of command labels, what the next scan counts, and commands that another keyboard layout typed."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from httpx import AsyncClient

from stocky.barcodes.command_codes import make_short_code
from stocky.config import Config
from stocky.db import Database
from stocky.scanner.repository import clear_next_quantities, find_scanners, lock_next_quantities
from stocky.stock.consistency import find_faults
from tests.barcodes.layouts import typed
from tests.catalogue.test_qr_codes import picture_of
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.scanner.conftest import Scan

UPC = "4006381333931"
LAYOUT = "keyboard layout is not the computer's"


async def state_of(client: AsyncClient, scanner_id: str = "s1") -> Json:
    state: Json = await get(client, f"/scanner/status/{scanner_id}")
    return state


async def test_short_codes_set_mode_and_location(member: AsyncClient, scan: Scan, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    modes = {"PUT": "add", "OUT": "remove", "RELOC": "move", "LOOKUP": "lookup", "COUNT": "count"}
    for word, mode in modes.items():
        answer = await scan(make_short_code(word))  # type: ignore[arg-type]  # the keys are words
        assert (answer["success"], answer["mode"], answer["event"], answer["item"]) == (True, mode, None, None)
        assert (await state_of(scanner))["mode"] == mode
    assert (await scan(make_short_code("LOC", shelf["id"])))["scanner_state"]["location_id"] == shelf["id"]
    # As a scanner types them on a German and a French computer, with Caps Lock, and with what it puts around them.
    for text in (
        typed(make_short_code("PUT"), "German"),
        typed(make_short_code("PUT"), "French"),
        typed(make_short_code("PUT"), "German", caps_lock=True),
        f"]C1{make_short_code('PUT')}\r\n",
    ):
        await scan(make_short_code("OUT"))
        assert (await scan(text))["mode"] == "add", text
    assert (await scan(make_short_code("NOLOC")))["scanner_state"]["location_id"] is None
    refused(await scanner.post("/scanner/scan", json={"upc": make_short_code("LOC", 999)}), 404)
    me = await get(member, "/auth/me")
    answer = await scan(make_short_code("FOR", me["id"]))
    assert answer["scanner_state"]["associated_user"] == me["username"]


async def test_short_code_undoes_the_last_scan(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    await scan(UPC, quantity=2)
    assert (await scan(make_short_code("UNDO"), event_id="u1"))["event"]["delta"] == -2
    assert (await scan(make_short_code("UNDO"), event_id="u1"))["duplicate"] is True
    assert await total(member, item) == 0


async def test_next_scan_counts_once(
    member: AsyncClient, scan: Scan, set_state: Scan, scanner: AsyncClient, config: Config
) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    answer = await scan(make_short_code("NEXT", 5))
    assert (answer["message"], answer["scanner_state"]["next_quantity"]) == ("The next scan counts 5", 5)
    # A look-up and another scanner leave it.
    made(await scanner.post(f"/scanner/lookup/{UPC}"))
    assert (await scan(UPC, scanner_id="other", location_hint="Shelf"))["event"]["delta"] == 1
    first = await scan(UPC, event_id="e1")
    assert (first["event"]["delta"], first["scanner_state"]["next_quantity"]) == (5, None)
    assert (await scan(UPC))["event"]["delta"] == 1
    # Sent again, it is what was booked, and does not use up the next quantity.
    await scan(make_short_code("NEXT", 3))
    again = await scan(UPC, event_id="e1")
    assert (again["duplicate"], again["event"]["delta"], again["scanner_state"]["next_quantity"]) == (True, 5, 3)
    # Many clients send a quantity of 1 always; another one is meant.
    assert (await scan(UPC, quantity=2))["event"]["delta"] == 2
    assert (await scan(UPC, quantity=1))["event"]["delta"] == 3
    await scan('{"command": "set_next_quantity", "payload": {"quantity": 0.5}}')
    assert (await scan(UPC))["event"]["delta"] == 0.5
    await scan(make_short_code("NEXT", 9))
    assert (await scan('{"command": "set_next_quantity", "payload": {"quantity": null}}'))["message"] == (
        "The next scan counts as usual"
    )
    assert (await scan(UPC))["event"]["delta"] == 1
    assert await total(member, item) == 1 + 5 + 1 + 2 + 3 + 0.5 + 1
    assert await find_faults(config) == []


async def test_next_quantity_is_the_number_of_a_count(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("count", shelf)
    await scan(make_short_code("NEXT", 1))
    assert (await scan(UPC, quantity=7))["item"]["total_quantity"] == 7
    counted = await scan(UPC)
    assert (counted["message"], counted["suggested_actions"]) == ("Coffee: counted 1", [])
    assert [each["action"] for each in (await scan(UPC))["suggested_actions"]] == ["name_quantity"]
    assert await total(member, item) == 1


async def test_next_quantity_stays_until_something_is_booked(
    member: AsyncClient, scan: Scan, set_state: Scan, scanner: AsyncClient
) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await scan(make_short_code("NEXT", 4))
    assert (await scan(UPC))["scanner_state"]["next_quantity"] == 4, "the scanner has no location"
    await set_state("remove", shelf)
    short = await scan(UPC)
    assert (short["success"], short["scanner_state"]["next_quantity"]) == (False, 4)
    await set_state("add", shelf)
    assert (await scan(UPC))["event"]["delta"] == 4
    assert await total(member, item) == 4
    await scan(make_short_code("NEXT", 4))
    made(await scanner.post("/scanner/reset/s1"))
    assert (await state_of(scanner))["next_quantity"] is None
    made(await scanner.put("/scanner/s1/state", json={"next_quantity": 2.5}))
    assert [each["next_quantity"] for each in await get(scanner, "/scanner/", sort="scanner_id")] == [2.5]
    refused(await scanner.put("/scanner/s1/state", json={"next_quantity": -1}), 422)
    refused(await scanner.put("/scanner/s1/state", json={"next_quantity": 0.0001}), 422)


async def test_one_of_many_scans_at_once_uses_it(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    await scan(make_short_code("NEXT", 10))
    answers = await asyncio.gather(*(scan(UPC, event_id=f"e{number}") for number in range(8)))
    assert sorted(answer["event"]["delta"] for answer in answers) == [1] * 7 + [10]
    assert await total(member, item) == 17


async def test_scans_that_book_nothing_leave_it_to_those_beside_them(
    member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    await scan(UPC, event_id="before")
    await scan(make_short_code("NEXT", 10))
    answers = await asyncio.gather(scan(UPC, event_id="before"), scan(UPC, event_id="after"))
    assert [(answer["duplicate"], answer["event"]["delta"]) for answer in answers] == [(True, 1), (False, 10)]
    await set_state("count", shelf)
    await scan(make_short_code("NEXT", 3))
    answers = await asyncio.gather(scan(UPC, location_hint="Nowhere else", event_id="c1"), scan(UPC, event_id="c2"))
    assert sorted(bool(answer["event"]) for answer in answers) == [False, True]
    assert await total(member, item) == 3


async def test_next_quantity_is_for_one_of_two_processes(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("set_scanner_state", scanner_id="s1", mode="add", location_id=None)
        await tx.execute("set_next_quantity", scanner_ids=["s1"], next_quantity_milli=5000)

    async def use() -> int | None:
        async with database.transaction() as tx:
            scanner = (await find_scanners(tx, ["s1"]))["s1"]
            await lock_next_quantities(tx, [scanner])
            await asyncio.sleep(0.05)
            await clear_next_quantities(tx, ["s1"])
            return scanner.next_quantity_milli

    assert sorted(await asyncio.gather(use(), use(), use()), key=bool) == [None, None, 5000]


async def test_mangled_command_books_nothing_by_any_route(
    member: AsyncClient, scanner: AsyncClient, set_state: Scan
) -> None:
    shelf = await new_location(member)
    await set_state("add", shelf)
    command = json.dumps({"command": "set_mode", "payload": {"mode": "remove"}})
    mangled = [typed(command, layout) for layout in ("German", "French", "British", "Dvorak", "Russian")]
    mangled += [typed(make_short_code("OUT"), layout) for layout in ("Dvorak", "Russian", "Greek")]
    for text in mangled:
        refused(await scanner.post("/scanner/scan", json={"upc": text, "scanner_id": "s1"}), 422, LAYOUT, text[:20])
        event = {"type": "add", "item": {"upc": text}, "location": {"id": shelf["id"]}, "quantity": 1}
        [result] = made(await scanner.post("/events/", json={"events": [event]}))["results"]
        assert (result["status"], LAYOUT in result["reason"]) == ("rejected", True), text
        found = made(await scanner.post(f"/scanner/lookup/{quote(text, safe='')}"))
        assert (found["success"], found["item"]) == (False, None), text
        refused(await member.post("/items/", json={"name": "x", "barcodes": [{"barcode": text}]}), 422, "keyboard")
    for text in ("STOCKYUNDOXX", make_short_code("LOC", 7)[:-1]):
        refused(await scanner.post("/scanner/scan", json={"upc": text, "scanner_id": "s1"}), 422, "damaged")
    assert await get(member, "/items/") == []
    assert (await state_of(scanner))["mode"] == "add"


async def test_number_that_another_layout_typed_books_nothing(
    member: AsyncClient, scan: Scan, set_state: Scan, scanner: AsyncClient
) -> None:
    await set_state("add", await new_location(member))
    answer = await scan(typed(UPC, "French"))
    assert (answer["success"], f"this is the barcode {UPC}" in answer["message"]) == (False, True)
    refused(await member.get(f"/items/upc/{quote(typed(UPC, 'French'), safe='')}"), 422, LAYOUT)
    assert await get(member, "/items/") == []


async def test_labels_are_drawn_with_short_codes_on_request(member: AsyncClient, scanner: AsyncClient) -> None:
    png = {"Accept": "image/png"}
    shelf = await new_location(member)
    drawn = await scanner.get(f"/locations/{shelf['id']}/qr", params={"code": "short"}, headers=png)
    assert drawn.content == picture_of(make_short_code("LOC", shelf["id"]))
    refused(await scanner.get(f"/locations/{shelf['id']}/qr", params={"code": "long"}), 422)
    for command, text in (
        ({"command": "undo"}, make_short_code("UNDO")),
        ({"command": "set_mode", "payload": {"mode": "MOVE"}}, make_short_code("RELOC")),
        ({"command": "set_next_quantity", "payload": {"quantity": 6}}, make_short_code("NEXT", 6)),
        ({"command": "set_location", "payload": {"location_id": None}}, make_short_code("NOLOC")),
        ({"command": "associate_ui", "payload": {"user_id": 1}}, make_short_code("FOR", 1)),
    ):
        assert made(await scanner.post("/scanner/qr/command?code=short", json=command))["data"] == text
    for command in (
        {"command": "show_view", "payload": {"view": "x"}},
        {"command": "set_location", "payload": {"name": "Shelf"}},
        {"command": "set_mode"},
        {"command": "set_mode", "payload": {"mode": "fly"}},
        {"command": "set_next_quantity", "payload": {"quantity": 0.5}},
    ):
        refused(await scanner.post("/scanner/qr/command?code=short", json=command), 422)


async def test_box_labels_have_short_codes_on_request(member: AsyncClient, scanner: AsyncClient) -> None:
    made(await member.post("/boxes/", json={"capacity": 2}))
    usual, short = [(await scanner.get("/boxes/1/labels", params=query)).content for query in ({}, {"code": "short"})]
    assert len(short) < len(usual)


async def test_next_quantity_and_a_measure(
    admin: AsyncClient, member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    rule = {"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000}
    made(await admin.patch("/settings", json={"measure_rules": [rule]}))
    shelf, cheese = await new_location(member), await new_item(member, "Gouda", barcodes=[{"barcode": "2812345000007"}])
    await new_stock(member, cheese, shelf, 1, unit="kg")
    await set_state("add", shelf)
    await scan(make_short_code("NEXT", 3))
    assert (await scan("2812345004562"))["event"]["delta"] == 1.368
