"""Locations and boxes on pages, without script: making, changing and hiding them, stepping, counting and moving."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient

from stocky.pages import location_nodes
from stocky.stock import location_stock
from tests.inventory import get, made, new_box, new_item, new_location, new_stock, total
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]


async def test_location_is_made_changed_and_hidden(browse: Browse, member: AsyncClient) -> None:
    browser = await browse("member")
    answer = await browser.submit("/locations/new", {"name": " ", "storage_type": "freezer"})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert re.search(r'value="freezer" checked', answer.text)
    answer = await browser.submit("/locations/new", {"name": "Chest", "storage_type": "freezer", "description": "big"})
    assert answer.headers["location"] == "/locations/1?done=added"
    answer = await browser.submit("/locations/new", {"name": "Chest", "storage_type": "other"})
    assert answer.status_code == 409
    assert "already" in answer.text
    answer = await browser.submit("/locations/new", {"name": "Attic / Chest", "storage_type": "other"})
    assert (answer.status_code, "must not contain a slash between blanks" in answer.text) == (422, True)
    answer = await browser.submit("/locations/new", {"name": "Next", "storage_type": "other", "next": "true"})
    assert answer.headers["location"].startswith("/locations/new?added=")
    answer = await browser.submit(
        "/locations/1/edit", {"name": "Cold chest", "description": "", "storage_type": "freezer"}
    )
    assert answer.status_code == 303
    assert (await get(member, "/locations/1"))["name"] == "Cold chest"
    assert (await browser.submit("/locations/1/edit", {"name": ""})).status_code == 422
    assert (await browser.submit("/locations/1/hide")).status_code == 303
    assert "Cold chest" not in (await browser.show("/locations")).text
    assert "Cold chest" in (await browser.show("/locations?hidden=true")).text
    assert "Show again" in (await browser.show("/locations/1")).text
    await browser.submit("/locations/1/show")
    assert "Cold chest" in (await browser.show("/locations?q=cold")).text


async def test_old_forms_change_only_what_was_typed(browse: Browse, member: AsyncClient) -> None:
    kitchen, cellar = await new_location(member, "Kitchen"), await new_location(member, "Cellar")
    shelf = await new_location(member, "Shelf", parent_id=kitchen["id"], description="left", storage_type="garage")
    await new_box(member, 2)
    made(await member.patch("/boxes/1", json={"name": "Screws", "parent_id": kitchen["id"]}))
    browser = await browse("member")
    shown = f"/locations/{shelf['id']}"
    for page, path, new_name in ((shown, shown, "Old shelf"), ("/locations/boxes/1", "/boxes/1", "Old box")):
        form = _fields_of((await browser.show(f"{page}/edit")).text, f"{page}/edit")
        assert form["parent_id_text"] == "Kitchen"
        change = {"name": new_name, "parent_id": cellar["id"], "storage_type": "freezer"}
        made(await member.patch(path, json=change))
        # Also after an error.
        answer = await browser.submit(f"{page}/edit", form | {"name": "", "description": "right"})
        assert answer.status_code == 422
        form = _fields_of(answer.text, f"{page}/edit")
        answer = await browser.submit(f"{page}/edit", form | {"name": form["was-name"]})
        assert answer.status_code == 303, answer.text
        now = await get(member, path)
        assert now["description"] == "right"
        assert {name: now[name] for name in change} == change
        # What is emptied is emptied, and what is chosen is chosen.
        form = _fields_of((await browser.show(f"{page}/edit")).text, f"{page}/edit")
        assert (await browser.submit(f"{page}/edit", form | {"parent_id_text": "Kitchen"})).status_code == 303
        assert (await get(member, path))["parent_id"] == kitchen["id"]
        form = _fields_of((await browser.show(f"{page}/edit")).text, f"{page}/edit")
        answer = await browser.submit(f"{page}/edit", form | {"parent_id_text": "", "description": ""})
        assert answer.status_code == 303, answer.text
        now = await get(member, path)
        assert (now["parent_id"], now["description"], now["name"]) == (None, "", new_name)


def _fields_of(page: str, action: str) -> dict[str, str]:
    """The fields of a form, as a browser sends them."""
    form = page.partition(f'action="{action}"')[2].partition("</form>")[0]
    fields = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and value and ('type="radio"' not in tag or " checked" in tag):
            fields[name[1]] = value[1]
    return fields


async def test_location_with_stock_is_not_hidden(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    await new_stock(member, await new_item(member), shelf, 1)
    answer = await (await browse("member")).submit(f"/locations/{shelf['id']}/hide")
    assert answer.status_code == 409
    assert "still holds stock" in answer.text


async def test_box_grows_shrinks_and_shows_its_slots(browse: Browse, member: AsyncClient) -> None:
    browser = await browse("member")
    assert (await browser.submit("/locations/boxes/new", {"capacity": "many"})).status_code == 422
    answer = await browser.submit("/locations/boxes/new", {"capacity": "3", "storage_type": "garage", "name": ""})
    assert answer.headers["location"] == "/locations/boxes/1?done=added"
    third = (await get(member, "/locations/", box_no=1))[2]
    await new_stock(member, await new_item(member, "Nuts"), third, 4)
    page = (await browser.show("/locations/boxes/1")).text
    assert "1 of 3" in page
    assert "Nuts" in page
    assert 'Slot 3: 1 item"' in (await browser.show("/locations")).text
    form = {"name": "Box 1", "capacity": "2", "storage_type": "garage"}
    answer = await browser.submit("/locations/boxes/1/edit", form)
    assert answer.status_code == 409
    assert "Box 1 / 3" in answer.text
    await browser.submit("/locations/boxes/1/edit", {**form, "capacity": "5"})
    assert (await get(member, "/boxes/1"))["capacity"] == 5
    assert (await browser.submit("/locations/boxes/1/hide")).status_code == 409
    await member.post(f"/skus/{(await get(member, '/skus/'))[0]['id']}/adjust", json={"delta": -4})
    assert (await browser.submit("/locations/boxes/1/hide")).status_code == 303
    assert "hidden" in (await browser.show("/locations/boxes/1")).text
    assert (await browser.submit("/locations/boxes/1/show")).status_code == 303
    assert (await get(member, "/boxes/1"))["is_active"]


async def test_steps_in_the_rows(browse: Browse, member: AsyncClient) -> None:
    shelf, item = await new_location(member), await new_item(member)
    sku = await new_stock(member, item, shelf, 2)
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/step"
    answer = await browser.submit(path, {"sku_id": sku["id"], "delta": "1"})
    assert answer.headers["location"] == f"/locations/{shelf['id']}"
    step = {"sku_id": sku["id"], "delta": "-1", "event_id": "once"}
    for _ in range(2):
        answer = await browser.submit(path, step, headers={"X-Fragment": "stock"})
        assert answer.status_code == 200
        assert "<b>2</b>" in answer.text
        assert "<html" not in answer.text
    assert await total(member, item) == 2
    answer = await browser.submit(path, {"sku_id": sku["id"], "delta": "-9"})
    assert answer.status_code == 409


async def test_stock_is_added_by_name_code_and_barcode(browse: Browse, member: AsyncClient) -> None:
    shelf, item = await new_location(member), await new_item(member, "Tea, green", upc="4006381333931")
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/stock"
    for text in ("tea, GREEN", item["code"], "4006381333931"):
        # As a browser sends it, with its empty fields.
        fields = {"item_id": "", "item_id_text": text, "quantity": "1,5", "unit": "", "expiry_date": ""}
        answer = await browser.submit(path, fields)
        assert answer.status_code == 303, text
    await browser.submit(
        path, {"item_id": item["id"], "item_id_text": "", "quantity": "1", "expiry_date": "2027-01-31"}
    )
    assert await total(member, item) == 5.5
    answer = await browser.submit(path, {"item_id": "", "item_id_text": "Coffee", "quantity": "1"})
    assert answer.status_code == 422
    assert "There is no item" in answer.text
    assert 'value="Coffee"' in answer.text
    answer = await browser.submit(path, {"item_id": item["id"], "quantity": "a lot"})
    assert answer.status_code == 422
    assert 'value="a lot"' in answer.text
    # A script shows the errors itself.
    answer = await browser.submit(
        path, {"item_id": item["id"], "quantity": "a lot"}, headers={"X-Requested-With": "fetch"}
    )
    assert answer.json()["errors"] == [{"field": "quantity", "message": "must be a number"}]


async def test_stock_take_books_only_what_differs(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    skus = [await new_stock(member, await new_item(member, name), shelf, 3) for name in ("A", "B", "C", "D")]
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/count"
    # Of an address of earlier, when there were more rows.
    page = (await browser.show(f"{path}?page=2")).text
    assert page.count('name="count-') == 4
    form: dict[str, object] = {}
    for sku, counted in zip(skus, ("3", "2,5", "", "3"), strict=True):
        form |= {f"count-{sku['id']}": counted, f"was-{sku['id']}": "3.0", f"version-{sku['id']}": sku["version"]}
    answer = await browser.submit(path, form | {f"count-{skus[0]['id']}": "x"})
    assert answer.status_code == 422
    assert 'value="2,5"' in answer.text
    answer = await browser.submit(path, form)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["number"] == ["1"]
    assert [each["quantity"] for each in await get(member, "/skus/")] == [3, 2.5, 3, 3]
    assert "1 quantity was corrected" in (await browser.show(answer.headers["location"])).text
    # Undone as a batch, by the button in the message.
    undo = await browser.submit(f"/locations/{shelf['id']}/undo", {"batch_id": query["batch"][0]})
    assert undo.status_code == 303
    assert [each["quantity"] for each in await get(member, "/skus/")] == [3, 3, 3, 3]


async def test_amount_that_may_be_thousands_is_not_booked(browse: Browse, member: AsyncClient) -> None:
    shelf, item = await new_location(member), await new_item(member)
    sku = await new_stock(member, item, shelf, 1.125)
    browser = await browse("member")
    german = {"Accept-Language": "de"}
    added = {"item_id": item["id"], "quantity": "1.500"}
    counted = {f"count-{sku['id']}": "1.500", f"version-{sku['id']}": sku["version"], f"was-{sku['id']}": "1.125"}
    for path, form in ((f"/locations/{shelf['id']}/stock", added), (f"/locations/{shelf['id']}/count", counted)):
        answer = await browser.submit(path, form, headers=german)
        assert (answer.status_code, "1500 oder 1,500" in answer.text) == (422, True), path
    assert await total(member, item) == 1.125
    # What the page shows is booked as it is.
    page = (await browser.show(f"/locations/{shelf['id']}/count", headers=german)).text
    [shown] = re.findall(r'name="count-\d+" value="([^"]*)"', page)
    answer = await browser.submit(
        f"/locations/{shelf['id']}/count", counted | {f"count-{sku['id']}": shown}, headers=german
    )
    assert "done=same" in answer.headers["location"]


async def test_stock_take_refuses_rows_that_were_booked_to_since(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    first, second = [await new_stock(member, await new_item(member, name), shelf, 3) for name in ("A", "B")]
    await member.post(f"/skus/{first['id']}/adjust", json={"delta": 1})
    form = {
        f"{name}-{sku['id']}": value
        for sku in (first, second)
        for name, value in (("count", "7"), ("was", "3.0"), ("version", sku["version"]))
    }
    answer = await (await browse("member")).submit(f"/locations/{shelf['id']}/count", form)
    assert answer.status_code == 422
    assert "1 row was booked" in answer.text
    assert [each["quantity"] for each in await get(member, "/skus/")] == [4, 7]


async def test_stock_take_with_a_typing_error_does_not_overwrite_bookings(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    first, second = [await new_stock(member, await new_item(member, name), shelf, 5) for name in ("A", "B")]
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/count"
    form = _count_fields((await browser.show(path)).text)
    await member.post(f"/skus/{first['id']}/adjust", json={"delta": -2})
    answer = await browser.submit(path, form | {f"count-{second['id']}": "abc"})
    assert answer.status_code == 422
    form = _count_fields(answer.text)
    assert form[f"count-{second['id']}"] == "abc"
    # Not counted, so what was booked since stays.
    assert (await browser.submit(path, form | {f"count-{second['id']}": "4"})).status_code == 303
    assert [each["quantity"] for each in await get(member, "/skus/")] == [3, 4]
    # Counted before the booking, so it is refused; the page then has the new version, and it can be sent again.
    form = _count_fields((await browser.show(path)).text) | {f"count-{first['id']}": "6"}
    await member.post(f"/skus/{first['id']}/adjust", json={"delta": -2})
    form = _count_fields((await browser.submit(path, form | {f"count-{second['id']}": "abc"})).text)
    answer = await browser.submit(path, form | {f"count-{second['id']}": "3"})
    assert answer.status_code == 422
    assert "1 row was booked" in answer.text
    assert [each["quantity"] for each in await get(member, "/skus/")] == [1, 3]
    assert (await browser.submit(path, _count_fields(answer.text))).status_code == 303
    assert [each["quantity"] for each in await get(member, "/skus/")] == [6, 3]


@pytest.mark.parametrize("way", ["taken", "written off"])
async def test_stock_take_shows_a_refused_row_that_has_gone(way: str, browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    gone, other = [await new_stock(member, await new_item(member, name), shelf, 3) for name in ("Gone", "Other")]
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/count"
    form = _count_fields((await browser.show(path)).text) | {f"count-{gone['id']}": "5"}
    if way == "taken":
        made(await member.post(f"/skus/{gone['id']}/adjust", json={"delta": -3}))
    else:
        made(await member.delete(f"/skus/{gone['id']}"))
    # Also while another row has a typing error, and when it is the last row.
    answer = await browser.submit(path, form | {f"count-{other['id']}": "abc"})
    assert _count_fields(answer.text)[f"count-{gone['id']}"] == "5"
    made(await member.post(f"/skus/{other['id']}/adjust", json={"delta": -3}))
    answer = await browser.submit(path, form)
    assert answer.status_code == 422
    assert f'id="count-{gone["id"]}-error"' in answer.text
    form = _count_fields(answer.text)
    assert form.keys() == {f"{name}-{gone['id']}" for name in ("count", "was", "version")}
    assert form[f"count-{gone['id']}"] == "5"
    answer = await browser.submit(path, form)
    if way == "taken":
        # Looked at again: it is booked.
        assert answer.status_code == 303
        assert (await get(member, f"/skus/{gone['id']}"))["quantity"] == 5


def _count_fields(page: str) -> dict[str, str]:
    """The fields of the rows of a stock-take, as a browser sends them."""
    return dict(re.findall(r'name="((?:count|was|version)-\d+)" value="([^"]*)"', page))


async def test_all_or_some_moves(browse: Browse, member: AsyncClient) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    items = [await new_item(member, name) for name in ("A", "B")]
    skus = [await new_stock(member, items[0], shelf, 3, expiry_date=day) for day in (None, "2027-01-31")]
    skus.append(await new_stock(member, items[1], shelf, 1, notes="opened"))
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/move"
    page = await browser.submit(path, {"id": [skus[2]["id"]], "choose": "true"})
    assert page.status_code == 200
    assert "1 lot moves" in page.text
    # Nothing selected, or something that is gone, is never all of it.
    assert (await browser.submit(path, {"choose": "true"})).headers["location"] == f"/locations/{shelf['id']}"
    page = await browser.submit(path, {"id": [999], "choose": "true"})
    assert 'name="id" value="999"' in page.text
    assert (await browser.submit(path, {"id": [999], "to_location_id": cellar["id"]})).status_code == 409
    answer = await browser.submit(path, {"id": [skus[2]["id"]], "to_location_id": "", "to_location_id_text": "Nowhere"})
    assert answer.status_code == 422
    assert "There is no location" in answer.text
    answer = await browser.submit(path, {"to_location_id": shelf["id"]})
    assert answer.status_code == 422
    answer = await browser.submit(path, {"id": [skus[2]["id"]], "to_location_id": "", "to_location_id_text": "cell"})
    assert answer.status_code == 303
    answer = await browser.submit(path, {"to_location_id": cellar["id"]})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["number"] == ["2"]
    there = await get(member, "/skus/", location_id=cellar["id"])
    assert {(each["item_id"], each["expiry_date"], each["quantity"], each["notes"]) for each in there} == {
        (items[0]["id"], None, 3, ""),
        (items[0]["id"], "2027-01-31", 3, ""),
        (items[1]["id"], None, 1, "opened"),
    }
    await browser.submit(f"/locations/{shelf['id']}/undo", {"batch_id": query["batch"][0]})
    assert sum(each["quantity"] for each in await get(member, "/skus/", location_id=shelf["id"])) == 6
    await browser.submit(path, {"to_location_id": cellar["id"]})
    answer = await browser.submit(path, {"to_location_id": cellar["id"]})
    assert answer.status_code == 409
    assert "nothing to move" in answer.text


async def test_selected_lots_move_however_many_there_are(
    browse: Browse, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location_stock, "MAX_MOVED", 2)
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    skus = [await new_stock(member, await new_item(member, name), shelf, 1) for name in "ABCD"]
    browser, path = await browse("member"), f"/locations/{shelf['id']}/move"
    chosen = [skus[0]["id"], skus[3]["id"]]
    answer = await browser.submit(path, {"id": chosen, "to_location_id": cellar["id"]})
    assert parse_qs(urlsplit(answer.headers["location"]).query)["number"] == ["2"]
    there = {each["item_id"] for each in await get(member, "/skus/", location_id=cellar["id"])}
    assert there == {skus[0]["item_id"], skus[3]["item_id"]}
    assert (await browser.submit(path, {"id": ["9" * 5000], "choose": "true"})).status_code == 200


async def test_locations_are_a_tree_with_counts(browse: Browse, member: AsyncClient) -> None:
    garage = await new_location(member, "Garage", storage_type="garage")
    shelf = await new_location(member, "Shelf 2", parent_id=garage["id"], description="By the window")
    left = await new_location(member, "Left", parent_id=shelf["id"])
    await new_box(member, 2, name="Screws", parent_id=shelf["id"])
    for name, location in (("Oil", garage), ("Nuts", left), ("Bolts", left)):
        await new_stock(member, await new_item(member, name), location, 1)
    browser = await browse("member")
    page = (await browser.show("/locations")).text
    tree = page[page.index('class="card tree"') :]
    places = [tree.index(f'href="/locations/{path}"') for path in (garage["id"], shelf["id"], left["id"], "boxes/1")]
    assert places == sorted(places)
    assert re.search(r"Garage</b>.*?3 items<small>1 here</small>", tree, re.DOTALL)
    assert re.search(r"Left</b>.*?2 items</span>", tree, re.DOTALL)
    # What is found is a list, and says where each is.
    found = (await browser.show("/locations?q=left")).text
    assert "<small>Garage / Shelf 2</small><b>Left</b>" in found
    page = (await browser.show(f"/locations/{left['id']}")).text
    crumb = page[page.index('class="crumb"') : page.index("</nav>", page.index('class="crumb"'))]
    assert re.findall(r'href="([^"]+)">([^<]+)<', crumb) == [
        ("/locations", "Locations"),
        (f"/locations/{garage['id']}", "Garage"),
        (f"/locations/{shelf['id']}", "Shelf 2"),
    ]
    page = (await browser.show(f"/locations/{garage['id']}")).text
    assert "1 item here" in page
    assert "3 with all inside" in page
    assert f'href="/locations/{shelf["id"]}"' in page
    slot = (await get(member, "/boxes/1/places"))[0]["location_id"]
    assert 'href="/locations/boxes/1">Screws</a>' in (await browser.show(f"/locations/{slot}")).text
    box = (await browser.show("/locations/boxes/1")).text
    assert "In the box itself" in box
    assert f'href="/locations/{shelf["id"]}">Shelf 2</a>' in box


async def test_locations_in_boxes_and_their_slots_are_shown(
    browse: Browse, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, _ = await new_box(member, 3, name="Toolbox")
    tray = await new_location(member, "Tray", parent_id=first["parent_id"])
    tin = await new_location(member, "Tin", parent_id=first["id"])
    cellar = await new_location(member, "Cellar")
    [slot] = await new_box(member, 1, name="Crate", parent_id=cellar["id"])
    bag = await new_location(member, "Bag", parent_id=slot["id"])
    [inner] = await new_box(member, 1, name="Case", parent_id=slot["id"])
    pocket = await new_location(member, "Pocket", parent_id=inner["id"])
    await new_stock(member, await new_item(member, "Nuts"), tin, 1)
    browser = await browse("reader")
    page = (await browser.show("/locations")).text
    cards, _, tree = page.partition('class="card tree"')
    for part, locations in (
        (cards[: cards.index("Cellar")], (tray["id"], first["id"], tin["id"])),
        (cards[cards.index("Cellar") :], (bag["id"], "boxes/3", inner["id"], pocket["id"])),
        (tree, (cellar["id"], "boxes/2", slot["id"], bag["id"], "boxes/3", inner["id"], pocket["id"])),
    ):
        found = re.findall(r'class="node[^>]+href="/locations/([^"]+)"', part)
        assert [each for each in found if each in set(map(str, locations))][: len(locations)] == [*map(str, locations)]
    box = (await browser.show("/locations/boxes/1")).text
    inside = box[box.index("Locations in here") :]
    assert re.findall(r'href="/locations/(\d+)"', inside)[:3] == [str(each["id"]) for each in (tray, first, tin)]
    assert re.search(r"Slot 1</b>.*?1 item<small>0 here</small>", inside, re.DOTALL)
    # Too many for the tree are found by the search.
    monkeypatch.setattr(location_nodes, "MOST_INSIDE", 1)
    box = (await browser.show("/locations/boxes/1")).text
    assert 'href="/locations?q=Toolbox+%2F+"' in box
    found = (await browser.show("/locations?q=Toolbox+%2F+")).text
    assert "Tray</b>" in found
    assert "Tin</b>" in found


async def test_location_is_put_into_others_without_script(browse: Browse, member: AsyncClient) -> None:
    garage, cellar = await new_location(member, "Garage", storage_type="garage"), await new_location(member, "Cellar")
    browser = await browse("member")
    form = (await browser.show(f"/locations/new?parent_id={garage['id']}")).text
    assert 'value="Garage"' in form
    assert re.search(r'value="garage" checked', form)
    new = {"name": "Shelf", "storage_type": "garage", "parent_id": "", "parent_id_text": "garage"}
    answer = await browser.submit("/locations/new", new | {"next": "true"})
    assert f"parent_id={garage['id']}" in answer.headers["location"]
    [shelf] = await get(member, "/locations/", parent_id=garage["id"])
    answer = await browser.submit("/locations/new", new | {"name": "SHELF "})
    assert (answer.status_code, "same place already" in answer.text) == (409, True)
    answer = await browser.submit("/locations/new", new | {"parent_id_text": "Nowhere"})
    assert (answer.status_code, "There is no location" in answer.text) == (422, True)
    edit = f"/locations/{shelf['id']}/edit"
    assert 'value="Garage"' in (await browser.show(edit)).text
    change = {"name": "Shelf", "description": "", "storage_type": "garage", "parent_id": "", "parent_id_text": "Cellar"}
    assert (await browser.submit(edit, change)).status_code == 303
    assert (await get(member, f"/locations/{shelf['id']}"))["path"] == "Cellar / Shelf"
    answer = await browser.submit(
        f"/locations/{cellar['id']}/edit", change | {"name": "Cellar", "parent_id_text": "cellar / shelf"}
    )
    assert (answer.status_code, "cannot be put in a location that is in it" in answer.text) == (409, True)
    assert (await browser.submit(edit, change | {"parent_id_text": ""})).status_code == 303
    assert (await get(member, f"/locations/{shelf['id']}"))["parent_id"] is None
    answer = await browser.submit(f"/locations/{cellar['id']}/hide")
    assert answer.status_code == 303
    answer = await browser.submit("/locations/boxes/new", {"capacity": "1", "parent_id_text": "Garage"})
    assert (await get(member, "/boxes/1"))["path"] == "Garage / Box 1"
    box = {"name": "Box 1", "capacity": "1", "storage_type": "other", "parent_id_text": "Shelf"}
    assert (await browser.submit("/locations/boxes/1/edit", box)).status_code == 303
    assert (await get(member, "/boxes/1"))["path"] == "Shelf / Box 1"
    answer = await browser.submit(f"/locations/{shelf['id']}/hide")
    assert (answer.status_code, "Other locations are in Shelf" in answer.text) == (409, True)


async def test_items_are_filtered_by_a_location_with_all_inside(browse: Browse, member: AsyncClient) -> None:
    garage = await new_location(member, "Garage")
    shelf = await new_location(member, "Shelf", parent_id=garage["id"])
    await new_stock(member, await new_item(member, "Nuts"), shelf, 1)
    await new_item(member, "Bolts")
    browser = await browse("member")
    assert f'href="/items?within={garage["id"]}"' in (await browser.show(f"/locations/{garage['id']}")).text
    for query in (f"within={garage['id']}", "within=&within_text=garage", f"within={shelf['id']}&q=nut"):
        page = (await browser.show(f"/items?{query}")).text
        assert "Nuts" in page, query
        assert "Bolts" not in page, query
    assert (await browser.get("/items?within_text=nowhere")).status_code == 422
    assert (await browser.get("/items?within=999")).status_code == 404


async def test_name_of_several_locations_is_refused_beside_its_field(browse: Browse, member: AsyncClient) -> None:
    for name in ("Garage", "Cellar"):
        around = await new_location(member, name)
        shelf = await new_location(member, "Shelf", parent_id=around["id"])
    await new_stock(member, await new_item(member), shelf, 2)
    browser = await browse("member")
    answer = await browser.submit(
        f"/locations/{shelf['id']}/move", {"to_location_id": "", "to_location_id_text": "shelf"}
    )
    assert answer.status_code == 422
    assert "use the path of one of them" in answer.text
    answer = await browser.submit(
        f"/locations/{shelf['id']}/move", {"to_location_id": "", "to_location_id_text": "garage / shelf"}
    )
    assert answer.status_code == 303
    [sku] = [each for each in await get(member, "/skus/", expand="location") if each["quantity"]]
    assert sku["location"]["path"] == "Garage / Shelf"


async def test_readers_have_no_buttons(browse: Browse, member: AsyncClient) -> None:
    shelf, item = await new_location(member), await new_item(member)
    await new_stock(member, item, shelf, 2)
    await new_box(member, 2)
    browser = await browse("reader")
    for path in ("/locations", f"/locations/{shelf['id']}", "/locations/boxes/1"):
        page = (await browser.show(path)).text
        assert 'action="/locations/1' not in page
        assert "/edit" not in page
        assert "/new" not in page


async def test_long_locations_have_pages_and_a_search(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    for number in range(55):
        await new_stock(member, await new_item(member, f"Thing {number:02}"), shelf, 1)
    browser = await browse("member")
    path = f"/locations/{shelf['id']}"
    first = (await browser.show(path)).text
    assert "Thing 49" in first
    assert "Thing 50" not in first
    assert "Thing 50" in (await browser.show(f"{path}?page=2")).text
    # A page that was emptied meanwhile is the last one that is there.
    assert "Thing 50" in (await browser.show(f"{path}?page=3")).text
    found = (await browser.show(f"{path}?q=thing+07")).text
    assert "Thing 07" in found
    assert "Thing 08" not in found


async def test_pickers_answer_scripts(browse: Browse, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Coffee"), await new_location(member, "Shelf")
    browser = await browse("member")
    answer = await browser.get("/pick/items?q=coff", headers={"X-Fragment": "options"})
    assert f'data-value="{item["id"]}"' in answer.text
    assert 'role="option"' in (await browser.get("/pick/items?q=", headers={"X-Fragment": "options"})).text
    answer = await browser.get("/pick/locations?q=she", headers={"X-Fragment": "options"})
    assert f'data-value="{shelf["id"]}"' in answer.text
