"""`stocky check` finds anything that a merged item still has."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture.schema import falsify
from tests.documents.files import pdf, uploaded
from tests.inventory import made, new_item
from tests.merging.merges import merge
from tests.shopping.lists import new_list, put_on


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("barcode", "still has a barcode"),
        ("document", "still has a document"),
        ("shopping_list_entry", "still stands on a shopping list"),
        ("project_entry", "still stands on a project"),
    ],
)
async def test_check_finds_remnants_of_a_merged_item(
    table: str, words: str, member: AsyncClient, config: Config
) -> None:
    source, target = await new_item(member, "A", upc="TEA-0000"), await new_item(member, "B")
    await put_on(member, await new_list(member), source, 2)
    await uploaded(member, source, pdf())
    made(await member.post("/projects/", json={"name": "Lamp", "items": [{"item_id": source["id"], "quantity": 2}]}))
    await merge(member, source, target)
    assert await find_faults(config) == []
    await asyncio.to_thread(falsify, config, f"UPDATE {table} SET item_id = {source['id']}")
    assert [each.message for each in await find_faults(config)] == [f"item {source['id']} was merged and {words}"]
