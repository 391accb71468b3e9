"""The list of items without script: filters, search, pages, and what is done with several at once."""

from __future__ import annotations

import csv
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from httpx import AsyncClient

from stocky import clock
from tests.inventory import Json, get, made, new_box, new_item, new_location, new_stock
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


async def some_items(admin: AsyncClient) -> list[Json]:
    """Three items, of which one is low and two are in stock."""
    shelf, cellar = await new_location(admin), await new_location(admin, "Cellar")
    items = [
        await new_item(admin, "Flour <wheat>", min_quantity=5, tags=["baking"]),
        await new_item(admin, "Sugar", default_storage_type="freezer"),
        await new_item(admin, "Nails"),
    ]
    await new_stock(admin, items[0], shelf, 2, expiry_date="2020-01-01")
    await new_stock(admin, items[1], cellar, 3)
    return items


async def test_files_of_a_list_have_what_it_has(admin: AsyncClient, browse: Browse) -> None:
    await some_items(admin)
    member = await browse("member")
    [shelf] = [each["id"] for each in await get(admin, "/locations/") if each["name"] == "Shelf"]
    for query, files in {
        "": {"items": ["Flour <wheat>", "Sugar", "Nails"], "stock": ["Flour <wheat>", "Sugar"]},
        f"?within={shelf}": {"items": ["Flour <wheat>"], "stock": ["Flour <wheat>"]},
        "?cause=low_stock": {"stock": ["Flour <wheat>"]},
        "?cause=expired": {"stock": ["Flour <wheat>"]},
        "?cause=storage_mismatch": {},
        "?storage_type=freezer": {"items": ["Sugar"]},
        "?tag=baking": {"items": ["Flour <wheat>"]},
        f"?within={shelf}&tag=baking&q=flo": {"items": ["Flour <wheat>"]},
    }.items():
        text = (await member.show(f"/items{query}")).text
        links = re.findall(r'href="/(api/v1/exports/(\w+)\.csv[^"]*)" [^>]*download', text)
        found = {name: await member.get(f"/{unescape(path)}") for path, name in links}
        lines = {name: csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))) for name, answer in found.items()}
        assert {name: [row["name"] for row in rows] for name, rows in lines.items()} == files, query
    assert "Expired and expiring stock as CSV" in (await member.show("/items?cause=expired")).text


async def test_list_has_filters(admin: AsyncClient, browse: Browse) -> None:
    await some_items(admin)
    member = await browse("member")
    for query, shown in {
        "": {"Flour", "Sugar", "Nails"},
        "?cause=low_stock": {"Flour"},
        "?cause=expired": {"Flour"},
        "?cause=expired&cursor_day=2021-01-01": {"Flour"},
        "?cause=storage_mismatch": {"Sugar"},
        "?storage_type=freezer": {"Sugar"},
        "?storage_type=&cause=&tag_text=Baking": {"Flour"},
        "?hidden=true": set(),
        "?q=sug": {"Sugar"},
        "?q=sug&storage_type=pantry": set(),
        "?q=flor+wheat": {"Flour"},
        "?type_id_text=none": {"Flour", "Sugar", "Nails"},
    }.items():
        text = (await member.show(f"/items{query}", headers={"X-Fragment": "results"})).text
        assert {name for name in ("Flour", "Sugar", "Nails") if f">{name}" in text} == shown, query
        assert "<html" not in text
    assert "Flour &lt;wheat&gt;" in (await member.show("/items")).text
    assert "Cellar" in (await member.show("/items?q=cell")).text


