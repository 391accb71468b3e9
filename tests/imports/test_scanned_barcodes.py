"""Barcodes and codes in files that a scanner wrote: they are those of the scans."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from stocky.barcodes.codes import normalize_barcode
from stocky.config import Config
from tests.architecture import schema
from tests.imports.importing import counts, imported
from tests.inventory import get, new_item


async def test_barcodes_are_cleaned_and_found_in_any_form(member: AsyncClient) -> None:
    book = await new_item(member, "Book", barcodes=[{"barcode": "9780306406157"}])
    tea = await new_item(member, "Tea")
    content = (
        "name,code,barcode,barcodes\n"
        'Book,,0-306-40615-2,"\u200bCOLA\u200b; ]C0BOX*6"\n'
        f'Tea,"\u200b{tea["code"]}",]E04006381333931,\n'
    )
    assert counts(await imported(member, content)) == (0, 2, 0, 0)
    barcodes = (await get(member, f"/items/{book['id']}"))["barcodes"]
    assert [(each["barcode"], each["pack_quantity"]) for each in barcodes] == [
        ("9780306406157", 1), ("COLA", 1), ("BOX", 6),
    ]  # fmt: skip
    assert (await get(member, "/items/upc/04006381333931"))["id"] == tea["id"]


@pytest.mark.parametrize("text", ["COLA\r", "TEA ", "MILK\u00a0", "SALT\t", "A\\", "B;\t"])
async def test_exported_barcode_that_ends_in_a_blank_is_the_same(
    member: AsyncClient, config: Config, text: str
) -> None:
    item = await new_item(member, barcodes=[{"barcode": "plain"}])
    # As stored by an older version.
    await asyncio.to_thread(
        schema.run,
        config,
        "INSERT INTO barcode (code, code_key, item_id, is_primary)"
        f" VALUES ('{text}', '{normalize_barcode(text)}', {item['id']}, FALSE)",
    )
    before = await get(member, f"/items/{item['id']}")
    content = (await member.get("/exports/items.csv")).content
    assert counts(await imported(member, content)) == (0, 0, 1, 0)
    assert (await get(member, f"/items/{item['id']}"))["barcodes"] == before["barcodes"]


async def test_command_is_refused_as_a_barcode(member: AsyncClient) -> None:
    report = await imported(member, 'name,barcode\nTea,"{""command"": ""undo""}"\n')
    assert counts(report) == (0, 0, 0, 1)
    assert await get(member, "/items/") == []
