"""The rules for variable-measure barcodes: set, tried, in use by every process, and the barcodes that items have."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.barcodes.codes import with_check_digit
from stocky.config import Config
from stocky.db import Database
from stocky.settings.measure_rules import LOOK_SECONDS, MeasureRules
from tests.architecture import schema
from tests.inventory import Json, get, made, new_item, new_location, refused

pytestmark = pytest.mark.one_server

CHEESE = {
    "prefix": "28",
    "item_digits": 5,
    "measure": "weight",
    "measure_digits": 5,
    "divisor": 1000,
    "check_position": None,
}
NUMBER = with_check_digit("281234500000")


def piece(grams: int, item: str = "12345") -> str:
    return with_check_digit(f"28{item}{grams:05}")


async def set_rules(admin: AsyncClient, *rules: Json) -> None:
    assert made(await admin.patch("/settings", json={"measure_rules": list(rules)}))["measure_rules"] == list(rules)


async def test_rules_are_kept(admin: AsyncClient) -> None:
    price = CHEESE | {"prefix": "22", "measure": "price", "divisor": 100, "item_digits": 4, "check_position": 7}
    await set_rules(admin, CHEESE, price)
    assert (await get(admin, "/settings"))["measure_rules"] == [CHEESE, price]
    made(await admin.patch("/settings", json={"backup_keep": 3}))
    made(await admin.patch("/settings", json={"measure_rules": [CHEESE, price]}))
    assert (await get(admin, "/settings"))["measure_rules"] == [CHEESE, price]
    entries = await get(admin, "/audit/", subject="settings")
    assert [entry["details"] for entry in entries] == [{"backup_keep": 3}, {"measure_rules": [CHEESE, price]}]
    await set_rules(admin)
    assert (await get(admin, "/settings"))["measure_rules"] == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([CHEESE, CHEESE], "two rules for the prefix 28"),
        ([CHEESE | {"prefix": "40"}], "measure_rules"),
        ([CHEESE | {"item_digits": 6}], "together they must be 12"),
        ([CHEESE | {"unknown": 1}], "unknown"),
        (None, "measure_rules"),
        ([{**CHEESE, "prefix": f"28{number:02}", "item_digits": 3} for number in range(51)], "50"),
    ],
)
async def test_invalid_rules_are_rejected(admin: AsyncClient, rules: list[Json] | None, words: str) -> None:
    refused(await admin.patch("/settings", json={"measure_rules": rules}), 422, words)
    assert (await get(admin, "/settings"))["measure_rules"] == []


async def test_rules_of_another_version_are_ignored(admin: AsyncClient, scanner: AsyncClient, config: Config) -> None:
    await set_rules(admin, CHEESE)
    await schema.run_beside(config, """UPDATE setting SET value = '[{"prefix": "28"}]' WHERE name = 'measure_rules'""")
    assert (await get(admin, "/settings"))["measure_rules"] == []
    assert made(await admin.post("/settings/measure-rules/try", json={"barcode": piece(456)}))["rule"] is None


async def test_presets_can_be_sent_as_they_are(admin: AsyncClient) -> None:
    presets = await get(admin, "/settings/measure-rules/presets")
    assert {"AT", "CH", "DE", "ES", "FI", "FR", "GB", "IT", "NL", "NO", "SE", "DK", "US"} <= {
        preset["country"] for preset in presets
    }
    for preset in presets:
        await set_rules(admin, *preset["rules"])


async def test_barcode_is_tried_by_the_rules_in_use_or_by_others(admin: AsyncClient, member: AsyncClient) -> None:
    async def tried(barcode: str, **fields: object) -> Json:
        return made(await admin.post("/settings/measure-rules/try", json={"barcode": barcode, **fields}))

    plain = await tried(piece(456))
    assert (plain["code"], plain["rule"], plain["weight"], plain["item_id"]) == (piece(456), None, None, None)
    by_others = await tried(piece(456), rules=[CHEESE])
    assert (by_others["code"], by_others["rule"], by_others["weight"]) == (NUMBER, CHEESE, 0.456)
    await set_rules(admin, CHEESE)
    item = await new_item(member, "Gouda", barcodes=[{"barcode": NUMBER}])
    assert await tried(piece(456)) == {
        "barcode": piece(456), "code": NUMBER, "rule": CHEESE, "weight": 0.456, "count": None, "price": None,
        "problem": None, "item_id": item["id"], "item_name": "Gouda",
    }  # fmt: skip
    number = await tried(NUMBER)
    assert (number["rule"], number["weight"], number["item_id"]) == (CHEESE, None, item["id"])
    assert (await tried("4006381333931"))["rule"] is None
    assert "check digit" in (await tried("(01)04006381333932"))["problem"]
    refused(await admin.post("/settings/measure-rules/try", json={"barcode": " "}), 422, "blank")
    refused(await admin.post("/settings/measure-rules/try", json={"barcode": "1", "rules": [{}]}), 422)


async def test_barcodes_from_before_a_rule_are_kept_and_listed(
    admin: AsyncClient, member: AsyncClient, scanner: AsyncClient
) -> None:
    shelf = await new_location(member)
    await scanner.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]})

    async def scan(code: str) -> Json:
        item: Json = made(await scanner.post("/scanner/scan", json={"upc": code, "scanner_id": "s1"}))["item"]
        return item

    gouda, other = await scan(piece(456)), await scan(piece(789, "77777"))
    twice = [await scan(piece(100, "55555")), await scan(piece(200, "55555"))]
    assert len({each["id"] for each in (gouda, other, *twice)}) == 4
    assert await get(admin, "/settings/measure-rules/barcodes") == {
        "missing": 0, "shared": 0, "present": 0, "is_complete": True, "barcodes": [],
    }  # fmt: skip
    refused(await admin.post("/settings/measure-rules/barcodes"), 422, "No item lacks")
    await set_rules(admin, CHEESE)
    # Each finds its item as before; another piece of the item does not, until the item has its number.
    assert (await scan(piece(456)))["id"] == gouda["id"]
    listed = await get(admin, "/settings/measure-rules/barcodes")
    assert (listed["missing"], listed["shared"], listed["present"], listed["is_complete"]) == (2, 2, 0, True)
    assert [(each["barcode"], each["item_id"], each["item_number"], each["state"]) for each in listed["barcodes"]] == [
        (piece(456), gouda["id"], NUMBER, "missing"),
        (piece(789, "77777"), other["id"], with_check_digit("287777700000"), "missing"),
        (piece(100, "55555"), twice[0]["id"], with_check_digit("285555500000"), "shared"),
        (piece(200, "55555"), twice[1]["id"], with_check_digit("285555500000"), "shared"),
    ]
    added = made(await admin.post("/settings/measure-rules/barcodes"))
    assert added == {"added": 2, "missing": 0, "shared": 2}
    assert (await scan(piece(999)))["id"] == gouda["id"]
    assert [each["barcode"] for each in (await get(member, f"/items/{gouda['id']}"))["barcodes"]] == [
        piece(456),
        NUMBER,
    ]
    # Those of several items wait until their items are one.
    made(await member.post(f"/items/{twice[0]['id']}/merge", json={"into": twice[1]["id"]}))
    assert made(await admin.post("/settings/measure-rules/barcodes")) == {"added": 1, "missing": 0, "shared": 0}
    assert (await scan(piece(300, "55555")))["id"] == twice[1]["id"]
    # Without the rule, the items keep all of them.
    await set_rules(admin)
    assert (await scan(piece(456)))["id"] == (await scan(NUMBER))["id"] == gouda["id"]
    assert (await scan(piece(998)))["name"] == f"Unknown {piece(998)}"


async def test_item_numbers_are_added_in_parts(
    admin: AsyncClient, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.catalogue.item_numbers.MOST_ADDED", 2)
    for number in range(3):
        await new_item(member, f"Cheese {number}", barcodes=[{"barcode": piece(456, f"1000{number}")}])
    await set_rules(admin, CHEESE)
    assert made(await admin.post("/settings/measure-rules/barcodes"))["missing"] == 1
    assert made(await admin.post("/settings/measure-rules/barcodes")) == {"added": 1, "missing": 0, "shared": 0}
    monkeypatch.setattr("stocky.catalogue.item_numbers.MOST_READ", 2)
    listed = await get(admin, "/settings/measure-rules/barcodes")
    assert (listed["is_complete"], listed["present"]) == (False, 1)


async def test_another_process_sees_a_change_within_seconds(admin: AsyncClient, database: Database) -> None:
    """A second database layer shares nothing with the application, like another process."""
    elsewhere = MeasureRules(database)
    await elsewhere.read()
    assert elsewhere.current == ()
    elsewhere.start()
    try:
        await set_rules(admin, CHEESE)
        for _ in range(100):
            if elsewhere.current:
                break
            await asyncio.sleep(LOOK_SECONDS / 10)
    finally:
        await elsewhere.close()
    assert msgspec.to_builtins(elsewhere.current) == (CHEESE,)


async def test_no_scan_reads_the_rules(
    app: Litestar, admin: AsyncClient, scanner: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_rules(admin, CHEESE)
    await app.state.measure_rules.close()

    async def refuse(*_: object) -> None:
        raise AssertionError("a scan read the rules")

    monkeypatch.setattr("stocky.settings.measure_rules.get_measure_rules", refuse)
    assert NUMBER in made(await scanner.post(f"/scanner/lookup/{piece(456)}"))["message"]
