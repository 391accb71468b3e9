"""The scan page without script: its form books once, keeps what is set, and says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from stocky.barcodes.command_codes import make_short_code
from stocky.catalogue.schemas import ItemChange
from stocky.db.queries import load_queries
from stocky.resources import resource
from tests.barcodes.layouts import typed
from tests.conftest import ORIGIN
from tests.inventory import get, made, new_item, new_location, new_stock
from tests.pages.conftest import Browser
from tests.pages.markup import Page

EAN = "4006381333931"
Browse = Callable[[str], Awaitable[Browser]]


async def _scan(browser: Browser, code: str, **more: object) -> Response:
    page = await browser.show("/scan")
    event_id = re.search(r'name="event_id" value="([^"]+)"', page.text)
    assert event_id
    fields = {"event_id": event_id[1], "mode": "add", "amount": "1", "code": code, **more}
    return await browser.submit("/scan", fields)


async def _follow(browser: Browser, answer: Response) -> str:
    assert answer.status_code == 303, answer.text
    page = await browser.show(answer.headers["location"])
    assert Page(page.text).faults == []
    return re.sub(r"\s+", " ", page.text)


async def test_each_mode_books(browse: Browse, member: AsyncClient) -> None:
    item = await new_item(member, "Coffee", barcodes=[{"barcode": EAN, "pack_quantity": 6}])
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    browser = await browse("scanner")
    text = await _follow(browser, await _scan(browser, EAN, location_id=shelf["id"], amount="2"))
    assert "+12" in text
    assert "Coffee" in text
    assert f"12 at {shelf['name']}" in text
    assert f'name="location_id" value="{shelf["id"]}"' in text
    # Without a location: wherever the item is. Without an id: the name.
    text = await _follow(browser, await _scan(browser, item["code"].lower(), mode="remove", amount="0,5"))
    assert "−0.5" in text
    assert "11.5 at" in text
    text = await _follow(browser, await _scan(browser, EAN, mode="move", location_id_text="Cellar"))
    assert "→6" in text
    assert "6 at Cellar" in text
    text = await _follow(browser, await _scan(browser, EAN, mode="count", location_id=cellar["id"], amount="0"))
    assert "= 0" in text
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 5.5


async def test_a_form_sent_twice_books_once(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, upc=EAN), await new_location(member)
    browser = await browse("member")
    fields = {"event_id": "form-1", "mode": "add", "amount": "1", "code": EAN, "location_id": str(shelf["id"])}
    for _ in range(2):
        await _follow(browser, await browser.submit("/scan", fields))
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 1


async def test_warnings_are_shown(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Coffee", upc=EAN, oversell_policy="clamp"), await new_location(member)
    await new_stock(member, item, shelf, 2)
    browser = await browse("scanner")
    browser.headers["Accept-Language"] = "de"
    shown = await _scan(browser, EAN, mode="remove", amount="5", location_id=shelf["id"])
    assert (shown.status_code, Page(shown.text).faults) == (200, [])
    for part in ("−2", "alles davon wurde entnommen", "undo-form", 'value="remove" checked', f'value="{shelf["id"]}"'):
        assert part in shown.text, part
    for code, words in [(EAN[:-1] + "2", "die Prüfziffer ist 2 statt 1"), ("010400638133393110AB17301231", "FNC1")]:
        shown = await _scan(browser, code, amount="3", then="1", location_id=shelf["id"])
        assert shown.status_code == 200, shown.headers
        assert words in shown.text
        assert re.search(r'name="amount" type="text" value="1"', shown.text)
    # Loading the page again sends the form again.
    fields = {"event_id": "once", "mode": "add", "code": "4006381333949", "amount": "1", "location_id": shelf["id"]}
    for _ in range(2):
        assert "Prüfziffer" in (await browser.submit("/scan", fields)).text
    assert (await get(member, "/items/upc/4006381333949"))["total_quantity"] == 1


async def test_what_is_refused(browse: Browse, member: AsyncClient) -> None:
    item = await new_item(member, "Coffee", upc=EAN)
    await new_stock(member, item, await new_location(member), 1)
    browser = await browse("member")
    for fields, words in [
        ({"code": ""}, "is required"),
        ({"amount": "many"}, "must be a number"),
        ({"amount": "0"}, "must be more than 0"),
        ({"mode": "move"}, "is required"),
        ({"mode": "count", "amount": ""}, "is required"),
        ({"location_id": "999"}, "There is no location with id 999"),
        ({"location_id_text": "Nowhere"}, "There is no location named"),
        ({"code": "4006381333900"}, "Choose where it goes"),
        ({"mode": "remove", "amount": "5"}, "Only 1 of Coffee in stock"),
        ({"code": '{"command":"dance"}'}, "not a command Stocky knows"),
        ({"code": '{"command":"undo"}'}, "does nothing here"),
        ({"code": '{"command":"set_mode","payload":{"mode":["add"]}}'}, "payload.mode"),
        ({"code": '{"command":"set_mode"}'}, "needs mode"),
        ({"code": '{"command":"set_location","payload":{"location_id":true}}'}, "payload.location_id"),
        ({"code": '{"command":"set_next_quantity","payload":{"quantity":"2"}}'}, "payload.quantity"),
        ({"code": '{"command":"set_next_quantity","payload":{"quantity":-1}}'}, "payload.quantity"),
        ({"code": '{"command":"set_next_quantity","payload":{"quantity":0.0001}}'}, "at most three decimals"),
        ({"mode": "lookup", "code": "1" * 501}, "at most"),
    ]:
        answer = await _scan(browser, **{"code": EAN, **fields})
        assert answer.status_code == 422, (fields, answer.status_code)
        assert words in re.sub("<[^>]+>", "", answer.text), fields
        assert Page(answer.text).faults == []
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 1


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("abc", "must be a number"),
        ("-1", "must be at least 0"),
        ("0", "must be more than 0"),
        ("0.0001", "must have at most three decimals"),
    ],
)
async def test_a_wrong_amount_keeps_the_code(browse: Browse, member: AsyncClient, amount: str, words: str) -> None:
    await new_item(member, "Coffee", upc=EAN)
    answer = await _scan(await browse("member"), EAN, amount=amount)
    assert answer.status_code == 422
    assert words in answer.text
    field, code = (re.search(rf'<input id="f-{name}"[^>]*>', answer.text) for name in ("amount", "code"))
    assert field
    assert 'aria-invalid="true" autofocus' in field[0]
    assert code
    assert f'value="{EAN}"' in code[0]
    assert "autofocus" not in code[0]


async def test_look_up(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Coffee", upc=EAN), await new_location(member)
    await new_stock(member, item, shelf, 5)
    browser = await browse("scanner")
    answer = await _scan(browser, EAN, mode="lookup")
    assert answer.status_code == 200
    assert f"5 at {shelf['name']}" in answer.text
    assert "Unknown: 123" in (await _scan(browser, "123", mode="lookup")).text
    headers = {"X-CSRF-Token": browser.csrf, "Origin": ORIGIN}
    found = await browser.post("/scan/look-up", json={"upc": EAN}, headers=headers)
    there = {"location": shelf["name"], "quantity": 5, "unit": "piece", "location_id": shelf["id"], "is_lent": False}
    assert found.json()["stock"] == [there]


async def test_refused_removal_says_where_the_rest_is(browse: Browse, member: AsyncClient) -> None:
    item = await new_item(member, "Coffee", upc=EAN)
    shelf, cellar, attic = [await new_location(member, name) for name in ("Shelf A", "Cellar", "Attic")]
    for location, quantity in ((shelf, 1), (cellar, 2), (attic, 4)):
        await new_stock(member, item, location, quantity)
    anna = await new_location(member, "Anna", kind="person")
    lent = {"item_id": item["id"], "location_id": cellar["id"], "person_id": anna["id"], "quantity": 1}
    made(await member.post("/loans/", json=lent))
    browser = await browse("scanner")
    answer = await _scan(browser, EAN, mode="remove", amount="3", location_id=shelf["id"])
    assert answer.status_code == 422
    assert Page(answer.text).faults == []
    rest = "4 at Attic · 1 at Cellar · 1 at Anna"
    assert f"Only 1 of Coffee in stock; 3 requested; 6 elsewhere · {rest}" in answer.text
    # The script asks for the same, with a button for each but the person.
    headers = {"X-CSRF-Token": browser.csrf, "Origin": ORIGIN, "X-Fragment": "elsewhere"}
    for location in ({"id": shelf["id"]}, {"name": "shelf a"}):
        asked = {"upc": EAN, "location": location, "quantity": 3}
        shown = await browser.post("/scan/elsewhere", json=asked, headers=headers)
        # The amount that was refused, whatever the page shows for the next scan.
        assert "Take 3 from Attic" in shown.text
        assert f"<p>{rest}</p>" in shown.text
        assert re.findall(r'data-from="(\d+)" data-location="(\w+)"', shown.text) == [
            (str(attic["id"]), "Attic"),
            (str(cellar["id"]), "Cellar"),
        ]
    for none in ({"upc": "4006381333900"}, {"upc": "4006381333900", "location": {"name": "Nowhere"}}):
        shown = await browser.post("/scan/elsewhere", json=none, headers=headers)
        assert (shown.status_code, shown.text.strip()) == (200, "")


async def _offered(browser: Browser, code: str, at: Any) -> tuple[str, list[str]]:
    """Where the rest of a refused removal is, and the locations that it can be taken from."""
    headers = {"X-CSRF-Token": browser.csrf, "Origin": ORIGIN, "X-Fragment": "elsewhere"}
    shown = await browser.post("/scan/elsewhere", json={"upc": code, "location": {"id": at["id"]}}, headers=headers)
    text = re.search(r"<p>(.*)</p>", shown.text)
    return text[1] if text else "", re.findall(r'data-location="([^"]+)"', shown.text)


async def test_removal_is_offered_only_in_its_own_unit(browse: Browse, member: AsyncClient) -> None:
    """A scan has no unit: it counts in that of the stock where it is booked."""
    item = await new_item(member, "Flour", upc=EAN)
    a, b, c, d, empty = [await new_location(member, name) for name in ("A", "B", "C", "D", "Empty")]
    await new_stock(member, item, a, 1, unit="kg")
    await new_stock(member, item, b, 5000, unit="g")
    await new_stock(member, item, c, 3, unit="kg")
    # What is counted in two units, though the older one is used up, gets no button.
    old = await new_stock(member, item, d, 1, unit="g")
    await new_stock(member, item, d, 9, unit="kg", lot="L1")
    browser = await browse("scanner")
    rest = "3 kg at C · 5000 g at B · 9 kg at D · 1 g at D"
    assert await _offered(browser, EAN, a) == (rest, ["C"])
    event = {"type": "remove", "item": {"id": item["id"]}, "sku_id": old["id"], "quantity": 1}
    made(await member.post("/events/", json={"events": [event]}))
    assert (await _offered(browser, EAN, a))[1] == ["C"]
    assert (await _offered(browser, EAN, b))[1] == []
    assert (await _offered(browser, EAN, d))[1] == []
    # Where it never was, a scan counts in the item's main unit.
    assert (await _offered(browser, EAN, empty))[1] == ["C", "A"]


async def test_removal_by_a_pack_or_a_piece_is_offered_in_its_own_unit(browse: Browse, member: AsyncClient) -> None:
    pack = {"barcode": "4006381333948", "pack_quantity": 6}
    item = await new_item(member, "Rice", barcodes=[{"barcode": EAN}, pack])
    a, b, c, d = [await new_location(member, name) for name in ("A", "B", "C", "D")]
    await new_stock(member, item, a, 1)
    await new_stock(member, item, b, 500, unit="g")
    await new_stock(member, item, c, 2, unit="pack")
    await new_stock(member, item, d, 7)
    browser = await browse("scanner")
    for code in (EAN, "4006381333948"):
        assert (await _offered(browser, code, a))[1] == ["D"], code
        assert (await _offered(browser, code, b))[1] == [], code


async def test_unknown_location_is_added(browse: Browse, member: AsyncClient) -> None:
    item = await new_item(member, "Coffee", upc=EAN)
    browser = await browse("member")
    fields: dict[str, object] = {"location_id_text": "Attic / Shelf 1"}
    answer = await _scan(browser, EAN, **fields)
    assert answer.status_code == 422
    assert Page(answer.text).faults == []
    assert "Add “Attic / Shelf 1” as a new location" in answer.text
    assert await get(member, "/locations/") == []
    button = re.search(r'<button[^>]*name="add_location"[^>]*>', answer.text)
    assert button
    assert 'value="Attic / Shelf 1"' in button[0]
    # It adds what it names, whatever is in the field by now.
    fields = {"location_id_text": "Att", "add_location": "Attic / Shelf 1"}
    text = await _follow(browser, await _scan(browser, EAN, **fields))
    assert "1 at Attic / Shelf 1" in text
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 1
    # The script adds the location before the scan. The role scanner cannot; its message names the roles that can.
    headers = {"X-CSRF-Token": browser.csrf, "Origin": ORIGIN}
    added = await browser.post("/scan/location", json={"name": "Cellar"}, headers=headers)
    assert added.json()["name"] == "Cellar"
    again = await browser.post("/scan/location", json={"name": "cellar"}, headers=headers)
    assert again.json() == added.json()
    assert (await browser.post("/scan/location", json={"name": " "}, headers=headers)).status_code == 422
    scanner = await browse("scanner")
    headers["X-CSRF-Token"] = scanner.csrf
    assert (await scanner.post("/scan/location", json={"name": "Loft"}, headers=headers)).status_code == 403
    answer = await _scan(scanner, EAN, location_id_text="Loft", add_location="Loft")
    assert "members and admins can add it" in answer.text
    assert "as a new location" not in answer.text
    shown = await scanner.get("/pick/locations?q=Loft&may_add=true", headers={"X-Fragment": "options"})
    assert "No location found; members and admins can add one" in shown.text
    assert 'data-value="new"' not in shown.text
    assert len(await get(member, "/locations/")) == 3


@pytest.mark.parametrize(("mode", "can_add"), [("move", True), ("count", True), ("remove", False), ("lookup", False)])
async def test_location_is_added_only_for_stock(
    browse: Browse, member: AsyncClient, mode: str, *, can_add: bool
) -> None:
    item, shelf = await new_item(member, "Coffee", upc=EAN), await new_location(member, "Shelf")
    await new_stock(member, item, shelf, 5)
    for role, is_offered in (("scanner", False), ("member", can_add)):
        browser = await browse(role)
        answer = await _scan(browser, EAN, mode=mode, location_id_text="Loft")
        assert answer.status_code == 422
        assert ("as a new location" in answer.text) is is_offered
        assert ("members and admins can add it" in answer.text) is (can_add and not is_offered)
    answer = await _scan(browser, EAN, mode=mode, location_id_text="Loft", add_location="Loft")
    assert answer.status_code == (303 if can_add else 422)
    names = [each["name"] for each in await get(member, "/locations/")]
    assert names == (["Loft", "Shelf"] if can_add else ["Shelf"])


async def test_messages_are_translated(browse: Browse) -> None:
    browser = await browse("scanner")
    headers = {"X-CSRF-Token": browser.csrf, "Origin": ORIGIN}
    sent = {"messages": ["Only 1 of Coffee in stock; 2 requested", "not in the catalogue"]}
    assert (await browser.post("/scan/messages", json=sent, headers=headers)).json() == sent
    browser.headers["Accept-Language"] = "de"
    first, second = (await browser.post("/scan/messages", json=sent, headers=headers)).json()["messages"]
    assert "Coffee" in first
    assert first != sent["messages"][0]
    assert second == sent["messages"][1]
    for wrong in (["x" * 4_001], ["x"] * 2_001, "x"):
        assert (await browser.post("/scan/messages", json={"messages": wrong}, headers=headers)).status_code == 422
    assert (await browser.post("/scan/messages", json=sent)).status_code == 403


async def test_short_codes_set_the_page(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Coffee", upc=EAN), await new_location(member)
    browser = await browse("scanner")
    answer = await _scan(browser, make_short_code("OUT"), amount="3")
    assert answer.headers["location"] == "/scan?mode=remove&amount=3"
    answer = await _scan(browser, f"{make_short_code('LOC', shelf['id'])}\r")
    assert answer.headers["location"] == f"/scan?mode=add&location_id={shelf['id']}&amount=1"
    # The next scan counts 12; after it, the amount is what it was.
    answer = await _scan(browser, make_short_code("NEXT", 12), amount="2", location_id=shelf["id"])
    text = await _follow(browser, answer)
    assert 'name="amount" type="text" value="12"' in text
    assert 'name="then" value="2"' in text
    answer = await _scan(browser, EAN, amount="12", then="2", location_id=shelf["id"])
    text = await _follow(browser, answer)
    assert "+12" in text
    assert 'name="amount" type="text" value="2"' in text
    assert 'name="then"' not in text
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 12
    for code, words in (
        ("STOCKYUNDOXX", "is damaged"),
        (typed(make_short_code("OUT"), "Russian"), "keyboard layout"),
        (typed('{"command":"undo"}', "French"), "keyboard layout"),
        (typed(EAN, "French"), "keyboard layout"),
    ):
        answer = await _scan(browser, code, location_id=shelf["id"])
        assert (answer.status_code, words in answer.text) == (422, True), code
        assert Page(answer.text).faults == []
    assert len(await get(member, "/items/")) == 1


async def test_commands_set_the_page(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    browser = await browse("member")
    for mode in ("remove", "REMOVE"):
        answer = await _scan(browser, f'{{"command":"set_mode","payload":{{"mode":"{mode}"}}}}', amount="3")
        assert answer.headers["location"] == "/scan?mode=remove&amount=3"
    for quantity, query in (("0.5", "amount=0.5&then=3"), ("0", "amount=3"), ("null", "amount=3")):
        code = f'{{"command":"set_next_quantity","payload":{{"quantity":{quantity}}}}}'
        answer = await _scan(browser, code, amount="12", then="3")
        assert answer.headers["location"] == f"/scan?mode=add&{query}"
    for payload in (f'{{"location_id":{shelf["id"]}}}', f'{{"name":"{shelf["name"]}"}}'):
        answer = await _scan(browser, f'{{"command":"set_location","payload":{payload}}}')
        assert answer.headers["location"] == f"/scan?mode=add&location_id={shelf['id']}&amount=1"
    answer = await _scan(browser, '{"command":"set_location","payload":{"location_id":null}}', location_id=shelf["id"])
    assert answer.headers["location"] == "/scan?mode=add&amount=1"
    for query in ("id=999", "name=Nowhere", "id=x"):
        assert (await browser.get(f"/scan/location?{query}")).status_code in (400, 404, 422)
    assert (await browser.get(f"/scan/location?id={shelf['id']}")).json() == {"id": shelf["id"], "name": shelf["name"]}


async def test_undo(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Coffee", upc=EAN), await new_location(member)
    browser = await browse("scanner")
    answer = await _scan(browser, EAN, location_id=shelf["id"], mode="add")
    await _follow(browser, answer)
    event = int(answer.headers["location"].rpartition("=")[2])
    text = await _follow(browser, await browser.submit(f"/scan/events/{event}/undo", {"mode": "add"}))
    assert "Undone" in text
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 0
    assert (await browser.submit(f"/scan/events/{event}/undo")).status_code == 409
    # The role scanner undoes its own scans, members undo all.
    sku = made(await member.post("/skus/", json={"item_id": item["id"], "location_id": shelf["id"], "quantity": 4}))
    [added] = [each for each in (await get(member, "/events"))["events"] if each["sku_id"] == sku["id"]][:1]
    assert (await browser.submit(f"/scan/events/{added['id']}/undo")).status_code == 403
    other = await browse("member")
    assert (await other.submit(f"/scan/events/{added['id']}/undo")).status_code == 303


async def test_undo_of_a_mistyped_code_hides_its_item(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    browser = await browse("scanner")

    async def take(code: str) -> tuple[int, int]:
        """The event of a scan and its item."""
        answer = await _scan(browser, code, location_id=shelf["id"], mode="remove")
        event = await get(member, f"/events/{answer.headers['location'].rpartition('=')[2]}")
        return event["id"], event["item_id"]

    event, mistyped = await take("12345")
    assert "Undone" in await _follow(browser, await browser.submit(f"/scan/events/{event}/undo", {"mode": "remove"}))
    assert not (await get(member, f"/items/{mistyped}"))["is_active"]
    assert await get(member, "/items/review") == []
    # The code counts again when it is scanned again, and an item with more than that stays.
    event, again = await take("12345")
    assert (again, (await get(member, f"/items/{mistyped}"))["is_active"]) == (mistyped, True)
    await browser.submit(f"/scan/events/{event}/undo")
    assert not (await get(member, f"/items/{mistyped}"))["is_active"]
    event, _ = await take("12345")
    await take("12345")
    await browser.submit(f"/scan/events/{event}/undo")
    assert (await get(member, f"/items/{mistyped}"))["is_active"]


@pytest.mark.parametrize(
    "known",
    [
        {"name": "Rice"},
        {"description": "In a blue bag"},
        {"min_quantity": 2},
        {"tags": ["grain"]},
        {"seller": "Mill"},
        {"shelf_life_days": 9},
        {"barcodes": [{"barcode": "67890"}, {"barcode": "67891"}]},
        {"shopping-lists": {"name": "Weekly"}},
        {"projects": {"name": "Party"}},
    ],
    ids=lambda known: next(iter(known)),
)
async def test_undo_of_a_scan_hides_nothing_that_people_know_more_of(
    browse: Browse, member: AsyncClient, known: dict[str, Any]
) -> None:
    shelf = await new_location(member)
    browser = await browse("scanner")
    answer = await _scan(browser, "67890", location_id=shelf["id"], mode="add")
    event = answer.headers["location"].rpartition("=")[2]
    item = (await get(member, f"/events/{event}"))["item_id"]
    [(field, value)] = known.items()
    if isinstance(value, dict):
        listed = made(await member.post(f"/{field}/", json=value))
        made(await member.post(f"/{field}/{listed['id']}/items", json={"item_id": item, "quantity": 1}))
    else:
        made(await member.patch(f"/items/{item}", json=known | {"needs_review": True}))
    assert (await browser.submit(f"/scan/events/{event}/undo")).status_code == 303
    stays = await get(member, f"/items/{item}")
    assert (stays["is_active"], stays["total_quantity"]) == (True, 0)


def test_undo_of_a_scan_looks_at_every_field_of_an_item() -> None:
    query = load_queries(resource("sql"), "sqlite")["find_unused_stub"].text
    elsewhere = {
        "upc": "barcode.item_id",
        "barcodes": "barcode.item_id",
        "tags": "item_tag",
        "fields": "item_field_value",
    }
    assert [field for field in ItemChange.__struct_fields__ if elsewhere.get(field, f"item.{field}") not in query] == []


async def test_undo_of_a_script_names_the_scan(browse: Browse, member: AsyncClient) -> None:
    """After a restore the row with the id that a device has stored may be another event."""
    item, shelf = await new_item(member, "Coffee", upc=EAN), await new_location(member)
    event = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 2}
    events = [event | {"event_id": "scan-1"}, event | {"event_id": "scan-2"}, event]
    first, _, unnamed = made(await member.post("/events/", json={"events": events}))["results"]
    browser = await browse("member")
    script = {"headers": {"X-Requested-With": "fetch", "Accept": "application/json"}}
    for id, name in ((first["id"], "scan-2"), (unnamed["id"], "scan-1"), (999_999, "scan-1")):
        refused = await browser.submit(f"/scan/events/{id}/undo", {"scan_event_id": name}, **script)
        assert refused.status_code in (404, 409), refused.text
        assert refused.status_code == 404 or "a backup was restored" in refused.json()["detail"]
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 6
    for _ in range(2):
        sent = {"undo_id": "undo-1", "scan_event_id": "scan-1"}
        answer = await browser.submit(f"/scan/events/{first['id']}/undo", sent, **script)
        assert (answer.status_code, answer.json()) == (200, {"id": first["id"]})
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 4


async def test_printed_undo_of_a_scanner_is_of_its_own_scans(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Coffee", upc=EAN), await new_location(member)
    await new_stock(member, item, shelf, 4)
    [added] = (await get(member, "/events"))["events"]
    browser, code = await browse("scanner"), '{"command":"undo"}'
    assert (await _scan(browser, code, last=added["id"])).status_code == 403
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 4
    own = (await _scan(browser, EAN, location_id=shelf["id"])).headers["location"].rpartition("=")[2]
    assert (await _scan(browser, code, last=own)).headers["location"] == f"/scan?mode=add&amount=1&event={own}"
    assert (await get(member, f"/items/{item['id']}"))["total_quantity"] == 4
    other = await browse("member")
    for last in ("9" * 16, "1" + "0" * 30, "9" * 5000, "0", "²", ""):
        assert (await _scan(other, code, last=last)).status_code in (404, 422), last
    assert (await _scan(other, code, last=added["id"])).status_code == 303


async def test_naming_ends_the_review(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    browser = await browse("member")
    await _scan(browser, "5901234123457", location_id=shelf["id"])
    [stub] = await get(member, "/items/?needs_review=true")
    refused = await browser.submit(f"/scan/items/{stub['id']}/name", {"name": " "})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "name")
    assert (await browser.submit(f"/scan/items/{stub['id']}/name", {"name": "Tea"})).json()["name"] == "Tea"
    assert (await get(member, f"/items/{stub['id']}"))["needs_review"] is False
    # Somebody else may have named it since the page was loaded; the same name again is an answer that was lost.
    refused = await browser.submit(f"/scan/items/{stub['id']}/name", {"name": "Coffee"})
    assert (refused.status_code, "Tea was named" in refused.json()["detail"]) == (409, True)
    assert (await browser.submit(f"/scan/items/{stub['id']}/name", {"name": "Tea"})).status_code == 200
    assert (await get(member, f"/items/{stub['id']}"))["name"] == "Tea"


async def test_settings_of_the_address(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    browser = await browse("member")
    text = (await browser.show(f"/scan?mode=COUNT&location_id={shelf['id']}&amount=7")).text
    assert re.search(r'value="count" checked', text)
    assert shelf["name"] in text
    assert 'value="7"' in text
    text = (await browser.show("/scan?mode=dance&location_id=999&event=999")).text
    assert re.search(r'value="add" checked', text)
    assert "Ready to scan" in text
    for query in ("location_id", "event"):
        assert (await browser.get(f"/scan?{query}=1{'0' * 30}")).status_code == 422
