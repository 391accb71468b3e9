"""The search: queries find the intended items, equally on both databases."""

from __future__ import annotations

import random
import threading
from itertools import product
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue import repository
from stocky.config import Config
from stocky.search import repository as search_repository
from stocky.search.normalize import words_of
from stocky.search.ranking import rank
from tests.architecture import schema
from tests.inventory import Json, get, new_item, new_location, new_stock, refused
from tests.search.indexing import index_items
from tests.search.stockroom import QUERIES, stock_up


@pytest.fixture(autouse=True)
def _codes_that_spell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = map("".join, product("QXZJ", repeat=4))
    monkeypatch.setattr(repository, "new_code", lambda: next(codes))


async def _first(reader: AsyncClient, items: dict[str, Json], typed: str) -> str | None:
    found = await get(reader, "/search", q=typed)
    known_as = {item["id"]: name for name, item in items.items()}
    return known_as[found[0]["id"]] if found else None


async def test_intended_item_comes_first(app: Litestar, member: AsyncClient, reader: AsyncClient) -> None:
    items = await stock_up(member)
    as_it_changes = {typed: await _first(reader, items, typed) for typed, _ in QUERIES}
    assert as_it_changes == dict(QUERIES)
    await index_items(app)
    assert {typed: await _first(reader, items, typed) for typed, _ in QUERIES} == dict(QUERIES)
    for item in items.values():
        assert await get(reader, "/search", q=item["code"].lower()) != []
        assert (await get(reader, "/search", q=item["code"].lower()))[0]["id"] == item["id"]


async def test_short_words_of_any_script_match(app: Litestar, config: Config, member: AsyncClient) -> None:
    chance = random.Random(7)
    scripts = ("10k", "kωμ2", "бвст", "緑茶冷粉", "a5茶в")

    def words(most: int, longest: int) -> str:
        letters = chance.choice(scripts) + chance.choice(scripts)
        return " ".join("".join(chance.choices(letters, k=chance.randint(1, longest))) for _ in range(most))

    for _ in range(60):
        await new_item(member, words(3, 6))
    await index_items(app)
    texts = await schema.run_beside(config, "SELECT item_id, text FROM search_text")
    for typed in (words(1 + at % 4, 1 + at % 3) for at in range(150)):
        found = await get(member, "/search", q=typed, limit=100)
        meant = {item_id for item_id, text in texts if all(word in text for word in words_of(typed).split())}
        assert {row["id"] for row in found if row["match"]["kind"] != "similar"} == meant, typed


async def test_better_matches_come_first(app: Litestar, member: AsyncClient) -> None:
    inside = await new_item(member, "Steak")
    word = await new_item(member, "Green tea")
    described = await new_item(member, "Biscuits", description="For tea")
    beginning = await new_item(member, "Tea, black")
    whole = await new_item(member, "Tea")
    barcode = await new_item(member, "Sugar", barcodes=[{"barcode": "TEA"}])
    expected = [barcode, whole, beginning, word, described, inside]
    for _ in ("marked", "indexed"):
        found = await get(member, "/search", q="TEA")
        assert [row["name"] for row in found] == [item["name"] for item in expected]
        assert [row["match"]["kind"] for row in found] == ["exact", "whole", "begins", "words", "words", "contains"]
        assert [row["match"]["fields"] for row in found[3:5]] == [["name"], ["description"]]
        await index_items(app)


async def test_result_has_stock_and_match(member: AsyncClient) -> None:
    item = await new_item(member, "Milk")
    shelf, fridge = await new_location(member, "Shelf"), await new_location(member, "Fridge")
    await new_stock(member, item, shelf, 1)
    await new_stock(member, item, fridge, 2, expiry_date="2027-03-01")
    await new_stock(member, item, fridge, 3.5, expiry_date="2027-02-01")
    [row] = await get(member, "/search/", q="millk")
    locations, match = row.pop("locations"), row.pop("match")
    assert row == await get(member, f"/items/{item['id']}")
    assert row["total_quantity"] == 6.5
    assert [(each["location"]["name"], each["quantity"], each["expiry_date"]) for each in locations] == [
        ("Fridge", 5.5, "2027-02-01"),
        ("Shelf", 1.0, None),
    ]
    assert match["kind"] == "similar"
    assert match["fields"] == ["name"]
    assert 0.3 <= match["score"] < 1


async def test_inactive_items_are_not_found(app: Litestar, member: AsyncClient) -> None:
    item = await new_item(member, "Salt", upc="4006381333931")
    await index_items(app)
    await member.delete(f"/items/{item['id']}")
    for _ in ("marked", "indexed"):
        for typed in ("salt", "slat", "4006381333931", item["code"]):
            assert await get(member, "/search", q=typed) == []
        await index_items(app)


async def test_word_that_starts_so_comes_before_any_number_that_contain_it(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_repository, "CANDIDATES", 3)
    for number in range(4):
        await new_item(member, f"Decoffee {number}")
    beans = await new_item(member, "Best coffee beans")
    await index_items(app)
    assert (await get(member, "/search", q="coffee"))[0]["id"] == beans["id"]
    # So short that the index has only the start of a word.
    assert (await get(member, "/search", q="co"))[0]["id"] == beans["id"]


async def test_number_of_results_is_bounded(app: Litestar, member: AsyncClient) -> None:
    for number in range(25):
        await new_item(member, f"Cable {number}")
    await index_items(app)
    assert len(await get(member, "/search", q="cable")) == 20
    assert len(await get(member, "/search", q="cable", limit=100)) == 25
    assert [row["name"] for row in await get(member, "/search", q="cable", limit=2)] == ["Cable 0", "Cable 1"]
    refused(await member.get("/search", params={"q": "cable", "limit": 101}), 422)
    refused(await member.get("/search", params={"q": "cable", "limit": 0}), 422)


@pytest.mark.one_server
async def test_invalid_search_is_rejected(member: AsyncClient) -> None:
    refused(await member.get("/search"), 422)
    refused(await member.get("/search", params={"q": ""}), 422)
    refused(await member.get("/search", params={"q": "a" * 201}), 422)
    refused(await member.get("/search", params={"q": "a\0b"}), 422)
    assert await get(member, "/search", q=" ") == []
    assert await get(member, "/search", q="a " * 100) == []
    assert await get(member, "/search", q="abcdefgh" * 25) == []


async def test_ranking_runs_outside_the_event_loop(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await new_item(member, f"Coffee {number}")
    threads = set()

    def noted(*given: Any, **named: Any) -> Any:
        threads.add(threading.current_thread())
        return rank(*given, **named)

    monkeypatch.setattr(search_repository, "rank", noted)
    for _ in ("marked", "indexed"):
        for typed in ("coffee", "offee", "cofee 2"):
            assert await get(member, "/search", q=typed) != []
        await index_items(app)
    assert threads
    assert threading.main_thread() not in threads
