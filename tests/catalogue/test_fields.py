"""Custom fields: a type has them, its items have values in them, and no value is lost without being asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from tests.architecture import schema
from tests.inventory import Json, get, made, new_item, refused
from tests.merging.merges import merge, unmerge
from tests.search.indexing import index_items


async def new_type(client: AsyncClient, name: str = "Semiconductors", **kinds: Any) -> Json:
    """A type with a field of each name; a list makes it a choice."""
    kind = made(await client.post("/types/", json={"name": name}))
    for field, each in kinds.items():
        body = {"kind": "choice", "choices": each} if isinstance(each, list) else {"kind": each}
        await new_field(client, kind, field, **body)
    return kind


async def new_field(client: AsyncClient, of: Json, name: str, **more: Any) -> Json:
    return made(await client.post(f"/types/{of['id']}/fields", json={"name": name, **more}))


async def fields_of(client: AsyncClient, kind: Json) -> dict[str, Json]:
    return {field["name"]: field for field in await get(client, f"/types/{kind['id']}/fields")}


async def part(client: AsyncClient, kind: Json, name: str = "BC547", **fields: Any) -> Json:
    return await new_item(client, name, type_id=kind["id"], fields=fields)


async def names(client: AsyncClient, **query: Any) -> list[str]:
    return [item["name"] for item in await get(client, "/items/", **query)]


async def test_fields_of_a_type_are_listed_in_their_order(member: AsyncClient, reader: AsyncClient) -> None:
    kind = await new_type(member)
    voltage = await new_field(member, kind, "Voltage", kind="NUMBER", unit="V")
    assert (voltage["kind"], voltage["unit"], voltage["choices"], voltage["position"]) == ("number", "V", [], 1)
    await new_field(member, kind, "Note")
    package = await new_field(member, kind, "Package", kind="choice", choices=["TO-92", "SMD"], position=1)
    assert [(name, each["position"]) for name, each in (await fields_of(reader, kind)).items()] == [
        ("Package", 1),
        ("Voltage", 2),
        ("Note", 3),
    ]
    assert await get(reader, f"/types/{kind['id']}/fields/{package['id']}") == package
    address = f"/types/{kind['id']}/fields/{voltage['id']}"
    changed = made(await member.patch(address, json={"position": 99, "unit": "mV"}))
    assert (changed["position"], changed["unit"], changed["name"]) == (3, "mV", "Voltage")
    assert (await member.delete(f"/types/{kind['id']}/fields/{package['id']}")).status_code == 204
    assert [(name, each["position"]) for name, each in (await fields_of(reader, kind)).items()] == [
        ("Note", 1),
        ("Voltage", 2),
    ]
    refused(await reader.post(f"/types/{kind['id']}/fields", json={"name": "x"}), 403)


async def test_a_change_of_a_field_can_name_what_it_was_made_to(member: AsyncClient) -> None:
    kind = await new_type(member, Package=["TO-92"])
    address = f"/types/{kind['id']}/fields/1"
    read = {"If-Match": (await member.get(address)).headers["etag"]}
    made(await member.patch(address, json={"choices": ["TO-92", "SMD"]}, headers=read))
    for body in ({"choices": ["TO-92", "DIP"]}, {}):
        stale = refused(await member.patch(address, json=body, headers=read), 412)
        assert stale["type"].endswith("/problems/changed-meanwhile")
    assert (await get(member, address))["choices"] == ["TO-92", "SMD"]


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"name": "VOLTAGE"}, 409, "name already"),
        ({"name": " x"}, 422, ""),
        ({"name": ""}, 422, ""),
        ({"name": "x", "kind": "money"}, 422, "kind"),
        ({"name": "x", "unit": "V"}, 422, "only a number"),
        ({"name": "x", "choices": ["a"]}, 422, "choice"),
        ({"name": "x", "kind": "choice"}, 422, "at least one"),
        ({"name": "x", "kind": "choice", "choices": ["a", "A"]}, 422, "once"),
        ({"name": "x", "position": 0}, 422, ""),
    ],
)
async def test_fields_that_make_no_sense_are_rejected(
    member: AsyncClient, wrong: Json, status: int, words: str
) -> None:
    kind = await new_type(member, Voltage="number")
    refused(await member.post(f"/types/{kind['id']}/fields", json=wrong), status, words)
    assert list(await fields_of(member, kind)) == ["Voltage"]
    refused(await member.get("/types/999/fields"), 404)
    refused(await member.get(f"/types/{kind['id']}/fields/999"), 404)
    other = await new_type(member, "Other")
    field = (await fields_of(member, kind))["Voltage"]["id"]
    refused(await member.patch(f"/types/{other['id']}/fields/{field}", json={"name": "y"}), 404)


async def test_items_have_exact_values_by_name(member: AsyncClient) -> None:
    kind = await new_type(member, Capacity="number", Package=["TO-92", "SMD"], Note="text", Bought="date")
    values = {"capacity": 0.0000047, "Package": "to-92", "Note": "5", "BOUGHT": "2026-01-31"}
    item = await part(member, kind, **values)
    assert item["fields"] == {"Capacity": 0.0000047, "Package": "TO-92", "Note": "5", "Bought": "2026-01-31"}
    assert list(item["fields"]) == ["Capacity", "Package", "Note", "Bought"]
    assert await get(member, f"/items/{item['id']}") == item
    assert await get(member, "/items/") == [item]
    changed = made(await member.patch(f"/items/{item['id']}", json={"fields": {"Note": None, "Capacity": "1e3"}}))
    assert changed["fields"] == {"Capacity": 1000, "Package": "TO-92", "Bought": "2026-01-31"}
    assert changed["version"] == item["version"] + 1
    # Clients that know of no fields change none, also where they send back what they read.
    for body in ({"name": "New"}, {**changed, "name": "Newer"}):
        changed = made(await member.put(f"/items/{item['id']}", json=body))
        assert changed["fields"] == {"Capacity": 1000, "Package": "TO-92", "Bought": "2026-01-31"}
    assert (await new_item(member, "Plain"))["fields"] == {}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"Voltage": "5 V"}, "fields.voltage: must be a number"),
        ({"Voltage": True}, "fields"),
        ({"Voltage": [5]}, "fields"),
        ({"Package": "DIP"}, "must be one of TO-92"),
        ({"Color": "red"}, "no such field"),
        ({"Note": "x" * 501}, "at most 500"),
    ],
)
async def test_values_that_do_not_fit_are_rejected(member: AsyncClient, wrong: Json, words: str) -> None:
    kind = await new_type(member, Voltage="number", Package=["TO-92"], Note="text")
    item = await part(member, kind, Voltage=5)
    refused(await member.patch(f"/items/{item['id']}", json={"fields": wrong}), 422, words)
    refused(await member.post("/items/", json={"name": "B", "type_id": kind["id"], "fields": wrong}), 422, words)
    refused(await member.post("/items/", json={"name": "B", "fields": {"Voltage": 5}}), 422, "no type")
    assert await get(member, "/items/") == [item]


async def test_items_are_filtered_by_fields(member: AsyncClient) -> None:
    kind = await new_type(member, Voltage="number", Package=["TO-92", "SMD"], Bought="date")
    other = await new_type(member, "Batteries", VOLTAGE="number", Package="text")
    await part(member, kind, "One", Voltage=-12, Package="SMD", Bought="2026-01-31")
    await part(member, kind, "Two", Voltage=0.0000047, Package="TO-92", Bought="2026-02-01")
    await part(member, kind, "Three", Voltage=4.5)
    await part(member, other, "Four", Voltage=4.5, Package="AA")
    wanted = {
        "field.Voltage=4.50": ["Three", "Four"],
        "field.voltage=-20..0": ["One"],
        "field.Voltage=0..": ["Two", "Three", "Four"],
        "field.Voltage=..0.0000047": ["One", "Two"],
        f"field.Voltage=0..&type_id={kind['id']}": ["Two", "Three"],
        "field.Package=smd": ["One"],
        "field.Package=aa": ["Four"],
        "field.Package=to-92&field.Voltage=..1": ["Two"],
        "field.Package=to-92&field.Voltage=1..": [],
        "field.Bought=2026-01-01..2026-01-31": ["One"],
        "field.Voltage=1..&search=ou": ["Four"],
        "field.Voltage=": ["One", "Two", "Three", "Four"],
    }
    for query, expected in wanted.items():
        answer = await member.get(f"/items/?{query}")
        assert [item["name"] for item in answer.json()] == expected, query
        if "search" not in query:
            assert answer.headers["x-total-count"] == str(len(expected)), query
    refused(await member.get("/items/?field.Colour=red"), 422, "field.Colour", "no type has a field")
    refused(await member.get("/items/?field.Voltage=much"), 422, "field.Voltage", "must be a number")
    refused(await member.get("/items/?" + "&".join(f"field.x{number}=1" for number in range(11))), 422, "at most 10")


async def test_last_day_is_in_an_open_range(member: AsyncClient) -> None:
    kind = await new_type(member, Warranty="date")
    await part(member, kind, "Forever", Warranty="9999-12-31")
    assert await names(member, **{"field.Warranty": "2026-01-01.."}) == ["Forever"]


async def test_value_is_cleared_while_the_type_changes(member: AsyncClient) -> None:
    old, new = await new_type(member, "Old", Voltage="number"), await new_type(member, "New", Voltage="number")
    item = await part(member, old, Voltage=5)
    change = {"type_id": new["id"], "fields": {"Voltage": None}}
    assert made(await member.patch(f"/items/{item['id']}", json=change))["fields"] == {}


async def test_search_finds_texts_and_choices(app: Litestar, member: AsyncClient) -> None:
    kind = await new_type(member, Package=["TO-92", "SMD"], Note="text", Voltage="number")
    await part(member, kind, "Transistor", Package="TO-92", Note="salvaged from radio", Voltage=777)
    for _ in range(2):
        for typed in ("salvaged", "to92", "radio transistor"):
            (found,) = await get(member, "/search", q=typed)
            assert found["name"] == "Transistor", typed
            assert "fields" in found["match"]["fields"], typed
        assert await get(member, "/search", q="777") == []
        await index_items(app)
    item = (await get(member, "/items/"))[0]
    made(await member.patch(f"/items/{item['id']}", json={"fields": {"Note": None}}))
    assert await get(member, "/search", q="salvaged") == []


async def test_other_type_takes_along_what_fits_and_hides_the_rest(member: AsyncClient, admin: AsyncClient) -> None:
    kind = await new_type(member, Voltage="number", Note="text")
    other = await new_type(member, "Batteries", VOLTAGE="text", Note="number")
    item = await part(member, kind, Voltage=4.5, Note="old")
    moved = made(await member.patch(f"/items/{item['id']}", json={"type_id": other["id"]}))
    assert moved["fields"] == {"VOLTAGE": "4.5"}
    (entry,) = await get(admin, "/audit", subject="item", action="changed")
    assert entry["details"]["hidden_fields"] == {"Note": "old"}
    assert await names(member, **{"field.Note": "old"}) == []
    made(await member.patch(f"/items/{item['id']}", json={"fields": {"Voltage": "9"}}))
    back = made(await member.patch(f"/items/{item['id']}", json={"type_id": kind["id"]}))
    assert back["fields"] == {"Voltage": 9, "Note": "old"}
    # A client sends back what it read, with another type.
    assert made(await member.put(f"/items/{item['id']}", json={**back, "type_id": None}))["fields"] == {}
    again = made(await member.patch(f"/items/{item['id']}", json={"type_id": kind["id"], "fields": {"Note": "new"}}))
    assert again["fields"] == {"Voltage": 9, "Note": "new"}


async def test_field_with_values_is_removed_only_by_force(member: AsyncClient, admin: AsyncClient) -> None:
    kind = await new_type(member, Voltage="number", Note="text")
    field = (await fields_of(member, kind))["Voltage"]
    address = f"/types/{kind['id']}/fields/{field['id']}"
    items = [await part(member, kind, name, Voltage=4.5, Note="n") for name in ("A", "B")]
    problem = refused(await member.delete(address), 409, "2 items have a value of Voltage", "force=true")
    assert problem["type"].endswith("/in-use")
    assert await get(member, "/items/") == items
    assert (await member.delete(address, params={"force": True})).status_code == 204
    after = await get(member, "/items/")
    assert [item["fields"] for item in after] == [{"Note": "n"}] * 2
    assert [item["version"] for item in after] == [item["version"] + 1 for item in items]
    (entry,) = await get(admin, "/audit", subject="item_field", action="deleted")
    assert entry["details"]["values"] == {str(item["id"]): "4.5" for item in items}
    assert (entry["details"]["name"], entry["details"]["items"]) == ("Voltage", 2)


async def test_kind_and_choices_change_where_all_values_fit(member: AsyncClient) -> None:
    kind = await new_type(member, Size="text")
    field = (await fields_of(member, kind))["Size"]
    address = f"/types/{kind['id']}/fields/{field['id']}"
    five, big = await part(member, kind, "Five", Size="5.0"), await part(member, kind, "Big", Size="big")
    refused(await member.patch(address, json={"kind": "number"}), 409, "1 item has a value of Size")
    made(await member.patch(f"/items/{big['id']}", json={"fields": {"Size": "10"}}))
    changed = made(await member.patch(address, json={"kind": "number", "unit": "mm"}))
    assert (changed["kind"], changed["unit"]) == ("number", "mm")
    assert [item["fields"] for item in await get(member, "/items/")] == [{"Size": 5}, {"Size": 10}]
    assert await names(member, **{"field.Size": "6.."}) == ["Big"]
    refused(await member.patch(address, json={"kind": "choice"}), 422, "at least one")
    refused(await member.patch(address, json={"kind": "choice", "choices": ["5"]}), 409, "1 item has")
    changed = made(await member.patch(address, json={"kind": "choice", "choices": ["5"]}, params={"force": True}))
    assert (changed["unit"], changed["choices"]) == ("", ["5"])
    assert [item["fields"] for item in await get(member, "/items/")] == [{"Size": "5"}, {}]
    # Another choice, and another spelling of one.
    made(await member.patch(address, json={"choices": ["5", "ten"]}))
    made(await member.patch(f"/items/{five['id']}", json={"fields": {"Size": "TEN"}}))
    made(await member.patch(address, json={"choices": ["Ten"]}))
    assert (await get(member, f"/items/{five['id']}"))["fields"] == {"Size": "Ten"}
    assert made(await member.patch(address, json={"name": "Width"}))["name"] == "Width"
    assert (await get(member, "/items/"))[0]["fields"] == {"Width": "Ten"}


async def test_type_with_hidden_values_is_deleted_only_by_force(member: AsyncClient) -> None:
    kind = await new_type(member, Note="text")
    item = await part(member, kind, Note="n")
    made(await member.patch(f"/items/{item['id']}", json={"type_id": None}))
    refused(await member.delete(f"/types/{kind['id']}"), 409, "1 item has a value of Note")
    assert (await member.delete(f"/types/{kind['id']}", params={"force": True})).status_code == 204
    empty = await new_type(member, "Empty", Note="text")
    assert (await member.delete(f"/types/{empty['id']}")).status_code == 204


async def test_merge_gives_the_target_the_values_that_it_lacks(member: AsyncClient) -> None:
    kind = await new_type(member, Voltage="number", Note="text", Package="text")
    other = await new_type(member, "Other", Voltage="text", Package=["SMD"], More="text")
    source = await part(member, other, "A", Voltage="4.5", Package="SMD", More="m")
    target = await part(member, kind, "B", Note="mine", Package="TO-92")
    await merge(member, source, target)
    merged = await get(member, f"/items/{target['id']}")
    assert merged["fields"] == {"Voltage": 4.5, "Note": "mine", "Package": "TO-92"}
    assert (await get(member, f"/items/{source['id']}"))["fields"] == source["fields"]
    made(await member.patch(f"/items/{target['id']}", json={"fields": {"Note": "new"}}))
    await unmerge(member, source)
    assert (await get(member, f"/items/{target['id']}"))["fields"] == {"Note": "new", "Package": "TO-92"}
    assert (await get(member, f"/items/{source['id']}"))["fields"] == source["fields"]


async def test_no_value_is_stored_that_does_not_fit(member: AsyncClient, config: Config) -> None:
    """Values and the kind of their field change at the same time."""
    kind = await new_type(member, Size="text")
    address = f"/types/{kind['id']}/fields/{(await fields_of(member, kind))['Size']['id']}"
    items = [await part(member, kind, f"Item {number}") for number in range(4)]

    async def write(item: Json) -> None:
        for text in ("big", "5", "bigger"):
            await member.patch(f"/items/{item['id']}", json={"fields": {"Size": text}})

    async def change() -> None:
        for to in ("number", "text", "number", "text"):
            await member.patch(address, json={"kind": to}, params={"force": True})

    await asyncio.gather(change(), *map(write, items))
    made(await member.patch(address, json={"kind": "number"}, params={"force": True}))
    stored = await schema.run_beside(config, "SELECT value FROM item_field_value")
    assert {value for (value,) in stored} <= {"5"}
    assert all(set(item["fields"].values()) <= {5} for item in await get(member, "/items/"))
