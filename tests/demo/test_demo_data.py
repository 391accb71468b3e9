"""Demo data: plausible, exact, reproducible by its seed, and never added to existing data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stocky import clock
from stocky.config import Config, load
from stocky.db import Database, make_database
from stocky.demo_data import Demo, fill
from stocky.demo_data.things import LOCATIONS, MAX_THINGS, ean13, first_things
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.conftest import TestDatabases, settings
from tests.serving import environment, serve

ITEMS = """
SELECT item.name, item.description, item.min_quantity_milli, item.oversell_policy, barcode.code, barcode.pack_milli
  FROM item JOIN barcode ON barcode.item_id = item.id ORDER BY item.id, barcode.id
"""
EVENTS = """
SELECT event.kind, item.name, location.name, event.delta_milli, event.quantity_after_milli, event.occurred_at,
       event.scanner_id, event.event_id, event.note, sku.expiry_date, event.reverses_id
  FROM stock_event event
  JOIN item ON item.id = event.item_id
  JOIN location ON location.id = event.location_id
  JOIN sku ON sku.id = event.sku_id
 ORDER BY event.id
"""


async def filled(database: Database, *, items: int = 60, events: int = 600, seed: int = 7) -> Demo:
    """Fills the database and returns the introduced data."""
    introduced: list[Demo] = []
    await fill(
        database, items=items, events=events, seed=seed, introduce=introduced.append, progress=lambda recorded: None
    )
    return introduced[0]


@contextmanager
def another(dialect: str, databases: TestDatabases, directory: Path) -> Iterator[Config]:
    """Another database of the same kind."""
    directory.mkdir()
    with databases.copy(dialect, directory) as url:
        yield load(settings(url, directory))


def stocky(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        env=environment(environ),
        cwd=environ["STOCKY_DATA_DIR"],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.one_database
async def test_same_seed_gives_the_same_month(
    config: Config, database: Database, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await filled(database)
    with another(dialect, databases, tmp_path / "second") as other:
        second = make_database(other)
        await second.open()
        await filled(second)
        await second.close()
        assert schema.run(other, ITEMS) == schema.run(config, ITEMS)
        assert schema.run(other, EVENTS) == schema.run(config, EVENTS)
        assert len(schema.run(config, EVENTS)) >= 600


@pytest.mark.one_database
async def test_another_seed_gives_another_month(
    config: Config, database: Database, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await filled(database)
    with another(dialect, databases, tmp_path / "second") as other:
        second = make_database(other)
        await second.open()
        await filled(second, seed=8)
        await second.close()
        assert schema.run(other, ITEMS) == schema.run(config, ITEMS)
        assert schema.run(other, EVENTS) != schema.run(config, EVENTS)


async def test_demo_ledger_is_consistent(config: Config, database: Database) -> None:
    await filled(database, items=120, events=2500)
    assert await find_faults(config) == []
    assert schema.run(config, "SELECT count(*) FROM sku WHERE quantity_milli < 0") == [(0,)]
    assert schema.run(config, "SELECT count(*) FROM event_refusal") == [(0,)]


async def test_month_has_all_kinds_of_events(config: Config, database: Database) -> None:
    await filled(database, items=200, events=3000)
    events = schema.run(config, EVENTS)
    assert {event[0] for event in events} == {"add", "remove", "move", "set", "undo"}
    assert {event[6] for event in events} == {None, "kitchen", "shopping-bag", "cellar", "workbench"}
    moments = [event[5] for event in events]
    assert moments == sorted(moments)
    # To this day, as far as it has passed.
    assert str(clock.today()) <= str(moments[-1]).replace("T", " ") < str(clock.now())
    expiring = schema.run(config, "SELECT expiry_date FROM sku WHERE expiry_date IS NOT NULL AND quantity_milli > 0")
    lots = "SELECT count(DISTINCT nullif(lot, '')) > 1, count(DISTINCT nullif(serial, '')) > 1 FROM sku"
    assert [tuple(map(bool, row)) for row in schema.run(config, lots)] == [(True, True)]
    dates = {str(date) for (date,) in expiring}
    assert min(dates) < str(clock.today()) < max(dates)


@pytest.mark.parametrize(("items", "events"), [(1, 1), (1, 40), (30, 10), (2, 500)])
async def test_any_number_of_items_and_events_works(
    config: Config, database: Database, items: int, events: int
) -> None:
    demo = await filled(database, items=items, events=events)
    assert (demo.items, demo.events, demo.locations) == (items, events, len(LOCATIONS))
    assert schema.run(config, "SELECT count(*) FROM item") == [(items,)]
    # A removal over several lots, a move and its undo are one event with several rows.
    assert schema.run(config, "SELECT count(*) FROM stock_event WHERE transfer_id IS NULL OR transfer_id = id") == [
        (events,)
    ]
    assert await find_faults(config) == []


def test_maximum_of_different_things_is_reachable() -> None:
    names, barcodes = set(), set()
    for thing in first_things(MAX_THINGS):
        names.add(thing.name)
        barcodes.add(thing.barcode)
    assert len(names) == len(barcodes) == MAX_THINGS
    assert max(len(name) for name in names) <= 200


def test_barcodes_have_ean_13_check_digits() -> None:
    barcodes = [code for thing in first_things(300) for code in (thing.barcode, thing.pack_barcode) if code]
    assert len(set(barcodes)) == len(barcodes) > 300
    for code in barcodes:
        assert len(code) == 13
        assert sum(int(digit) * weight for digit, weight in zip(code, [1, 3] * 6 + [1], strict=True)) % 10 == 0
    assert ean13(0) == "2900000000001"


def test_command_creates_a_working_admin_and_key(empty_environ: dict[str, str], tmp_path: Path) -> None:
    assert stocky(empty_environ, "migrate").returncode == 0
    done = stocky(empty_environ, "demo-data", "--items", "12", "--events", "50", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    demo = json.loads(done.stdout)
    assert (demo["items"], demo["events"], demo["admin"]) == (12, 50, "admin")

    with serve(empty_environ, tmp_path) as server:
        login = httpx.post(f"{server.api}/auth/login", data={"username": "admin", "password": demo["password"]})
        assert login.status_code == 200
        assert login.json()["role"] == "admin"
        key = {"X-API-Key": demo["scanner_key"]}
        scan = {"upc": ean13(0), "scanner_id": "shopping-bag"}
        answer = httpx.post(f"{server.api}/scanner/scan", json=scan, headers=key)
        assert answer.status_code == 200
        assert answer.json()["success"] is True


def test_command_refuses_a_database_with_items(environ: dict[str, str], config: Config) -> None:
    first = stocky(environ, "demo-data", "--items", "5", "--events", "20")
    assert first.returncode == 0
    assert "5 items" in first.stdout
    assert "password" not in first.stdout, "the admin was there before, and nobody but its owner knows its password"
    before = schema.contents(config)
    second = stocky(environ, "demo-data", "--items", "5", "--events", "20")
    assert (second.returncode, second.stdout) == (0, "The database already holds items; no demo data was added.\n")
    assert schema.contents(config) == before


def test_command_needs_a_migrated_database(empty_environ: dict[str, str]) -> None:
    refused = stocky(empty_environ, "demo-data")
    assert refused.returncode == 1
    assert "stocky migrate" in refused.stderr


@pytest.mark.parametrize("wrong", [("--items", "0"), ("--items", "100001"), ("--events", "-1"), ("--seed", "x")])
def test_command_reports_the_allowed_numbers(wrong: tuple[str, str], tmp_path: Path) -> None:
    refused = stocky({"STOCKY_DATA_DIR": str(tmp_path)}, "demo-data", *wrong)
    assert refused.returncode == 2
    assert wrong[0] in refused.stderr