async def test_search_says_that_it_finds_more_than_it_shows(
    admin: AsyncClient, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.pages.views.items.ROWS", 3)
    member = await browse("member")
    for number in range(4):
        assert "best matches of more" not in (await member.show("/items?q=screw")).text
        await new_item(admin, f"Screw {number}")
    page = (await member.show("/items?q=screw")).text
    assert "These are the 3 best matches of more." in page
    assert len(set(re.findall(r"Screw \d", page))) == 3


async def test_search_says_whether_the_first_result_is_meant(admin: AsyncClient, browse: Browse) -> None:
    salt = await new_item(admin, "Sea salt")
    for name in ("Sea salt, coarse", "Olive oil", "Cellar lamp"):
        await new_item(admin, name)
    await new_location(admin, "Cellar")
    member = await browse("member")
    for query, is_clear in {
        "oliv": True,
        salt["code"]: True,
        "sea salt": True,
        "sea": False,
        "olvie": False,
        "cellar": True,
        "cell": False,
        "nothing": False,
        "": False,
    }.items():
        text = (await member.show(f"/items?q={query}", headers={"X-Fragment": "results"})).text
        assert ("data-best" in text) == is_clear, query
        # A location of exactly this name comes before items that have it in theirs.
        if query.startswith("cell"):
            assert (text.index("/locations/") < text.index("Cellar lamp")) == (query == "cellar"), query
    for number in range(6):
        around = await new_location(admin, f"Aisle {number}")
        await new_location(admin, "Shelf", parent_id=around["id"])
        await new_location(admin, f"Shelf {number}", parent_id=around["id"])
    await new_location(admin, "Zone shelf")
    text = (await member.show("/items?q=zone+shelf", headers={"X-Fragment": "results"})).text
    assert ("Zone shelf" in text, "data-best" in text) == (True, True)
    text = (await member.show("/items?q=aisle+3+/+shelf", headers={"X-Fragment": "results"})).text
    assert text.index("Aisle 3 / Shelf<") < text.index("Aisle 3 / Shelf 3<")
    text = (await member.show("/items?q=shelf", headers={"X-Fragment": "results"})).text
    assert (text.count("/ Shelf<"), "data-best" in text) == (5, False)
    await new_location(admin, "Olive grove")
    text = (await member.show("/items?q=olive+GROVE", headers={"X-Fragment": "results"})).text
    assert ("data-best" in text, "Nothing found" in text, "No items yet" in text) == (True, False, False)


async def test_list_of_a_cause_says_what_it_shows(admin: AsyncClient, browse: Browse) -> None:
    item = await new_item(admin, "Milk")
    await new_stock(admin, item, await new_location(admin), 1, expiry_date=str(clock.now().date() + timedelta(days=3)))
    member = await browse("member")
    page = (await member.show("/items?cause=expiring")).text
    assert "Milk" in page
    assert "What expires within 7 days, the earliest first." in page
    made(await admin.patch("/settings", json={"expiring_soon_days": 12}))
    await member.submit("/me/language", {"language": "de"})
    assert "Was innerhalb von 12 Tagen abläuft" in (await member.show("/items?cause=expiring")).text
    for cause in ("low_stock", "expired", "negative_stock", "storage_mismatch", "overdue"):
        assert '<p class="soft page-only">Was ' in (await member.show(f"/items?cause={cause}")).text
    assert '<p class="soft page-only">' not in (await member.show("/items")).text


async def test_list_is_filtered_by_custom_fields(admin: AsyncClient, browse: Browse) -> None:
    for name in ("Parts", "Cables"):
        made(await admin.post("/types/", json={"name": name}))
    made(await admin.post("/types/1/fields", json={"name": "Voltage", "kind": "number", "unit": "V"}))
    made(await admin.post("/types/1/fields", json={"name": "Package", "kind": "choice", "choices": ["TO-92", "SMD"]}))
    for name, fields in {"BC547": {"Voltage": 4.7, "Package": "TO-92"}, "NE555": {"Voltage": 12}}.items():
        await new_item(admin, name, type_id=1, fields=fields)
    member = await browse("member")
    for query, shown in {
        "type_id=1": {"BC547", "NE555"},
        "type_id=1&field.Voltage=4,7&field.Package=": {"BC547"},
        "type_id=1&field.Voltage=4,7..12": {"BC547", "NE555"},
        "field.package=to-92": {"BC547"},
        "type_id=1&field.Package=SMD": set(),
        "type_id=1&field.Voltage=much": set(),
        # What was typed before another type was chosen is left out.
        "type_id=2&field.Voltage=12": set(),
    }.items():
        page = await member.show(f"/items?{query}")
        assert Page(page.text).faults == []
        assert {name for name in ("BC547", "NE555") if f">{name}" in page.text} == shown, query
        assert ("must be a number" in page.text) is ("much" in query)
    page = await member.show("/items?type_id=1&field.Voltage=4,7")
    assert "field.Voltage=4.7" in next(link for link in Page(page.text).links if "items.csv" in link)
    part = await member.get("/items?type_id=1&field.Voltage=4,7", headers={"X-Fragment": "filter_fields"})
    assert 'name="field.Voltage" type="text" value="4,7"' in part.text
    assert '<option value="SMD"' in part.text
    part = await member.get("/items?type_id=2&field.Voltage=4,7", headers={"X-Fragment": "filter_fields"})
    assert "Voltage" not in part.text


async def test_list_has_pages(admin: AsyncClient, browse: Browse) -> None:
    for number in range(120):
        await new_item(admin, f"Part {number:03}")
    reader = await browse("reader")
    seen: list[str] = []
    path = "/items"
    for _ in range(3):
        page = Page((await reader.show(path)).text)
        seen += [link for link in page.links if link.startswith("/items/")]
        path = next((link for link in page.links if "cursor=" in link and "page=1" not in link), "")
    assert len(set(seen)) == 120
    # From the last page one goes back to the second one.
    assert "page=2" in path
    assert "Part 050" in (await reader.show(path)).text


async def test_what_expires_is_shown_by_date(admin: AsyncClient, browse: Browse) -> None:
    shelf, today = await new_location(admin), clock.local_today()
    for number in range(60):
        item = await new_item(admin, f"Part {number:02}", min_quantity=9)
        for days in (1 + number % 7, -1 - number):
            await new_stock(admin, item, shelf, 1, expiry_date=str(today + timedelta(days=days)))
    reader = await browse("reader")
    for cause, word in (("expiring", "expires"), ("expired", "expired")):
        pages = [await reader.show(f"/items?cause={cause}")]
        [onward] = [link for link in Page(pages[0].text).links if "page=2" in link]
        pages.append(await reader.show(onward))
        shown = [
            (link, date)
            for page in pages
            for link, date in re.findall(
                rf'href="(/items/\d+)">Part.*?{word} <time datetime="([\d-]+)"', page.text, re.DOTALL
            )
        ]
        dates = [date for _, date in shown]
        assert len({link for link, _ in shown}) == len(shown) == 60
        assert dates == sorted(dates)
        assert (dates[0] >= str(today)) is (cause == "expiring")
        # Back to the first page.
        assert any(link == f"/items?cause={cause}" and "prev" in pages[1].text for link in Page(pages[1].text).links)
    for position in ("cursor=1&cursor_day=", "cursor=1&cursor_day=0001-01-01", "cursor=1&back=1.20260230-x-1.5"):
        assert "Part 59" in (await reader.show(f"/items?cause=expired&{position}")).text
    assert (await reader.get("/items?cause=expired&cursor_day=never")).status_code == 422


async def test_empty_states_say_what_to_do(browse: Browse) -> None:
    member, reader = await browse("member"), await browse("reader")
    assert "/items/new" in (await member.show("/items")).text
    assert "/items/new" not in (await reader.show("/items")).text
    assert "/items/new?name=xyzzy" in (await member.show("/items?q=xyzzy")).text
    assert "Show all items" in (await member.show("/items?cause=expired")).text


async def test_several_items_are_changed_at_once(admin: AsyncClient, browse: Browse) -> None:
    items = await some_items(admin)
    member = await browse("member")
    ids = [items[0]["id"], items[1]["id"]]
    page = await member.show("/items")
    for action in ("move", "tag", "type", "list", "hide"):
        answer = await member.submit("/items/selected", {"action": action, "id": ids})
        assert answer.status_code == 303
        page = await member.show(answer.headers["location"])
        assert Page(page.text).faults == []
        assert page.text.count('name="id"') == 2
    assert (await member.submit("/items/selected", {"action": "label", "id": ids})).headers["location"] == (
        "/labels?items=1&items=2"
    )

    answer = await member.submit("/items/selected/move", {"id": ids, "to_location_text": "cellar"})
    assert answer.status_code == 303, answer.text
    assert {sku["location_id"] for sku in await get(admin, "/skus/") if sku["quantity"]} == {2}
    page = await member.show(answer.headers["location"])
    # The other one was there before.
    assert "1 item is moved" in page.text
    batch = answer.headers["location"].partition("batch=")[2]
    assert (await member.submit("/items/undo", {"batch_id": batch})).status_code == 303
    assert {sku["location_id"] for sku in await get(admin, "/skus/") if sku["quantity"]} == {1, 2}

    for path, fields in {
        "tag": {"tag_text": "Kitchen"},
        "type": {"type_id_text": "Food"},
        "list": {"name": "Weekly"},
    }.items():
        assert (await member.submit(f"/items/selected/{path}", {"id": ids, **fields})).status_code == 303, path
    flour = await get(admin, "/items/1")
    assert (sorted(flour["tags"]), flour["type_name"]) == (["Kitchen", "baking"], "Food")
    assert len((await get(admin, "/shopping-lists/1"))["items"]) == 2
    await member.submit("/items/selected/untag", {"id": ids, "tag_text": "kitchen"})
    assert (await get(admin, "/items/1"))["tags"] == ["baking"]


async def test_all_are_changed_or_none(admin: AsyncClient, browse: Browse) -> None:
    items = await some_items(admin)
    member = await browse("member")
    answer = await member.submit("/items/selected/hide", {"id": [items[2]["id"], items[0]["id"]]})
    assert answer.status_code == 409
    assert "still holds stock" in answer.text
    assert (await get(admin, "/items/3"))["is_active"]
    for action, fields, status in (
        ("move", {}, 422),
        ("move", {"to_location_text": "nowhere"}, 422),
        ("tag", {}, 422),
        ("list", {}, 422),
        ("nothing", {}, 422),
    ):
        answer = await member.submit(f"/items/selected/{action}", {"id": [items[0]["id"]], **fields})
        assert answer.status_code == status, (action, answer.text)
    assert (await member.submit("/items/selected/hide", {"id": [items[2]["id"]]})).status_code == 303
    assert not (await get(admin, "/items/3"))["is_active"]
    assert (await member.submit("/items/selected/show", {"id": [items[2]["id"]]})).status_code == 303
    assert (await member.submit("/items/selected", {"action": "move"})).headers["location"] == "/items?done=none"


async def test_pickers_answer_scripts(admin: AsyncClient, browse: Browse) -> None:
    await some_items(admin)
    made(await admin.post("/types/", json={"name": "Food"}))
    made(await admin.patch("/items/1", json={"seller": "Mill"}))
    member = await browse("member")
    for path, text in {
        "/pick/items?q=sug": "Sugar",
        "/pick/locations?q=cel": "Cellar",
        "/pick/locations": "Shelf",
        "/pick/types?q=fo": "Food",
        "/pick/tags?q=BAK": "baking",
        "/pick/sellers?q=mi": "Mill",
    }.items():
        answer = await member.get(path, headers={"X-Fragment": "options"})
        assert answer.text.count('role="option"') == (2 if path == "/pick/locations" else 1), path
        assert f'data-text="{text}"' in answer.text


async def test_location_picker_searches_paths(admin: AsyncClient, browse: Browse) -> None:
    counter = await new_location(admin, "Kitchen counter")
    await new_location(admin, "Cup drawer", parent_id=counter["id"])
    await new_location(admin, "Old kitchen")
    await new_location(admin, "Attic", description="Things for the kitchen")
    await new_box(admin, 2, parent_id=counter["id"])
    member = await browse("member")

    async def found(words: str) -> list[str]:
        answer = await member.get(f"/pick/locations?q={words}", headers={"X-Fragment": "options"})
        return re.findall(r'data-text="([^"]*)"', answer.text)

    assert await found("kitchen") == [
        "Kitchen counter",
        "Old kitchen",
        "Kitchen counter / Box 1",
        "Kitchen counter / Cup drawer",
        "Attic",
        "Kitchen counter / Box 1 / 1",
        "Kitchen counter / Box 1 / 2",
    ]
    assert await found("counter / cup") == ["Kitchen counter / Cup drawer"]
    assert (await found(""))[-1] == "Kitchen counter / Box 1 / 2"
    answer = await member.get("/pick/locations?q=cellar", headers={"X-Fragment": "options"})
    assert re.search(r'aria-disabled="true"[^>]*>No location found<', answer.text)
    # Forms that add stock offer to add the location, unless there is one of that name or path.
    path = "KITCHEN counter / cup drawer"
    for words, offers in {"cellar": True, "cup": True, "cup drawer": False, path: False}.items():
        answer = await member.get(f"/pick/locations?q={words}&may_add=true", headers={"X-Fragment": "options"})
        assert ('data-value="new"' in answer.text, "No location found" in answer.text) == (offers, False), words
    answer = await member.get("/pick/locations?may_add=true", headers={"X-Fragment": "options"})
    assert 'data-value="new"' not in answer.text
    answer = await member.get("/pick/persons?q=anna", headers={"X-Fragment": "options"})
    assert "No person found" in answer.text
