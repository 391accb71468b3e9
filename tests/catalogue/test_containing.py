"""Lists of what contains a text: the same whether the search index finds the items or each is read."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue.containing import find_fragment
from tests.inventory import get, made, new_item, new_location, new_stock
from tests.search.indexing import index_items


async def _found(client: AsyncClient, text: str) -> tuple[list[int], list[int]]:
    """The items and the items of the SKUs that contain a text."""
    items, skus = await get(client, "/items/", search=text), await get(client, "/skus/", search=text)
    return [item["id"] for item in items], [sku["item_id"] for sku in skus]


@pytest.mark.parametrize("is_indexed", [True, False])
async def test_text_is_found_in_any_field(is_indexed: bool, app: Litestar, member: AsyncClient) -> None:
    shelf, attic = await new_location(member), await new_location(member, "Attic (left)")
    coffee = await new_item(member, "Café-Crème No. 5", description="For guests", barcodes=[{"barcode": "LONG-12345"}])
    tea = await new_item(member, "Tea")
    await new_stock(member, coffee, shelf, 1)
    await new_stock(member, tea, attic, 1, notes="50% off at SHOP")
    if is_indexed:
        await index_items(app)
    only_coffee, only_tea = ([coffee["id"]], [coffee["id"]]), ([], [tea["id"]])
    for text in (
        "é-crème no",
        "CAFÉ",
        "eme no. 5".replace("e", "è", 1),
        "ong-123",
        "345",
        "-1",
        coffee["code"].lower(),
    ):
        assert await _found(member, text) == only_coffee, text
    assert await _found(member, "for gue") == ([coffee["id"]], [])
    for text in ("attic (", "50% off", "shop"):
        assert await _found(member, text) == only_tea, text
    for text in ("cafe", "creme no", "12345 long", "50_", "nowhere"):
        assert await _found(member, text) == ([], []), text


async def test_changed_item_is_found_before_it_is_indexed_again(app: Litestar, member: AsyncClient) -> None:
    item = await new_item(member, "Coffee")
    await new_stock(member, item, await new_location(member), 1)
    await index_items(app)
    made(await member.patch(f"/items/{item['id']}", json={"name": "Espresso", "barcodes": [{"barcode": "X-777"}]}))
    for text in ("espresso", "x-777"):
        assert await _found(member, text) == ([item["id"]], [item["id"]])
    assert await _found(member, "coffee") == ([], [])


async def test_barcode_that_the_index_leaves_out_is_found(app: Litestar, member: AsyncClient) -> None:
    """The index holds 8,000 characters of a field."""
    barcodes = [{"barcode": f"{number:03}" + "x" * 120} for number in range(80)]
    item = await new_item(member, barcodes=[*barcodes, {"barcode": "the-last-one"}])
    await new_stock(member, item, await new_location(member), 1)
    await index_items(app)
    assert await _found(member, "last-one") == ([item["id"]], [item["id"]])


async def test_no_fragment_is_looked_up_before_every_item_is_indexed(app: Litestar) -> None:
    # The service does it as well.
    await index_items(app)
    async with app.state.database.read() as read:
        assert await find_fragment(read, "C++ No. 12345 é") == "12345"
        assert await find_fragment(read, "C++ é") is None
    async with app.state.database.transaction() as tx:
        await tx.execute("mark_everything")
        assert await find_fragment(tx, "12345") is None
