"""Commands scanned like barcodes, and their QR codes."""

from __future__ import annotations

import json
from typing import Any

from httpx import AsyncClient

from tests.catalogue.test_qr_codes import picture_of
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total
from tests.scanner.conftest import Scan

UPC = "4006381333931"


def command(command: str, /, **payload: Any) -> str:
    return json.dumps({"command": command, "payload": payload})


async def test_command_sets_the_mode(scan: Scan, scanner: AsyncClient) -> None:
    for mode in ("remove", "MOVE", "lookup", "count", "add"):
        answer = await scan(command("set_mode", mode=mode))
        assert (answer["success"], answer["mode"], answer["event"], answer["item"]) == (True, mode.lower(), None, None)
        assert (await get(scanner, "/scanner/status/s1"))["mode"] == mode.lower()
    assert (await scan(command("SET_MODE", mode="remove")))["mode"] == "remove"


async def test_command_sets_the_location_by_id_or_name(member: AsyncClient, scan: Scan) -> None:
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    by_id = await scan(command("set_location", location_id=shelf["id"]))
    assert by_id["scanner_state"]["location_id"] == shelf["id"]
    by_name = await scan(command("set_location", name="Cellar"))
    assert (by_name["scanner_state"]["location_id"], by_name["scanner_state"]["location_name"]) == (
        cellar["id"],
        "Cellar",
    )
    assert (await scan(command("set_location", location_id=None)))["scanner_state"]["location_id"] is None


async def test_command_associates_the_scanner_with_a_user(member: AsyncClient, scan: Scan) -> None:
    me = await get(member, "/auth/me")
    answer = await scan(command("associate_ui", user_id=me["id"]))
    assert answer["scanner_state"]["is_associated"] is True
    assert answer["scanner_state"]["associated_user"] == me["username"]
    assert list((await get(member, "/scanner/associations"))["associations"]) == ["s1"]


async def test_command_shows_a_view(scan: Scan, scanner: AsyncClient) -> None:
    assert (await scan(command("show_view", view="low-stock")))["success"] is True
    assert (await get(scanner, "/scanner/status/s1"))["view"] == "low-stock"


