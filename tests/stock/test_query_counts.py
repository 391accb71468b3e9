"""How many queries the hot paths run: one more costs every scan, so each has to be meant."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue.repository import ItemFilter
from stocky.db.postgres import PostgresConnection
from stocky.db.queries import load_queries
from stocky.db.sqlite import DirectConnection
from stocky.resources import resource
from stocky.stock.item_stock import list_stocked_items
from tests.inventory import Json, get, made, new_item, new_location, new_stock
from tests.search.indexing import index_items

FILES_OF_HOT_PATHS = {"stock.sql", "scanner.sql", "catalogue.sql"}
# The other queries of the search are also run by the task that updates its index.
QUERY_OF_SEARCHES = "find_containing"
SCAN = {"upc": "4006381333931", "scanner_id": "s1"}
FOR_A_SCAN = [
    "find_scanners",
    "find_locations",
    "find_locations",
    "find_barcodes",
    "lock_items",
    "list_skus_of_items",
    "change_skus",
    "reserve_event_ids",
    "add_events",
    "touch_scanners",
]
# On SQLite, when nothing else was written since.
FOR_A_KNOWN_SCAN = [name for name in FOR_A_SCAN if name not in ("find_barcodes", "lock_items", "list_skus_of_items")]
FOR_A_BATCH = [
    "find_locations",
    "lock_items",
    "list_skus_of_items",
    "find_refusals",
    "find_event_ids",
    "change_skus",
    "reserve_event_ids",
    "add_events",
]
FOR_A_PAGE_OF_ITEMS = ["list_item_versions", "list_items_by_id", "list_barcodes_of", "list_tags_of", "list_item_totals"]
# The items are cached; another page has each of them.
FOR_A_KNOWN_PAGE = ["list_item_versions", "list_item_totals"]

FOR_ITEMS_WITH_STOCK = [
    "list_item_versions",
    "list_items_by_id",
    "list_barcodes_of",
    "list_tags_of",
    "list_stock_of_items",
]


# Where fewer than CANDIDATES contain the words, the index is read once.
FOR_A_SEARCH = [QUERY_OF_SEARCHES, "list_items_by_id", "list_barcodes_of", "list_tags_of"]


@pytest.fixture
def queries(dialect: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the queries that work in the database runs, in their order."""
    names: list[str] = []
    # Background tasks ask meanwhile, of other files.
    own = {
        name
        for name, query in load_queries(resource("sql"), dialect.partition("-")[0]).items()
        if query.source in FILES_OF_HOT_PATHS or name == QUERY_OF_SEARCHES
    }

    def noting(verb: Any) -> Any:
        def noted(self: Any, query: str, *arguments: Any, **more: Any) -> Any:
            if query in own:
                names.append(query)
            return verb(self, query, *arguments, **more)

        return noted

    connection: Any = DirectConnection if dialect == "sqlite" else PostgresConnection
    for name in (
        ("_fetch", "execute_many") if dialect == "sqlite" else ("all", "value", "execute", "rows", "execute_many")
    ):
        monkeypatch.setattr(connection, name, noting(getattr(connection, name)))
    return names


@pytest.fixture
async def shelf(admin: AsyncClient) -> Json:
    return await new_location(admin)


async def test_a_scan(queries: list[str], dialect: str, shelf: Json, admin: AsyncClient, scanner: AsyncClient) -> None:
    await new_item(admin, barcodes=[{"barcode": SCAN["upc"]}])
    scan = SCAN | {"location_hint": shelf["id"]}
    made(await scanner.post("/scanner/scan", json=scan))
    await new_item(admin, "Another")
    queries.clear()
    made(await scanner.post("/scanner/scan", json=scan))
    assert queries == FOR_A_SCAN
    queries.clear()
    made(await scanner.post("/scanner/scan", json=scan))
    assert queries == (FOR_A_KNOWN_SCAN if dialect == "sqlite" else FOR_A_SCAN)


async def test_a_batch_of_500_events(queries: list[str], shelf: Json, admin: AsyncClient, member: AsyncClient) -> None:
    items = [await new_item(admin, f"Item {number}") for number in range(50)]

    def events(prefix: str) -> Json:
        return {
            "events": [
                {
                    "type": "add",
                    "event_id": f"{prefix}{number}",
                    "item": {"id": items[number % len(items)]["id"]},
                    "location": {"id": shelf["id"]},
                    "quantity": 1,
                }
                for number in range(500)
            ]
        }

    assert (await member.post("/events", json=events("a"))).status_code == 200
    await new_item(admin, "Another")
    queries.clear()
    assert (await member.post("/events", json=events("b"))).status_code == 200
    assert queries == FOR_A_BATCH


async def test_a_page_of_items(queries: list[str], admin: AsyncClient, reader: AsyncClient) -> None:
    for number in range(5):
        await new_item(admin, f"Item {number}", barcodes=[{"barcode": f"40063813{number:05}"}])
    queries.clear()
    assert len(await get(reader, "/items/", limit=100)) == 5
    assert queries == FOR_A_PAGE_OF_ITEMS
    queries.clear()
    assert len(await get(reader, "/items/", limit=99)) == 5
    assert queries == FOR_A_KNOWN_PAGE


async def test_a_search(queries: list[str], app: Litestar, admin: AsyncClient, reader: AsyncClient) -> None:
    await new_item(admin, "Ground coffee")
    await new_item(admin, "Decoffee")
    await index_items(app)
    queries.clear()
    assert len(await get(reader, "/search", q="coffee")) == 2
    assert queries == FOR_A_SEARCH


async def test_a_page_of_items_with_their_stock(
    queries: list[str], app: Litestar, shelf: Json, admin: AsyncClient
) -> None:
    for number in range(5):
        await new_stock(admin, await new_item(admin, f"Item {number}"), shelf, 1)
    queries.clear()
    async with app.state.database.read() as read:
        page = await list_stocked_items(read, ItemFilter(), skip=0, limit=50)
    assert [len(each.stock) for each in page] == [1] * 5
    assert queries == FOR_ITEMS_WITH_STOCK
