"""The corpus of scanned texts: what is read in each, that every route finds the same, and that migrations do."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar

from stocky.barcodes.codes import AROUND, ScannedCode, clean, normalize_barcode
from stocky.barcodes.measures import MeasureRule
from stocky.barcodes.reader import read_code
from stocky.config import Config
from stocky.db.migrate import list_migrations, migrate, rollback
from tests.architecture import schema
from tests.architecture.source import ROOT
from tests.barcodes.corpus import MEASURE_RULES, MEASURED, READ, REFUSED
from tests.inventory import Json, get, made, new_item, new_location, refused

RULES = msgspec.convert(MEASURE_RULES, tuple[MeasureRule, ...])


def test_corpus_is_large_enough() -> None:
    assert len(READ) >= 60


@pytest.mark.parametrize("text", READ)
async def test_text_is_read(text: str) -> None:
    assert await read_code(text, ()) == ScannedCode(text, **READ[text])


@pytest.mark.parametrize("text", MEASURED)
async def test_variable_measure_is_read(text: str) -> None:
    assert await read_code(text, RULES) == ScannedCode(text, **MEASURED[text])


@pytest.mark.parametrize("text", REFUSED)
async def test_text_is_refused(text: str) -> None:
    problem = (await read_code(text, RULES)).problem
    assert problem is not None
    assert REFUSED[text] in problem


@given(st.text(st.sampled_from("]E0C14X-x 0123456789\r\ufeff\u200b"), max_size=24))
def test_key_of_a_key_is_itself(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    if clean(text):
        assert normalize_barcode(normalize_barcode(text)) == normalize_barcode(text)


async def test_every_route_reads_the_same(member: AsyncClient, scanner: AsyncClient) -> None:
    """What a scan made a stub of is found by every other route, in whatever form it is sent."""
    await check_routes(member, scanner, READ)


async def test_every_route_reads_the_same_measure(
    admin: AsyncClient, member: AsyncClient, scanner: AsyncClient
) -> None:
    made(await admin.patch("/settings", json={"measure_rules": MEASURE_RULES}))
    await check_routes(member, scanner, MEASURED)


async def check_routes(member: AsyncClient, scanner: AsyncClient, table: dict[str, dict[str, Any]]) -> None:
    shelf = await new_location(member)
    await scanner.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]})
    for number, (text, said) in enumerate(table.items()):
        scan = {"upc": text, "scanner_id": "s1", "event_id": f"s{number}"}
        item = made(await scanner.post("/scanner/scan", json=scan))["item"]
        assert item is not None, text
        found = made(await scanner.post(f"/scanner/lookup/{quote(text, safe='')}"))["item"]
        assert found["id"] == item["id"], text
        assert (await get(member, f"/items/upc/{quote(text, safe='')}"))["id"] == item["id"], text
        event = {"type": "add", "item": {"upc": text}, "location": {"id": shelf["id"]}, "quantity": 1}
        [result] = made(await scanner.post("/events/", json={"events": [event]}))["results"]
        if "serial" in said:
            assert "in stock already" in result["reason"], text
            continue
        assert result["status"] == "applied", (text, result)
        recorded = await get(member, f"/events/{result['id']}")
        assert (recorded["item_id"], recorded["note"]) == (item["id"], said.get("note")), text
        if "piece_key" in said and "milligrams" in said:
            assert recorded["delta"] == said["milligrams"] / 1_000_000, text
        elif "milligrams" not in said:
            assert recorded["delta"] == said.get("count", 1), text
        # As a barcode of another item it is taken, unless it is a label with more than its number.
        bare = normalize_barcode(text) in (said["key"], said.get("piece_key"))
        if bare and not said.get("bag"):
            other = {"name": "Other", "barcodes": [{"barcode": text}]}
            refused(await member.post("/items/", json=other), 409)
    keys = {said["key"] for said in table.values()}
    items = await get(member, "/items/", limit=1000)
    assert len(items) == len(keys), "one item for each key"


async def test_refused_text_books_nothing_by_any_route(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    for text, words in REFUSED.items():
        event = {"type": "add", "item": {"upc": text}, "location": {"id": shelf["id"]}, "quantity": 1}
        [result] = made(await scanner.post("/events/", json={"events": [event]}))["results"]
        assert (result["status"], words in result["reason"]) == ("rejected", True), text
        found = made(await scanner.post(f"/scanner/lookup/{quote(text, safe='')}"))
        assert (found["success"], found["item"]) == (False, None), text
        refused(await member.get(f"/items/upc/{quote(text, safe='')}"), 422, words)
    assert await get(member, "/items/") == []


# ---- the migration ---------------------------------------------------------------------------------------------------


async def before_the_folding(config: Config, member: AsyncClient, items: int) -> None:
    for number in range(items):
        await new_item(member, f"Item {number}")
    step = next(each.id for each in list_migrations(config) if each.id.endswith(".barcode-folding"))
    # In a thread: it may wait for a transaction that the application ends on the loop.
    await asyncio.to_thread(rollback, config, step)


def add(config: Config, item: int, code: str, key: str | None = None, pack: int = 1) -> None:
    """Adds a barcode as stored before the folding."""
    quoted, of_key = code.replace("'", "''"), (key or code).replace("'", "''")
    schema.run(
        config,
        "INSERT INTO barcode (code, code_key, item_id, pack_milli, is_primary)"
        f" VALUES ('{quoted}', '{of_key}', {item}, {pack * 1000}, FALSE)",
    )


def rows(config: Config) -> list[tuple[str, str, str | None]]:
    """Code, key, and shared key, in the order of their addition."""
    return [(code, key, shared) for code, key, shared in schema.run(
        config, "SELECT code, code_key, shared_key FROM barcode ORDER BY id"
    )]  # fmt: skip


def test_both_dialects_fold_by_the_same_text() -> None:
    texts = [(ROOT / "migrations" / name / "0024.barcode-folding.sql").read_text() for name in ("sqlite", "postgres")]
    shared = {text.partition("-- Written to the table")[0] for text in texts}
    assert len(shared) == 1
    assert all(len(text) > 8_000 for text in shared)


async def test_migration_gives_the_keys_that_new_barcodes_get(
    app: Litestar, member: AsyncClient, config: Config
) -> None:
    await before_the_folding(config, member, 1)
    texts = [*READ, *(f"{sign}around{sign}" for sign in AROUND), "\u200b", " ", "]E0 ", "]E098765432", "]C1 ]C1a"]
    texts += [f"{number:08}" for number in range(1_000_000, 20_000_000, 76_543)]
    texts += [f"{number:010}" for number in range(3_064_061_000, 3_064_061_300, 7)]
    texts += [f"4006381333931{number:02}" for number in range(40)] + [f"4006381333931{n:05}" for n in range(0, 400, 7)]
    texts += [f"614141123452{number:05}" for number in range(0, 300, 7)] + ["614141123452-12", "400638133393-1-07"]
    for text in dict.fromkeys(texts):
        if len(text) <= 128:  # more had no barcode before
            add(config, 1, text)
    await asyncio.to_thread(migrate, config)
    by_key: dict[str, str] = {}
    for code, key, shared in rows(config):
        wanted = normalize_barcode(code)
        assert (key, shared) == ((wanted, None) if wanted not in by_key else (code, wanted)), code
        by_key.setdefault(wanted, code)


async def test_migration_lists_what_is_now_the_same_and_merges_nothing(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    await before_the_folding(config, member, 5)
    add(config, 1, "COLA\r")
    add(config, 2, "COLA")
    add(config, 3, "04252614")
    add(config, 3, "042100005264", "00042100005264", 6)
    add(config, 4, "0-306-40615-2")
    add(config, 5, "]C0free")
    await asyncio.to_thread(migrate, config)
    assert rows(config) == [
        ("COLA\r", "COLA\r", "COLA"),
        ("COLA", "COLA", None),
        ("04252614", "04252614", "00042100005264"),
        ("042100005264", "00042100005264", None),
        ("0-306-40615-2", "09780306406157", None),
        ("]C0free", "free", None),
    ]
    for text, item in (("COLA\r", 1), ("COLA\n", 2), ("9780306406157", 4), ("free", 5)):
        assert made(await scanner.post(f"/scanner/lookup/{quote(text)}"))["item"]["id"] == item, text
    listed: list[Json] = await get(member, "/items/review/barcodes")
    assert [(each["barcode"], each["item_id"], each["same_barcode"], each["same_item_id"]) for each in listed] == [
        ("COLA\r", 1, "COLA", 2),
        ("04252614", 3, "042100005264", 3),
    ]
    # Merged, the two are of one item, which can be changed, and are listed until one of them is removed.
    made(await member.post("/items/1/merge", json={"into": 2}))
    assert [each["item_id"] for each in await get(member, "/items/review/barcodes")] == [2, 3]
    assert made(await scanner.post("/scanner/lookup/COLA%0D"))["item"]["id"] == 2
    made(await member.post("/items/2/barcodes", json={"barcode": "more"}))
    assert (await member.delete("/items/2/barcodes/COLA%0D")).is_success
    assert [each["item_id"] for each in await get(member, "/items/review/barcodes")] == [3]
    assert made(await scanner.post("/scanner/lookup/COLA%0D"))["item"]["id"] == 2


async def test_two_forms_of_one_item_do_not_stop_its_changes(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    await before_the_folding(config, member, 1)
    ean = "4006381333931"
    add(config, 1, ean, f"0{ean}")
    add(config, 1, f"{ean}\r")
    await asyncio.to_thread(migrate, config)
    before = rows(config)
    assert before == [(ean, f"0{ean}", None), (f"{ean}\r", f"{ean}\r", f"0{ean}")]
    [listed] = await get(member, "/items/review/barcodes")
    assert (listed["barcode"], listed["same_barcode"], listed["same_item_id"]) == (f"{ean}\r", ean, 1)
    made(await member.post("/items/1/barcodes", json={"barcode": "NEW-1"}))
    assert rows(config) == [*before, ("NEW-1", "NEW-1", None)]
    packs = [{"barcode": ean, "pack_quantity": 6}, {"barcode": f"{ean}\r"}]
    assert made(await member.patch("/items/1", json={"barcodes": packs}))["barcodes"][0] == packs[0]
    assert rows(config) == before
    for text in (f"0{ean}", f"{ean}\t", f"{ean}\r"):
        twice = [*packs, {"barcode": text}]
        refused(await member.patch("/items/1", json={"barcodes": twice}), 409, "listed twice")
    assert rows(config) == before
    assert made(await member.patch("/items/1", json={"upc": f"{ean}\r"}))["upc"] == f"{ean}\r"
    assert sorted(rows(config)) == sorted(before)
    made(await member.patch("/items/1", json={"upc": f"0{ean}"}))
    assert rows(config) == [(f"0{ean}", f"0{ean}", None), before[1]]
    assert made(await scanner.post(f"/scanner/lookup/{ean}"))["item"]["id"] == 1
    # The one with the key removed, the other one gets it.
    made(await member.patch("/items/1", json={"barcodes": packs[1:]}))
    assert rows(config) == [(f"{ean}\r", f"0{ean}", None)]
    assert await get(member, "/items/review/barcodes") == []


async def test_removing_one_of_two_same_barcodes_frees_its_key(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    await before_the_folding(config, member, 2)
    add(config, 1, "COLA\r")
    add(config, 2, "COLA")
    await asyncio.to_thread(migrate, config)
    made(await member.post("/items/1/barcodes", json={"barcode": "more"}))
    refused(await member.post("/items/1/barcodes", json={"barcode": "COLA"}), 409, "COLA")
    assert (await member.delete("/items/2/barcodes/COLA")).status_code in (200, 204)
    assert rows(config) == [("COLA\r", "COLA", None), ("more", "more", None)]
    assert made(await scanner.post("/scanner/lookup/COLA"))["item"]["id"] == 1


async def test_rollback_gives_back_the_earlier_keys(app: Litestar, member: AsyncClient, config: Config) -> None:
    await before_the_folding(config, member, 2)
    earlier = [
        ("COLA\r", "COLA\r"), ("COLA", "COLA"), ("04252614", "04252614"), ("96385074", "00000096385074"),
        ("614141123452", "614141123452"), ("0614141123452", "00614141123452"), ("14006381333939", "14006381333939"),
    ]  # fmt: skip
    for code, key in earlier:
        add(config, 1, code, key)
    await asyncio.to_thread(migrate, config)
    assert rows(config) != earlier
    await before_the_folding(config, member, 0)
    assert schema.run(config, "SELECT code, code_key FROM barcode ORDER BY id") == earlier
