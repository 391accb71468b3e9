"""The migration that adds keys to barcodes: no barcode is lost, and each is still found."""

from __future__ import annotations

import asyncio

from httpx import AsyncClient
from litestar import Litestar

from stocky.barcodes.codes import normalize_barcode
from stocky.config import Config
from stocky.db.migrate import list_migrations, migrate, rollback
from tests.architecture import schema
from tests.inventory import get, made, new_item, refused

PLAIN = [
    "614141123453", "4006381333931", "96385074", "96385075", "00614141123452", "14006381333938", "14006381333939",
    "QXZB", "12345678901", "(01) pack+6%", "４００６３８１３３３９３１", "1", "12a45678", "it's", "123456789012345678",
]  # fmt: skip


def add(config: Config, item: int, code: str, pack: int = 1, *, is_primary: bool = False) -> None:
    """Adds a barcode as stored before the keys."""
    quoted = code.replace("'", "''")
    schema.run(
        config,
        "INSERT INTO barcode (code, item_id, pack_milli, is_primary)"
        f" VALUES ('{quoted}', {item}, {pack * 1000}, {'TRUE' if is_primary else 'FALSE'})",
    )


def keys(config: Config) -> list[tuple[int, str, str]]:
    """Item, barcode and key, in the order of their addition."""
    rows = schema.run(config, "SELECT item_id, code, code_key FROM barcode ORDER BY id")
    return [(item, code, key) for item, code, key in rows]


async def before_the_keys(config: Config, member: AsyncClient, items: int) -> None:
    for number in range(items):
        await new_item(member, f"Item {number}")
    step = next(each.id for each in list_migrations(config) if each.id.endswith(".barcode-keys"))
    # In a thread: it may wait for a transaction that the application ends on the loop.
    await asyncio.to_thread(rollback, config, step)


async def test_old_barcodes_get_the_same_keys_as_new_ones(app: Litestar, member: AsyncClient, config: Config) -> None:
    await before_the_keys(config, member, 1)
    for code in PLAIN:
        add(config, 1, code)
    await asyncio.to_thread(migrate, config)
    assert keys(config) == [(1, code, normalize_barcode(code)) for code in PLAIN]


async def test_two_forms_on_one_item_become_one(app: Litestar, member: AsyncClient, config: Config) -> None:
    await before_the_keys(config, member, 2)
    add(config, 1, "0614141123452")
    add(config, 1, "614141123452", is_primary=True)
    add(config, 1, "00614141123452")
    add(config, 2, "96385074")
    add(config, 2, "000096385074")
    await asyncio.to_thread(migrate, config)
    assert keys(config) == [(1, "614141123452", "00614141123452"), (2, "96385074", "00000096385074")]


async def test_two_forms_with_different_pack_quantities_both_stay(
    app: Litestar, member: AsyncClient, config: Config
) -> None:
    await before_the_keys(config, member, 1)
    add(config, 1, "0614141123452", 6)
    add(config, 1, "614141123452")
    await asyncio.to_thread(migrate, config)
    assert keys(config) == [(1, "0614141123452", "00614141123452"), (1, "614141123452", "614141123452")]


async def test_two_forms_on_two_items_are_found_by_exact_text(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    await before_the_keys(config, member, 5)
    add(config, 1, "0614141123452", is_primary=True)
    add(config, 2, "614141123452", is_primary=True)
    add(config, 3, "96385074")
    add(config, 4, "000096385074")
    add(config, 5, "00000096385074")
    before = {
        code: item for item, code in (await asyncio.to_thread(schema.run, config, "SELECT item_id, code FROM barcode"))
    }
    await asyncio.to_thread(migrate, config)
    assert len(keys(config)) == 5
    for code, item in before.items():
        assert (await get(member, f"/items/upc/{code}"))["id"] == item
        assert made(await scanner.post(f"/scanner/lookup/{code}"))["item"]["id"] == item
    assert (await get(member, "/items/upc/00614141123452"))["id"] == 1
    # A change that does not touch the barcodes is accepted.
    made(await member.patch("/items/2", json={"name": "Named", "upc": "614141123452"}))
    made(await member.post("/items/2/barcodes", json={"barcode": "more"}))
    refused(await member.post("/items/2/barcodes", json={"barcode": "0614141123452"}), 409, "0614141123452")
    assert (await member.delete("/items/1/barcodes/0614141123452")).status_code == 204
    assert (await get(member, "/items/upc/0614141123452"))["id"] == 2
