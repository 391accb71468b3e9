"""Every list can be sorted, and says how long it is and where its pages are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.db.queries import load_queries
from stocky.http.parameters import Paging
from stocky.resources import resource
from tests.api.routes import API, Route, api_routes
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

# A query that each list needs, and a field to sort it by besides `id`.
LISTS: dict[str, tuple[dict[str, str], str]] = {
    "/items": ({}, "name"),
    "/items/search": ({"q": "thing"}, "name"),
    "/items/review": ({}, "event_count"),
    "/items/review/barcodes": ({}, "item_name"),
    "/items/1/merges": ({}, "merged_at"),
    "/items/1/prices": ({}, "paid_at"),
    "/stock-value/items": ({}, "item_name"),
    "/stock-value/locations": ({}, "value"),
    "/items/1/documents": ({}, "name"),
    "/items/1/suggestions": ({}, "kind"),
    "/suggestions": ({}, "item_name"),
    "/types": ({}, "name"),
    "/tags": ({}, "name"),
    "/sellers": ({}, "name"),
    "/locations": ({}, "name"),
    "/locations/search": ({"q": "place"}, "name"),
    "/boxes": ({}, "name"),
    "/boxes/1/places": ({}, "loc_no"),
    "/skus": ({}, "quantity"),
    "/skus/search": ({"q": "thing"}, "quantity"),
    "/skus/low-stock": ({}, "quantity"),
    "/loans": ({}, "item_name"),
    "/scanner": ({}, "scanner_id"),
    "/scanner/associations": ({}, "scanner_id"),
    "/alerts": ({}, "created_at"),
    "/shopping-lists": ({}, "name"),
    "/shopping-lists/1/logs": ({}, "timestamp"),
    "/documents": ({}, "name"),
    "/projects": ({}, "name"),
    "/imports": ({}, "created_at"),
    "/jobs": ({}, "created_at"),
    "/users": ({}, "username"),
    "/api-keys": ({}, "name"),
    "/users/1/api-keys": ({}, "name"),
    "/webhooks": ({}, "url"),
    "/notices/channels": ({}, "name"),
    "/webhooks/1/deliveries": ({}, "created_at"),
    "/reorg/plans": ({}, "created_at"),
    "/audit": ({}, "occurred_at"),
    "/logs": ({}, "created_at"),
    "/log": ({}, "created_at"),
}
# The query of each list, as in the table of the documentation.
QUERIES = {
    "/items": "list_item_versions",
    "/skus": "list_sku_ids",
    "/locations": "list_locations",
    "/boxes": "list_boxes",
    "/boxes/{box_no}/places": "list_box_locations",
    "/types": "list_item_types",
    "/tags": "list_tags",
    "/sellers": "list_sellers",
    "/documents": "list_documents",
    "/suggestions": "list_suggestions",
    "/alerts": "list_alerts",
    "/loans": "list_loans",
    "/scanner": "list_scanners",
    "/shopping-lists": "list_shopping_lists",
    "/shopping-lists/{list_id}/logs": "list_shopping_list_logs",
    "/projects": "list_projects",
    "/reorg/plans": "list_plans",
    "/items/review": "list_stubs",
    "/items/review/barcodes": "list_same_barcodes",
    "/items/{item_id}/merges": "list_merges",
    "/items/{item_id}/prices": "list_prices_of_item",
    "/jobs": "list_jobs",
    "/users": "list_users",
    "/api-keys": "list_api_keys",
    "/webhooks": "list_webhooks",
    "/notices/channels": "list_notice_channels",
    "/webhooks/{webhook_id}/deliveries": "list_webhook_deliveries",
    "/audit": "list_audit_entries",
}
# Queries of the same list, with other filters.
ALIKE = {
    "list_item_versions_containing": ["list_item_versions"],
    "list_sku_ids_with_item": ["list_sku_ids"],
    "list_sku_ids_of_item": ["list_sku_ids"],
    "list_sku_ids_of_lot": ["list_sku_ids"],
    "list_sku_ids_of_serial": ["list_sku_ids"],
    "list_sku_ids_at": ["list_sku_ids"],
    "list_sku_ids_within": ["list_sku_ids"],
    "list_low_sku_ids": ["list_sku_ids"],
    "list_sku_ids_containing": ["list_sku_ids"],
}
ROW = re.compile(r"^\| `(/[^`]+)` \| (`.+`) \|$", re.MULTILINE)
DOCS = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """With a mail server, which no channel of notices is ever asked to use."""
    return environ | {"STOCKY_SMTP_HOST": "127.0.0.1", "STOCKY_SMTP_FROM": "stocky@example.org"}


@pytest.fixture
async def three_of_each(admin: AsyncClient) -> None:
    me = (await get(admin, "/auth/me"))["id"]
    for number, name in enumerate("bCa"):
        made(await admin.post("/boxes", json={"name": name, "capacity": 1}))
        made(await admin.post("/types", json={"name": f"Type {name}"}))
        item = await new_item(admin, f"Thing {name}", min_quantity=9, seller=f"Seller {name}", tags=[f"tag {name}"])
        sku = await new_stock(admin, item, await new_location(admin, f"Place {name}"), number + 1, unit_price=3)
        person = await new_location(admin, f"Person {name}", kind="person")
        made(await admin.post("/loans", json={"sku_id": sku["id"], "person_id": person["id"], "quantity": 0.5}))
        made(await admin.post("/scanner/associate", json={"scanner_id": name, "user_id": me}))
        made(await admin.post("/alerts", json={"alert_type": "other", "message": name}))
        made(await admin.post("/api-keys", json={"name": name}))
        made(await admin.post("/projects", json={"name": name}))
        made(await admin.post("/shopping-lists", json={"name": name}))
        made(await admin.post("/documents/links", json={"item_id": 1, "url": f"https://example.org/{name}"}))
        hook = {"url": f"https://example.org/{name}", "event_types": ["stock.recorded"], "is_active": False}
        made(await admin.post("/webhooks", json=hook))
        made(
            await admin.post(
                "/notices/channels", json={"name": name, "recipients": ["anna@example.org"], "is_active": False}
            )
        )


def _rows(body: Any) -> list[Json]:
    """The entries of a list, some of which are in an object."""
    if isinstance(body, list):
        return body
    rows = next(each for each in body.values() if isinstance(each, list | dict))
    return list(rows.values()) if isinstance(rows, dict) else rows


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_docs_name_the_fields_of_each_list(kind: str) -> None:
    queries = load_queries(resource("sql"), kind)
    documented = {path: re.findall(r"`(\w+)`", fields) for path, fields in ROW.findall(DOCS)}
    assert {path: list(queries.sort_keys(name)) for path, name in QUERIES.items()} == documented
    for name, query in queries.items():
        assert ("sort:" in query.written) == (name in QUERIES.values() or name in ALIKE), name
        for like in ALIKE.get(name, ()):
            assert list(queries.sort_keys(name)) == list(queries.sort_keys(like)), name


def test_table_has_every_list(app: Litestar) -> None:
    with_paging = {
        re.sub(r"\{\w+:int\}", "1", route.path.removeprefix(API))
        for route, handler in api_routes(app).items()
        if route.method == "GET"
        for field in handler.parsed_fn_signature.parameters.values()
        if field.annotation is Paging
    }
    assert with_paging == set(LISTS)
    assert Route("GET", f"{API}/items") in api_routes(app)


@pytest.mark.usefixtures("three_of_each")
async def test_every_list_is_sorted_and_counted(admin: AsyncClient) -> None:
    for path, (query, key) in LISTS.items():
        whole = await admin.get(path, params={**query, "limit": 1000})
        assert whole.status_code == 200, whole.text
        count = len(_rows(whole.json()))
        if "log" not in path:
            assert whole.headers["x-total-count"] == str(count), path
        for order in (key, f"-{key}"):
            rows = _rows(await get(admin, path, **query, sort=order, limit=1000))
            values = [row["item"]["name"] if key == "name" and "item" in row else row.get(key) for row in rows]
            values = [value.casefold() if isinstance(value, str) and key != "scanner_id" else value for value in values]
            if "log" not in path and key != "scanner_id":
                assert values == sorted(values, reverse=order.startswith("-")), (path, order)
        if count > 1 and "log" not in path:
            # Whatever contains a text is counted only where its end is shown.
            total = None if path in ("/items/search", "/skus/search") else str(count)
            one = await admin.get(path, params={**query, "limit": 1})
            assert (len(_rows(one.json())), one.headers.get("x-total-count")) == (1, total), path
            assert 'rel="next"' in one.headers["link"], path
            beyond = await admin.get(path, params={**query, "skip": 999})
            assert (len(_rows(beyond.json())), beyond.headers.get("x-total-count")) == (0, total), path
        for wrong in ("colour", "name;DROP TABLE item", "id,colour", "--id", "a,b,c,d"):
            problem = refused(await admin.get(path, params={**query, "sort": wrong}), 422)
            assert problem["detail"].startswith("sort: "), (path, problem)
            assert problem["errors"][0]["field"] == "sort"


async def test_items_and_skus_are_sorted_by_several_fields(member: AsyncClient) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    for name, here, there in (("tea", 3, 1), ("Coffee", 2, 5), ("salt", 3, 0)):
        note = "" if name == "Coffee" else "in bags"
        item = await new_item(member, name, min_quantity=None if name == "tea" else here, description=note)
        for place, quantity in ((shelf, here), (cellar, there)):
            if quantity:
                await new_stock(member, item, place, quantity)

    async def names(path: str, **query: Any) -> list[Any]:
        return [row.get("name") or (row["item"]["name"], row["quantity"]) for row in await get(member, path, **query)]

    assert await names("/items", sort="name") == ["Coffee", "salt", "tea"]
    assert await names("/items", sort="-total_quantity,name") == ["Coffee", "tea", "salt"]
    assert await names("/items", sort="-min_quantity") == ["salt", "Coffee", "tea"]
    assert await names("/items", sort="min_quantity") == ["Coffee", "salt", "tea"]
    assert await names("/items", sort="-name", limit=1, skip=1) == ["salt"]
    assert await names("/items", search="in bags", sort="-name") == ["tea", "salt"]
    expected = [("Coffee", 5), ("Coffee", 2), ("salt", 3), ("tea", 3), ("tea", 1)]
    assert await names("/skus", sort="name,-quantity", expand="item") == expected
    assert await names("/skus", sort="-quantity,name", expand="item") == [expected[i] for i in (0, 2, 3, 1, 4)]
    assert await names("/skus", sort="-name", location_id=shelf["id"], expand="item") == [
        ("tea", 3), ("salt", 3), ("Coffee", 2)
    ]  # fmt: skip
    refused(await member.get("/skus", params={"sort": "name", "as_of": "2999-01-01T00:00:00Z"}), 422, "sort")
    for path in ("/items", "/skus"):
        refused(await member.get(path, params={"sort": "name", "cursor": 1}), 422, "cursor")


async def test_items_without_a_seller_come_last(member: AsyncClient) -> None:
    for name, seller in (("Salt", ""), ("Tea", "b"), ("Coffee", "A"), ("Ice", None)):
        await new_item(member, name, seller=seller)
    for order, expected in (("seller", ["A", "b", "", ""]), ("-seller", ["b", "A", "", ""])):
        assert [item["seller"] or "" for item in await get(member, "/items", sort=order)] == expected


async def test_sort_is_sent_once(member: AsyncClient) -> None:
    for path in ("/items", "/skus", "/types"):
        refused(await member.get(f"{path}?sort=name&sort=-id"), 422, "separated by commas")


async def test_items_of_a_location(member: AsyncClient) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    tea, coffee = await new_item(member, "Tea"), await new_item(member, "Coffee")
    await new_stock(member, tea, shelf, 1)
    emptied = await new_stock(member, coffee, shelf, 1)
    await new_stock(member, coffee, cellar, 1)
    made(await member.post(f"/skus/{emptied['id']}/adjust", json={"delta": -1}))
    answer = await member.get("/items", params={"location_id": shelf["id"]})
    assert ([item["name"] for item in answer.json()], answer.headers["x-total-count"]) == (["Tea"], "1")
    assert [item["name"] for item in await get(member, "/items", location_id=cellar["id"], search="off")] == ["Coffee"]
    assert await get(member, "/items", location_id=999_999) == []


async def test_links_lead_to_the_other_pages(member: AsyncClient) -> None:
    for number in range(7):
        await new_item(member, f"Salt & {number}")

    async def links(**query: Any) -> dict[str, str]:
        answer = await member.get("/items", params=query)
        assert answer.headers.get("x-total-count") == (None if "cursor" in query else "7")
        return {name: each["url"].removeprefix("/api/v1/items?") for name, each in answer.links.items()}

    assert await links(limit=3) == {
        "first": "skip=0&limit=3", "next": "skip=3&limit=3", "last": "skip=6&limit=3"
    }  # fmt: skip
    assert await links(search="t & ", page=3, size=3) == {
        "first": "search=t+%26+&page=1&size=3", "prev": "search=t+%26+&page=2&size=3",
        "last": "search=t+%26+&page=3&size=3",
    }  # fmt: skip
    assert (await links(skip=2, limit=3))["prev"] == "skip=0&limit=3"
    assert await links(cursor=2, limit=2) == {"first": "cursor=2&skip=0&limit=2", "next": "cursor=2&skip=2&limit=2"}
    long = await member.get("/items", params={"unknown": "x" * 1000})
    assert (long.headers["x-total-count"], "link" in long.headers) == ("7", False)
    for search in ("(" * 200, ":" * 140, "x" * 475, "x" * 480):
        answer = await member.get(f"/items?unknown={search}&limit=2&skip=2")
        assert sum(len(name) + len(value) + 4 for name, value in answer.headers.raw) < 3_000
        assert ("link" in answer.headers) == (search[0] != "(" and len(search) < 480)
    found: list[Json] = []
    address: str | None = "/items?limit=2&sort=-name"
    while address is not None:
        page = await member.get(address)
        found += page.json()
        address = page.links.get("next", {}).get("url", "").removeprefix(API) or None
    assert [item["name"] for item in found] == [f"Salt & {number}" for number in reversed(range(7))]


async def test_total_counts_hidden_and_new_items_at_once(member: AsyncClient) -> None:
    async def total(**query: Any) -> str:
        return str((await member.get("/items", params={"limit": 1, **query})).headers["x-total-count"])

    items = [await new_item(member, f"Salt {number}") for number in range(4)]
    assert await total() == "4"
    await member.delete(f"/items/{items[0]['id']}")
    assert (await total(), await total(is_active="false"), await total(search="salt", limit=4)) == ("3", "1", "3")
    await new_item(member, "Salt 5")
    assert (await total(), await total(skip=2)) == ("4", "4")