async def test_command_undoes_the_last_scans_one_by_one(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    await scan(UPC, quantity=2)
    await scan(UPC, quantity=3)
    await scan(UPC, scanner_id="other", quantity=1, location_hint="Shelf")
    first = await scan(command("undo"), event_id="undo-1")
    assert (first["success"], first["event"]["type"], first["event"]["delta"]) == (True, "undo", -3)
    assert (await scan(command("undo"), event_id="undo-1"))["duplicate"] is True
    assert await total(member, item) == 3
    assert (await scan(command("undo")))["event"]["delta"] == -2
    nothing = await scan(command("undo"))
    assert (nothing["success"], nothing["event"]) == (False, None)
    assert await total(member, item) == 1, "what another scanner did stays"


async def test_repeated_undo_command_undoes_once(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await new_item(member, upc=UPC), await new_location(member)
    await set_state("add", shelf)
    await scan(UPC, quantity=2)
    first = await scan(command("undo"), event_id="undo-1")
    again = await scan(command("undo"), event_id="undo-1")
    assert (first["success"], first["duplicate"]) == (True, False)
    assert (again["success"], again["duplicate"], again["event"]["id"]) == (True, True, first["event"]["id"])
    late = await scan(command("undo"), event_id="undo-2")
    assert (late["success"], late["message"]) == (False, "There is nothing left to undo")
    assert await total(member, item) == 0


async def test_undo_command_covers_both_sides_of_a_move(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, here, there = await new_item(member, upc=UPC), await new_location(member), await new_location(member, "There")
    sku = await new_stock(member, item, there, 3)
    await set_state("move", here)
    await scan(UPC, quantity=2)
    assert (await scan(command("undo")))["success"] is True
    assert (await get(member, f"/skus/{sku['id']}"))["quantity"] == 3
    assert await total(member, item) == 3


NO_COMMANDS = [
    '{"command":"undo","x":' + "[" * 960,
    '{"command": "explode"}',
    '{"command": 7}',
    '{"command": "set_mode"}',
    '{"command": "set_mode", "payload": []}',
    '{"command": "set_mode", "payload": {"mode": "fly"}}',
    '{"command": "set_mode", "payload": {"mode": null}}',
    '{"command": "set_location", "payload": {}}',
    '{"command": "set_location", "payload": {"location_id": "one"}}',
    '{"command": "set_location", "payload": {"location_id": 999}}',
    '{"command": "set_location", "payload": {"location_id": -1}}',
    '{"command": "set_location", "payload": {"location_id": 9999999999999999999}}',
    '{"command": "set_location", "payload": {"name": "Nowhere"}}',
    '{"command": "set_location", "payload": {"name": {"a": 1}}}',
    '{"command": "associate_ui", "payload": {"user_id": 999}}',
    '{"command": "associate_ui", "payload": {"user_id": "x"}}',
    '{"command": "set_next_quantity", "payload": {"quantity": 0.0001}}',
    '{"command": "show_view", "payload": {}}',
    '{"command": "show_view", "payload": {"view": 7}}',
]


async def test_invalid_command_changes_nothing(scanner: AsyncClient) -> None:
    for wrong in NO_COMMANDS:
        answer = await scanner.post("/scanner/scan", json={"upc": wrong, "scanner_id": "s1"})
        assert answer.status_code in (404, 422), (wrong, answer.text)
        refused(answer, answer.status_code)
    assert await get(scanner, "/scanner/") == []


async def test_command_is_obeyed_with_what_a_scanner_puts_around_it(scan: Scan, scanner: AsyncClient) -> None:
    for text in ("]Q1{}", "\x02{}\x03\r\n", "\ufeff]d1 {}\t", "\u200b{}"):
        await scan(command("set_mode", mode="add"))
        assert (await scan(text.replace("{}", command("set_mode", mode="remove"))))["mode"] == "remove", text
    assert [each["mode"] for each in await get(scanner, "/scanner/")] == ["remove"]


async def test_json_without_command_is_a_barcode(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    await set_state("add", await new_location(member))
    for text in ('{"stockitem": 2}', "{", "{}", "{]", '{"a": ' + "[" * 400, '["command"]', "{'x': 1}"):
        first = await scan(text)
        assert (first["success"], first["item"]["needs_review"]) == (True, True), text
        assert (await scan(f"{text}\r"))["item"]["id"] == first["item"]["id"]


async def test_command_is_no_barcode_by_other_routes(member: AsyncClient, scanner: AsyncClient) -> None:
    text = command("undo")
    event = {
        "type": "add",
        "item": {"upc": text},
        "location": {"id": (await new_location(member))["id"]},
        "quantity": 1,
    }
    [result] = made(await scanner.post("/events/", json={"events": [event]}))["results"]
    assert (result["status"], "/scanner/scan" in result["reason"]) == ("rejected", True)
    refused(await member.post("/items/", json={"name": "x", "barcodes": [{"barcode": text}]}), 422, "command")
    item = await new_item(member)
    refused(await member.post(f"/items/{item['id']}/barcodes", json={"barcode": f"]Q1{text}"}), 422, "command")
    assert (await get(member, f"/items/{item['id']}"))["barcodes"] == []


async def test_command_is_printed_as_text_and_image(scanner: AsyncClient, scan: Scan) -> None:
    body = {"command": "set_mode", "payload": {"mode": "remove"}}
    printed = made(await scanner.post("/scanner/qr/command", json=body))
    assert json.loads(printed["data"]) == body
    assert "<svg" in printed["svg"]
    assert (await scan(printed["data"]))["mode"] == "remove"
    png = await scanner.post("/scanner/qr/command", json=body, headers={"Accept": "image/png"})
    assert png.headers["content-type"] == "image/png"
    assert png.content == picture_of(printed["data"])
    refused(await scanner.post("/scanner/qr/command", json={"command": "explode"}), 422, "command")
    too_long = {"command": "show_view", "payload": {"view": "x" * 5000}}
    refused(await scanner.post("/scanner/qr/command", json=too_long), 422)
