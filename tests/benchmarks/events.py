"""F3: bulk events, as scanners send them after being offline, beside a plain loop over `sqlite3`."""

from __future__ import annotations

import random
import subprocess
import sys
from statistics import median

import msgspec

from tests.benchmarks import servers
from tests.benchmarks.build import barcode, location_of
from tests.benchmarks.data import ITEMS, Database, sqlite_database
from tests.benchmarks.load import Figures, Load
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.results import Plan, Result, ratio
from tests.benchmarks.scanning import accounted
from tests.serving import environment

EVENTS = 500
CONNECTIONS = 4


def measure_events(plan: Plan) -> list[Result]:
    """F3."""
    subject: list[Figures] = []
    yardstick: list[float] = []
    all_figures: list[Figures] = []
    with (
        sqlite_database() as plain,
        sqlite_database() as database,
        accounted(database, all_figures, connections=CONNECTIONS, events=EVENTS),
        servers.stocky(database) as server,
    ):
        load = bulk_events(database)
        all_figures.append(load.run(server, plan.warm_up))
        for _ in range(plan.runs):
            yardstick.append(_plain_events_per_second(plain, plan.seconds))
            subject.append(load.run(server, plan.seconds))
        all_figures += subject
        plain.check()
    return [
        Result(
            id="F3",
            what=f"POST /events, {EVENTS} a request, {CONNECTIONS} connections, SQLite: events/s",
            yardstick_is="plain sqlite3, one transaction per 500",
            subject=median(figures.per_second * EVENTS for figures in subject),
            yardstick=median(yardstick),
            ratio=ratio([figures.per_second * EVENTS for figures in subject], yardstick),
            goal=">= 0.75",
            raw={"subject": subject, "yardstick_events_per_second": yardstick},
        )
    ]


def bulk_events(database: Database) -> Load:
    """Requests of EVENTS events each, of random items."""
    items = random.Random(3)
    bodies = [
        msgspec.json.encode({"events": [_event(items.randint(1, ITEMS)) for _ in range(EVENTS)]}).decode()
        for _ in range(50)
    ]
    return Load(
        path="/api/v1/events",
        bodies=bodies,
        expected=f'"applied":{EVENTS},',
        connections=CONNECTIONS,
        headers=[database.api_key],
    )


def _event(item: int) -> dict[str, object]:
    return {
        "event_id": "@id",
        "type": "add",
        "item": {"upc": barcode(item)},
        "location": {"id": location_of(item)},
        "quantity": 1,
    }


def _plain_events_per_second(database: Database, seconds: float) -> float:
    path = database.url.removeprefix("sqlite:///")
    command = [sys.executable, "-m", "tests.benchmarks.plain_sqlite", path, f"{seconds:.0f}", str(EVENTS)]
    with pinned(SERVER_CORE):
        done = subprocess.run(command, env=environment({}), check=True, capture_output=True)
    figures = msgspec.json.decode(done.stdout)
    return float(figures["events"] / figures["seconds"])
