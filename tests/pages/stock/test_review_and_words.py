"""The queue of things without a name, and the words that items have: tags, types and sellers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient, Response

from stocky.config import Config
from tests.architecture import schema
from tests.inventory import Json, get, made, new_item
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


@pytest.fixture
async def member(browse: Browse, samples: dict[str, object]) -> Browser:
    """A member, with one of everything there."""
    return await browse("member")


async def test_stubs_are_named_one_after_another(member: Browser, admin: AsyncClient) -> None:
    made(await admin.post("/scanner/scan", json={"upc": "96385074", "scanner_id": "s1", "event_id": "e2"}))
    last = (await get(admin, "/items/review"))[0]["last_event_id"]
    made(await admin.post(f"/events/{last}/undo"))
    page = await member.show("/review")
    assert "2 scanned things have no name yet" in page.text
    assert "96385074" in page.text
    assert "<dd>once, last" in page.text, "the undo is no scan"
    later = await member.show("/review?skip=1")
    assert "2 scanned things have no name yet" in later.text
    assert ">Later<" not in later.text
    assert "5901234123457" in later.text
    newest = (await get(admin, "/items/review"))[0]["item"]
    shown = {"skip": "0", "version": str(newest["version"])}
    answer = await member.submit(f"/review/{newest['id']}", shown | {"name": ""})
    assert answer.status_code == 422
    assert Page(answer.text).faults == []
    answer = await member.submit(f"/review/{newest['id']}", shown | {"name": "Tuna", "min_quantity": "2"})
    assert answer.status_code == 303, answer.text
    page = await member.show(answer.headers["location"])
    assert "“Tuna” is saved" in page.text
    assert "1 scanned thing has no name yet" in page.text
    named = await get(admin, f"/items/{newest['id']}")
    assert (named["name"], named["needs_review"], named["min_quantity"]) == ("Tuna", False, 2)


async def test_name_stays_with_its_item(member: Browser, admin: AsyncClient) -> None:
    stub = (await get(admin, "/items/review"))[0]["item"]
    path = f"/review/{stub['id']}"
    version = _version(await member.show("/review"), path)
    # A scan makes another item the first one of the queue.
    made(await admin.post("/scanner/scan", json={"upc": "96385074", "scanner_id": "s1", "event_id": "e2"}))
    fields = {"name": "Tuna", "min_quantity": "many", "skip": "0", "version": version}
    answer = await member.submit(path, fields)
    assert answer.status_code == 422
    assert _version(answer, path) == version
    assert 'value="Tuna"' in answer.text
    made(await admin.patch(f"/items/{stub['id']}", json={"description": "a tin"}))
    answer = await member.submit(path, fields | {"min_quantity": "many"})
    assert _version(answer, path) == version, "an error in a field does not accept the change of somebody else"
    answer = await member.submit(path, fields | {"min_quantity": "2"})
    assert answer.status_code == 412
    assert "was changed since you read it" in answer.text
    assert _version(answer, path) != version
    assert 'value="Tuna"' in answer.text
    # Somebody else was faster.
    made(await admin.patch(f"/items/{stub['id']}", json={"name": "Salmon"}))
    other = (await get(admin, "/items/review"))[0]["item"]
    for more in ({"min_quantity": "2"}, {}):
        answer = await member.submit(path, fields | more)
        assert answer.status_code == 409
        assert "Salmon was named, merged or hidden in the meantime; nothing was changed" in answer.text
        assert "Tuna" not in answer.text
        assert _version(answer, f"/review/{other['id']}") == str(other["version"])
    assert (await get(admin, f"/items/{stub['id']}"))["name"] == "Salmon"
    made(await admin.patch(f"/items/{other['id']}", json={"name": "Trout"}))
    answer = await member.submit(path, fields, headers={"Accept-Language": "de"})
    assert answer.status_code == 409
    assert "Salmon wurde inzwischen benannt" in answer.text
    assert Page(answer.text).faults == []


def _version(answer: Response, path: str) -> str:
    """The version in the form of an item."""
    found = re.search(rf'action="{path}".*?name="version" value="(\d+)"', answer.text, re.DOTALL)
    assert found is not None, answer.text
    return found[1]


async def test_review_shows_what_was_misread_and_the_name_on_a_bag(
    member: Browser, admin: AsyncClient, config: Config
) -> None:
    for text in ("[)>\x1e06\x1d1PBC547B\x1dQ100", "96385075"):
        made(await admin.post("/scanner/scan", json={"upc": text, "scanner_id": "s1"}))
    page = await member.show("/review")
    assert "Probably misread: its check digit is wrong" in page.text
    bag = await member.show("/review?skip=1")
    assert "Probably misread" not in bag.text
    assert "BC547B" in bag.text
    assert "It was hidden" not in bag.text
    await new_item(admin, "Tea", barcodes=[{"barcode": "TEA"}])
    await new_item(admin, "Old tea", barcodes=[{"barcode": "OLD"}])
    assert "Barcodes that are the same" not in page.text
    change = "UPDATE barcode SET code = 'TEA ', code_key = 'TEA ', shared_key = 'TEA' WHERE code = 'OLD' RETURNING id"
    await schema.run_beside(config, change)
    page = await member.show("/review")
    assert "Barcodes that are the same" in page.text
    assert "Old tea" in page.text


async def test_stubs_are_discarded_and_come_back(member: Browser, admin: AsyncClient) -> None:
    stub = (await get(admin, "/items/review"))[0]["item"]
    before = stub["total_quantity"]
    assert before
    answer = await member.submit(f"/review/{stub['id']}/discard", {"skip": ""})
    assert answer.status_code == 303, answer.text
    page = await member.show(answer.headers["location"])
    assert f"“{stub['name']}” is discarded" in page.text
    assert "Everything has a name" in page.text
    hidden = await get(admin, f"/items/{stub['id']}")
    assert (hidden["is_active"], hidden["total_quantity"]) == (False, 0)
    german = await member.show(f"/items/{stub['id']}", headers={"Accept-Language": "de"})
    assert "versehentlich gescannt" in german.text
    assert (await member.submit(f"/review/{stub['id']}/discard")).status_code == 409
    batch = answer.headers["location"].partition("batch=")[2]
    kept = await member.submit(f"/review/{stub['id']}/keep", {"batch_id": batch})
    assert kept.status_code == 303, kept.text
    shown = await get(admin, f"/items/{stub['id']}")
    assert (shown["is_active"], shown["needs_review"], shown["total_quantity"]) == (True, True, before)
    # What has a name is not discarded.
    answer = await member.submit(f"/review/{stub['id']}", {"name": "Tuna", "skip": "0", "version": shown["version"]})
    assert answer.status_code == 303, answer.text
    assert (await member.submit(f"/review/{stub['id']}/discard")).status_code == 409


async def test_hidden_item_that_was_scanned_again_keeps_what_it_had(member: Browser, admin: AsyncClient) -> None:
    had = {"min_quantity": 2.5, "default_storage_type": "freezer", "oversell_policy": "clamp"}
    item = await new_item(admin, "Oats", upc="96385074", **had)
    assert (await admin.delete(f"/items/{item['id']}")).status_code == 200
    made(await admin.post("/scanner/scan", json={"upc": "96385074", "scanner_id": "s1", "event_id": "e2"}))
    page = await member.show("/review", headers={"Accept-Language": "de"})
    form = next(each for each in Page(page.text).forms if each.action == f"/review/{item['id']}")
    assert 'value="Oats"' in page.text
    assert 'value="2,5"' in page.text
    assert '<option value="freezer" selected>' in page.text
    assert {"name", "default_storage_type", "min_quantity", "version"} <= set(form.names)
    version = (await get(admin, f"/items/{item['id']}"))["version"]
    fields = {
        "name": "Oats", "default_storage_type": "freezer", "min_quantity": "2,5", "skip": "0", "version": version
    }  # fmt: skip
    assert (await member.submit(f"/review/{item['id']}", fields)).status_code == 303
    now = await get(admin, f"/items/{item['id']}")
    assert {name: now[name] for name in had} == had
    assert (now["is_active"], now["needs_review"]) == (True, False)


async def test_stubs_are_merged_and_come_back(member: Browser, admin: AsyncClient) -> None:
    stub = (await get(admin, "/items/review"))[0]["item"]
    fields = {"into_text": "Coffee", "back": "review"}
    answer = await member.submit(f"/items/{stub['id']}/merge", fields)
    assert answer.headers["location"] == f"/review?done=merged&item={stub['id']}", answer.text
    page = await member.show(answer.headers["location"])
    assert "Everything has a name" in page.text
    assert f"/items/{stub['id']}/unmerge" in page.text
    await member.submit(f"/items/{stub['id']}/unmerge", {"back": "review"})
    assert len(await get(admin, "/items/review")) == 1
    # There is no look-up service.
    assert (await member.submit("/review/look-up")).status_code == 409
    assert (await member.submit("/items/1/look-up")).status_code == 409


async def test_words_are_listed(member: Browser, admin: AsyncClient) -> None:
    await new_item(admin, "Tea", seller="Corner shop")
    for kind, word in (("tags", "breakfast"), ("types", "Food"), ("sellers", "Corner shop")):
        page = await member.show(f"/vocabulary?kind={kind}")
        assert word in page.text
        assert word not in (await member.show(f"/vocabulary?kind={kind}&search=xyzzy")).text
    assert (await member.get("/vocabulary?kind=verbs")).status_code in (400, 422)
    assert (await member.submit("/vocabulary/sellers", {"name": "x"})).status_code == 404


@pytest.mark.parametrize("kind", ["tags", "types"])
async def test_words_are_renamed_combined_and_deleted(member: Browser, admin: AsyncClient, kind: str) -> None:
    one, other = "Hot", "Warm"
    for word in (one, other):
        assert (await member.submit(f"/vocabulary/{kind}", {"name": word})).status_code == 303
    answer = await member.submit(f"/vocabulary/{kind}", {"name": "hot"})
    assert answer.status_code == 409
    ids = {each["name"]: each["id"] for each in await get(admin, f"/{kind}/")}
    field = {"tags": ["Hot"]} if kind == "tags" else {"type_id": ids["Hot"]}
    item = await new_item(admin, "Tea", **field)
    assert (await member.submit(f"/vocabulary/{kind}/{ids['Hot']}", {"name": "hot"})).status_code == 303
    answer = await member.submit(f"/vocabulary/{kind}/{ids['Warm']}", {"name": "HOT"})
    assert answer.status_code == 409
    answer = await member.submit(f"/vocabulary/{kind}/{ids['Warm']}", {"name": "  "})
    assert (answer.status_code, 'id="word-name-error"' in answer.text) == (422, True)
    for fields, status in (({}, 422), ({"into_text": "cold"}, 409), ({"into_text": "hot"}, 422)):
        answer = await member.submit(f"/vocabulary/{kind}/{ids['Hot']}/combine", fields)
        assert answer.status_code == status, (fields, answer.text)
        assert Page(answer.text).faults == []
    if kind == "types":
        assert (await member.submit(f"/vocabulary/{kind}/{ids['Hot']}/delete")).status_code == 409
    into = {"into": "Warm"} if kind == "tags" else {"into": ids["Warm"]}
    assert (await member.submit(f"/vocabulary/{kind}/{ids['Hot']}/combine", into)).status_code == 303
    changed = await get(admin, f"/items/{item['id']}")
    assert (changed["tags"] if kind == "tags" else changed["type_name"]) == (["Warm"] if kind == "tags" else "Warm")
    assert "Hot" not in [each["name"] for each in await get(admin, f"/{kind}/")]
    if kind == "tags":
        assert (await member.submit(f"/vocabulary/{kind}/{ids['Warm']}/delete")).status_code == 303


@pytest.mark.parametrize("kind", ["tags", "types"])
async def test_a_name_is_found_among_many_that_contain_it(member: Browser, admin: AsyncClient, kind: str) -> None:
    async def add(name: str) -> int:
        added: int = made(await admin.post(f"/{kind}", json={"name": name}))["id"]
        return added

    # In the order of names, they are all before it.
    for number in range(52):
        await add(f"A tool {number}")
    tool, other = await add("Tool"), await add("Hammer")
    item = await new_item(admin, "Saw", **({"tags": ["Hammer"]} if kind == "tags" else {"type_id": other}))
    if kind == "types":
        assert ">Saw<" not in (await member.show("/items?type_id_text=tool")).text
    answer = await member.submit(f"/vocabulary/{kind}/{other}/combine", {"into_text": "tool"})
    assert answer.status_code == 303, answer.text
    now = await get(admin, f"/items/{item['id']}")
    assert now["tags"] == ["Tool"] if kind == "tags" else now["type_id"] == tool
    if kind == "types":
        fields = {"name": "Drill", "type_id_text": "TOOL", "default_storage_type": "other"}
        added = await member.submit("/items/new", fields)
        assert added.status_code == 303, added.text


async def test_fields_of_a_type(member: Browser, admin: AsyncClient) -> None:
    page = await member.show("/vocabulary/types/1")
    assert "/vocabulary/fields/1" in page.text
    page = await member.show("/vocabulary/fields/1")
    assert "Grade" in page.text
    assert "One of several: A, B" in page.text
    answer = await member.submit("/vocabulary/fields/1", {"name": "grade", "kind": "text"})
    assert answer.status_code == 409
    assert "has a field with this name already" in answer.text
    # What the kind does not need is left out.
    size = {"name": "Size", "kind": "number", "unit": "mm", "choices": "x\ny"}
    answer = await member.submit("/vocabulary/fields/1", size)
    assert answer.headers["location"] == "/vocabulary/fields/1?done=new-field"
    assert "The field is added" in (await member.show("/vocabulary/fields/1?done=new-field")).text
    grade, field = await get(admin, "/types/1/fields")
    assert (field["name"], field["unit"], field["choices"]) == ("Size", "mm", [])
    answer = await member.submit(f"/vocabulary/fields/1/{field['id']}/place", {"position": "1"})
    assert answer.headers["location"] == "/vocabulary/fields/1"
    assert [each["name"] for each in await get(admin, "/types/1/fields")] == ["Size", "Grade"]
    item = await new_item(admin, "Nut", type_id=1, fields={"Grade": "B", "Size": 5})
    page = await member.show(f"/vocabulary/fields/1/{grade['id']}")
    [version] = re.findall(r'name="version" value="([0-9]+)"', page.text)
    change = {"name": "Grade", "kind": "choice", "choices": "A\n C \n\n", "version": version}
    # Somebody may have changed the field since the page was loaded.
    made(await admin.patch(f"/types/1/fields/{grade['id']}", json={"choices": ["A", "B", "D"]}))
    answer = await member.submit(f"/vocabulary/fields/1/{grade['id']}", change)
    assert answer.status_code == 412
    assert "Somebody else has changed this field" in answer.text
    page = await member.show(f"/vocabulary/fields/1/{grade['id']}")
    [change["version"]] = re.findall(r'name="version" value="([0-9]+)"', page.text)
    answer = await member.submit(f"/vocabulary/fields/1/{grade['id']}", change)
    assert answer.status_code == 409
    assert "1 item has a value of Grade that would not fit" in answer.text
    assert "force=true" not in answer.text
    assert 'name="force"' in answer.text
    answer = await member.submit(f"/vocabulary/fields/1/{grade['id']}", {**change, "force": "true", "name": " "})
    assert (answer.status_code, 'id="f-name-error"' in answer.text) == (422, True)
    answer = await member.submit(f"/vocabulary/fields/1/{grade['id']}", {**change, "force": "true"})
    assert answer.headers["location"] == "/vocabulary/fields/1?done=field"
    assert (await get(admin, f"/items/{item['id']}"))["fields"] == {"Size": 5}
    assert "1 item loses its value" in (await member.show(f"/vocabulary/fields/1/{field['id']}")).text
    # Somebody may have given an item a value since the page was loaded.
    answer = await member.submit(f"/vocabulary/fields/1/{field['id']}/delete", {"count": "0"})
    assert answer.status_code == 409
    answer = await member.submit(f"/vocabulary/fields/1/{field['id']}/delete", {"count": "1"})
    assert answer.headers["location"] == "/vocabulary/fields/1?done=no-field"
    assert (await get(admin, f"/items/{item['id']}"))["fields"] == {}


async def test_combined_types_show_the_values_that_items_have(member: Browser, admin: AsyncClient) -> None:
    kinds = [made(await admin.post("/types/", json={"name": name})) for name in ("Chips", "Parts")]
    chips, parts = kinds

    async def add_field(kind: Json, name: str) -> None:
        made(await admin.post(f"/types/{kind['id']}/fields", json={"name": name}))

    await add_field(parts, "Voltage")
    await add_field(chips, "Case")
    moved = await new_item(admin, "Moved", type_id=parts["id"], fields={"Voltage": "3"})
    early = await new_item(admin, "Early", type_id=chips["id"], fields={"Case": "DIP"})
    # Both have a value that is hidden: of the type that they had before.
    made(await admin.patch(f"/items/{moved['id']}", json={"type_id": chips["id"]}))
    made(await admin.patch(f"/items/{early['id']}", json={"type_id": parts["id"]}))
    await add_field(chips, "Voltage")
    made(await admin.patch(f"/items/{moved['id']}", json={"fields": {"Voltage": "5"}}))
    await get(admin, "/items/")
    await member.show(f"/vocabulary/types/{chips['id']}")
    answer = await member.submit(f"/vocabulary/types/{chips['id']}/combine", {"into_text": "Parts"})
    assert answer.status_code == 303, answer.text
    expected = {"Moved": {"Voltage": "5"}, "Early": {"Case": "DIP"}}
    listed = {item["name"]: item["fields"] for item in await get(admin, "/items/")}
    assert {name: fields for name, fields in listed.items() if name in expected} == expected
    assert [item["name"] for item in await get(admin, "/search", q="DIP")] == ["Early"]


async def test_combined_types_have_the_fields_of_both(member: Browser, admin: AsyncClient) -> None:
    made(await admin.post("/types", json={"name": "Groceries"}))
    made(await admin.post("/types/2/fields", json={"name": "GRADE", "kind": "choice", "choices": ["b", "C"]}))
    made(await admin.post("/types/2/fields", json={"name": "Origin"}))
    tea = await new_item(admin, "Tea", type_id=2, fields={"Grade": "C", "Origin": "Assam"})
    rice = await new_item(admin, "Rice", type_id=1, fields={"Grade": "A"})
    answer = await member.submit("/vocabulary/types/2/combine", {"into_text": "Food"})
    assert answer.status_code == 303, answer.text
    fields = await get(admin, "/types/1/fields")
    assert [(each["name"], each["choices"]) for each in fields] == [("Grade", ["A", "B", "C"]), ("Origin", [])]
    assert (await get(admin, f"/items/{tea['id']}"))["fields"] == {"Grade": "C", "Origin": "Assam"}
    assert (await get(admin, f"/items/{rice['id']}"))["fields"] == {"Grade": "A"}
    drinks = made(await admin.post("/types", json={"name": "Drinks"}))
    made(await admin.post(f"/types/{drinks['id']}/fields", json={"name": "Grade", "kind": "number"}))
    answer = await member.submit(f"/vocabulary/types/{drinks['id']}/combine", {"into_text": "Food"})
    assert answer.status_code == 409
    assert len(await get(admin, "/types")) == 2
