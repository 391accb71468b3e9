"""`stocky check` reports what it checked of a sound database, and finds each kind of fault."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture.schema import falsify
from tests.cli.running import stocky


@pytest.fixture
async def busy(admin: AsyncClient) -> None:
    """A ledger with additions, removals over two lots, a move, a count and an undo."""
    for name in ("Pantry", "Cellar"):
        assert (await admin.post("/locations", json={"name": name, "storage_type": "pantry"})).status_code == 201
    item = (await admin.post("/items", json={"name": "Coffee"})).json()["id"]
    pantry = {"item": {"id": item}, "location": {"name": "Pantry"}}
    events = [
        {"type": "add", "quantity": 5, **pantry},
        {"type": "add", "quantity": 2.5, "lot": "2027-01-31", **pantry},
        {"type": "remove", "quantity": 3, **pantry},
        {"type": "move", "quantity": 2, "to_location": {"name": "Cellar"}, **pantry},
        {"type": "set", "quantity": 7, "item": {"id": item}, "location": {"name": "Cellar"}},
    ]
    answer = (await admin.post("/events", json={"events": events})).json()
    assert answer["applied"] == 5, answer
    undone = await admin.post(f"/events/{answer['results'][4]['id']}/undo", json={})
    assert undone.status_code == 200


@pytest.mark.usefixtures("busy")
async def test_sound_database_passes_with_counts(environ: dict[str, str]) -> None:
    answer = stocky(environ, "check")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert re.fullmatch(r"All is well: no faults in \d\d tables with \d+ rows, 8 stock events\n", answer.stdout), (
        answer.stdout
    )
    found = json.loads(stocky(environ, "check", "--json").stdout)
    assert found == {"ok": True, "faults": [], "stock_events": 8} | {key: found[key] for key in ("tables", "rows")}


FAULTS = {
    "a quantity that is not the sum": (
        ["UPDATE sku SET quantity_milli = quantity_milli + 1 WHERE id = (SELECT min(id) FROM sku)"],
        {"quantities"},
        "its ledger sums to",
    ),
    "a wrong quantity after an event": (
        ["UPDATE stock_event SET quantity_after_milli = 99 WHERE id = (SELECT min(id) FROM stock_event)"],
        {"ledger"},
        "has quantity_after 0.099, the events up to it sum to 5",
    ),
    "a move that loses something": (
        [
            "UPDATE stock_event SET delta_milli = delta_milli + 500, quantity_after_milli = quantity_after_milli + 500"
            " WHERE id = (SELECT max(id) FROM stock_event WHERE kind = 'move')"
        ],
        {"transfers", "quantities", "ledger"},
        "sum to 0.5, not to 0",
    ),
    "a move with one side only": (
        ["UPDATE stock_event SET transfer_id = NULL WHERE id = (SELECT max(id) FROM stock_event WHERE kind = 'move')"],
        {"transfers"},
        "is a move without a transfer",
    ),
    "an undo that does not mirror": (
        ["UPDATE stock_event SET delta_milli = delta_milli + 1 WHERE kind = 'undo'"],
        {"reversals", "quantities", "ledger"},
        "does not mirror",
    ),
    "a merged item that holds stock": (
        ["UPDATE item SET merged_into_id = id, is_active = FALSE"],
        {"merges"},
        "item 1 was merged and leads to an item that was merged itself",
    ),
    "a merge that only its journal knows": (
        ["INSERT INTO item_merge (source_id, target_id, batch_id, merged_at) SELECT id, id, 'b', created_at FROM item"],
        {"merges"},
        "item 1 is not merged into item 1, but the merge journal lists it",
    ),
    "a serial number at two places": (
        [
            "INSERT INTO location (name, name_key, path, path_key, storage_type, created_at, updated_at)"
            " SELECT 'Attic', 'attic', 'Attic', 'attic', storage_type, created_at, updated_at FROM location LIMIT 1",
            "INSERT INTO sku (item_id, location_id, serial, quantity_milli, created_at, updated_at)"
            " SELECT item.id, location.id, 'S1', 1000, item.created_at, item.created_at FROM item, location",
        ],
        {"serials", "quantities"},
        "the piece of item 1 with the serial number S1 is in stock at",
    ),
    "a reference to nothing": (
        ["UPDATE sku SET location_id = 987654 WHERE id = (SELECT min(id) FROM sku)"],
        {"references"},
        "sku: 1 rows refer to a missing location",
    ),
}


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_is_found(kind: str, config: Config) -> None:
    statements, checks, words = FAULTS[kind]
    await asyncio.to_thread(falsify, config, *statements)
    faults = await find_faults(config)
    assert {fault.check for fault in faults} == checks
    assert any(words in fault.message for fault in faults), faults


@pytest.mark.usefixtures("busy")
async def test_every_fault_is_listed_with_status_1(environ: dict[str, str], config: Config) -> None:
    for statements, _, _ in FAULTS.values():
        await asyncio.to_thread(falsify, config, *statements)
    answer = stocky(environ, "check")
    assert answer.returncode == 1
    listed = {line.partition(": ")[0] for line in answer.stdout.splitlines()}
    assert listed == {"quantities", "ledger", "transfers", "reversals", "merges", "references", "serials"}
    found = json.loads(stocky(environ, "check", "--json").stdout)
    assert found["ok"] is False
    assert len(found["faults"]) == len(answer.stdout.splitlines())
