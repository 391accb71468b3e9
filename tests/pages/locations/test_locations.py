"""Locations and boxes on pages, without script: making, changing and hiding them, stepping, counting and moving."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient

from stocky.pages import location_nodes
from stocky.stock import location_stock
from tests.inventory import get, new_box, new_item, new_location, new_stock, total
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_postgres
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


async def test_stock_take_books_only_what_differs(browse: Browse, member: AsyncClient) -> None:
    shelf = await new_location(member)
    skus = [await new_stock(member, await new_item(member, name), shelf, 3) for name in ("A", "B", "C", "D")]
    browser = await browse("member")
    path = f"/locations/{shelf['id']}/count"
    page = (await browser.show(path)).text
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
