"""Letters outside ASCII: lists find a name in any case on both databases, and a name needs a visible character."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from httpx import AsyncClient

from tests.inventory import get, made, new_box, new_item, new_location, new_stock, refused

TYPED = ["Äpfel", "äpfel", "ÄPFEL", "äPF"]
INVISIBLE = ["\u200b", "\u2060\ufeff", "\u00ad", "\u3164", "\u2800", " \u200d ", "\u200e"]


@pytest.mark.parametrize("typed", TYPED)
async def test_every_list_finds_a_name_in_any_case(member: AsyncClient, typed: str) -> None:
    item = await new_item(member, "Grüne Äpfel", seller="Äpfel & Söhne")
    shelf = await new_location(member, "Äpfelkeller")
    await new_stock(member, await new_item(member, "Birnen"), await new_location(member), 1, notes="neben den Äpfeln")
    await new_stock(member, item, shelf, 2)
    await new_box(member, 2, name="Äpfelkiste")
    made(await member.post("/projects/", json={"name": "Äpfelkuchen"}))
    made(await member.post("/tags/", json={"name": "Äpfel"}))
    made(await member.post("/types/", json={"name": "Äpfel"}))
    for path, found in (
        ("/items/", 1),
        # A box is a location, too.
        ("/locations/", 2),
        ("/skus/", 2),
        ("/boxes/", 1),
        ("/projects/", 1),
        ("/tags/", 1),
        ("/types/", 1),
        ("/sellers/", 1),
    ):
        assert len(await get(member, path, search=typed)) == found, path
        assert len(await get(member, path, search="Kürbis")) == 0, path
    for path in ("/items/search", "/skus/search", "/locations/search"):
        assert await get(member, path, q=typed), path
    for name, found in (("items", 1), ("stock", 2)):
        answer = await member.get(f"/exports/{name}.csv", params={"search": typed})
        assert len(list(csv.reader(StringIO(answer.text)))) == found + 1, name


@pytest.mark.parametrize("name", INVISIBLE)
async def test_invisible_name_is_rejected(member: AsyncClient, name: str) -> None:
    for path, body in (
        ("/items/", {"name": name}),
        ("/locations/", {"name": name, "storage_type": "pantry"}),
        ("/tags/", {"name": name}),
        ("/types/", {"name": name}),
        ("/projects/", {"name": name}),
        ("/shopping-lists/", {"name": name}),
        ("/api-keys", {"name": name}),
    ):
        refused(await member.post(path, json=body), 422, "blank")
    # A mark within a name is part of its script.
    assert (await new_item(member, "Käse\u200b 200\u00adg"))["name"] == "Käse\u200b 200\u00adg"
