"""Pages of items are put together from cached JSON, and every change of an item shows in the next page."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue import item_pages
from stocky.catalogue.item_pages import ItemPages
from stocky.config import Config
from tests.architecture import schema
from tests.documents.files import picture
from tests.inventory import Json, get, made, new_item, new_location, new_stock


async def assert_page_is_current(client: AsyncClient) -> None:
    """Each item of the lists is what its own route answers."""
    for is_active in ("true", "false"):
        page = await get(client, "/items/", is_active=is_active, limit=100)
        assert page == [await get(client, f"/items/{item['id']}") for item in page]


@pytest.fixture
async def stocked(member: AsyncClient) -> tuple[Json, Json]:
    """An item with stock, a type and a tag, in the cache of pages; and its location."""
    made(await member.post("/types/", json={"name": "Spices"}))
    item = await new_item(member, "Salt", upc="4006381333931", tags=["white"], type_id=1)
    shelf = await new_location(member)
    await new_stock(member, item, shelf, 2)
    await new_item(member, "Pepper", tags=["white", "hot"])
    await assert_page_is_current(member)
    return item, shelf


Change = Callable[[AsyncClient, Json, Json], Awaitable[object]]


async def _change(client: AsyncClient, item: Json, **fields: Any) -> None:
    made(await client.patch(f"/items/{item['id']}", json=fields))


async def _tag(client: AsyncClient, item: Json, _: Json) -> None:
    tag = (await get(client, "/tags/", search="white"))[0]
    made(await client.patch(f"/tags/{tag['id']}", json={"name": "pale"}))


async def _delete_tag(client: AsyncClient, item: Json, _: Json) -> None:
    tag = (await get(client, "/tags/", search="white"))[0]
    assert (await client.delete(f"/tags/{tag['id']}")).status_code == 204


async def _rename_type(client: AsyncClient, item: Json, _: Json) -> None:
    made(await client.patch("/types/1", json={"name": "Herbs"}))


async def _field(client: AsyncClient, item: Json, _: Json) -> None:
    field = made(await client.post("/types/1/fields", json={"name": "Note"}))
    await _change(client, item, fields={"Note": '"total_quantity":0,"unit":null'})
    await assert_page_is_current(client)
    made(await client.patch(f"/types/1/fields/{field['id']}", json={"name": "Remark"}))
    assert (await get(client, f"/items/{item['id']}"))["fields"] == {"Remark": '"total_quantity":0,"unit":null'}


async def _merge(client: AsyncClient, item: Json, _: Json) -> None:
    made(await client.post(f"/items/{item['id']}/merge", json={"into": 2}))
    await assert_page_is_current(client)
    made(await client.post(f"/items/{item['id']}/unmerge"))


async def _picture(client: AsyncClient, item: Json, _: Json) -> None:
    files = {"file": ("salt.png", picture(), "image/png")}
    document = made(await client.post("/documents/", files=files, data={"item_id": str(item["id"])}))
    await _change(client, item, image_document_id=document["id"])
    await assert_page_is_current(client)
    assert (await client.delete(f"/documents/{document['id']}")).status_code == 204


async def _unit(client: AsyncClient, item: Json, _: Json) -> None:
    sku = (await get(client, "/skus", item_id=item["id"]))[0]
    made(await client.patch(f"/skus/{sku['id']}", json={"unit": "bag"}))


async def _scan(client: AsyncClient, item: Json, shelf: Json) -> None:
    made(await client.post("/scanner/scan", json={"upc": "4006381333931", "location_hint": shelf["id"]}))


async def _delete(client: AsyncClient, item: Json, shelf: Json) -> None:
    count = {"type": "set", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 0}
    made(await client.post("/events", json={"events": [count]}))
    assert (await client.delete(f"/items/{item['id']}")).status_code == 200


CHANGES: dict[str, Change] = {
    "name": lambda client, item, _: _change(client, item, name="Sea salt"),
    "barcodes": lambda client, item, _: _change(client, item, barcodes=[{"barcode": "B-1", "pack_quantity": 6}]),
    "tags": lambda client, item, _: _change(client, item, tags=["fine"]),
    "minimum": lambda client, item, _: _change(client, item, min_quantity=5),
    "tag renamed": _tag,
    "tag deleted": _delete_tag,
    "type renamed": _rename_type,
    "field set and renamed": _field,
    "merged and unmerged": _merge,
    "picture set and deleted": _picture,
    "unit of its stock": _unit,
    "scanned": _scan,
    "deactivated": _delete,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_every_change_of_an_item_shows_in_the_next_page(
    member: AsyncClient, stocked: tuple[Json, Json], change: str
) -> None:
    before = await get(member, "/items/", limit=100)
    await CHANGES[change](member, *stocked)
    await assert_page_is_current(member)
    if change not in ("merged and unmerged", "picture set and deleted"):
        assert await get(member, "/items/", limit=100) != before


async def test_texts_that_look_like_the_fields_put_in(member: AsyncClient, config: Config) -> None:
    odd = '","total_quantity":0,"version":1,"unit":null,"'
    item = await new_item(member, odd, description='\\"unit":null', tags=['"unit":null'])
    data = json.dumps({"total_quantity": 0, "version": 7, "unit": None})
    schema.run(config, f"UPDATE item SET upc_data = '{data}' WHERE id = {item['id']}")
    await new_stock(member, item, await new_location(member), 2.5, unit='"unit":null')
    for _ in range(2):
        await assert_page_is_current(member)
    page = await get(member, "/items/")
    assert (page[0]["name"], page[0]["total_quantity"], page[0]["unit"]) == (odd, 2.5, '"unit":null')
    assert page[0]["upc_data"] == json.loads(data)


async def test_cache_of_items_stays_within_its_bounds(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_pages, "CACHED_BYTES", 5 * item_pages.BESIDE_JSON)
    pages: ItemPages = app.state.item_pages
    for number in range(12):
        await new_item(member, f"Salt {number}")
        await assert_page_is_current(member)
        assert pages.size_bytes <= item_pages.CACHED_BYTES


async def test_cache_of_items_is_dropped_when_the_data_is_replaced(
    app: Litestar, member: AsyncClient, stocked: tuple[Json, Json], config: Config
) -> None:
    # As after a restore: the same id and version, and another item.
    schema.run(config, "UPDATE item SET name = 'Restored'")
    app.state.database.gate.data_replaced()
    assert {item["name"] for item in await get(member, "/items/")} == {"Restored"}
