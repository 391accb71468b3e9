"""F14: each kind of read and single write in a large stockroom, one after another by one client, on both dialects.

The stockroom has 100,000 items, 150,000 SKUs, two million events and 2,000 locations.
`python -m tests.benchmarks.large` prints the table of docs/performance.md from results.json.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import psycopg

from stocky.config import load
from stocky.db.migrate import migrate
from stocky.search.index import reindex
from tests.benchmarks import servers, stockroom
from tests.benchmarks.data import SECRET_KEY, Database
from tests.benchmarks.on_postgres import a_server
from tests.benchmarks.results import Plan, Result
from tests.people import add_people

ITEMS = 100_000
READS = 15
WRITES = 9
# A slow request is repeated less often.
SECONDS = 6.0
LEAST = 3
GOALS = {"GET": "<= 50", "write": "<= 100"}

# Up to 2 * READS + 1 repetitions: these months have 31 days.
_DAY = "since=2024-05-{n:02}T00:00:00Z&until=2024-05-{n:02}T23:59:00Z"
# {n} counts the repetitions, so that no response comes from the cache.
_READS = {
    "/items, first page": "/items?limit=100&skip={n}",
    "/items, last page": "/items?limit=100&skip=998{n:02}",
    "/items?search= in many names": "/items?search=coffee&limit=100&skip={n}",
    "/items?search= in one name": "/items?search=red%2050{n:02}8",
    "/items?search= in no name": "/items?search=nowhere{n}",
    "/items?tag=, 30,000 items, last page": "/items?tag=tag%201&limit=100&skip=298{n:02}",
    "/items?tag=, 170 items": "/items?tag=tag%20{n}7",
    "/items?type_id=, 30,000 items, last page": "/items?type_id=1&limit=100&skip=298{n:02}",
    "/items?needs_review=": "/items?needs_review=true&limit=100&skip={n}",
    "/items/{id}": "/items/5{n}",
    "/items/upc/{code}": "/items/upc/BC-7{n}",
    "/items/{id}/events": "/items/6{n}/events",
    "/items/review": "/items/review?limit=50&skip={n}",
    "/search?q= a word": "/search?q=coffee&limit={n}",
    "/search?q= a word and a number": "/search?q=tea%20red%20{n}4",
    "/search?q= a slip": "/search?q=cofee%20smal%20{n}8",
    "/search?q= two slips": "/search?q=resitors%20larg%20{n}3",
    "/search?q= nothing alike": "/search?q=xylophon{n}",
    "/skus, first page": "/skus?limit=100&skip={n}",
    "/skus, last page": "/skus?limit=100&skip=1423{n:02}",
    "/skus?item_id=": "/skus?item_id=5{n}",
    "/skus?location_id=": "/skus?location_id=7{n}",
    "/skus?search= in many names": "/skus?search=coffee&limit=100&skip={n}",
    "/skus?search= in no name": "/skus?search=nowhere{n}",
    "/skus?expiring_soon=true": "/skus?expiring_soon=true&limit=100&skip={n}",
    "/skus?low_stock=true": "/skus?low_stock=true&limit=100&skip={n}",
    "/skus?low_stock=true, last page": "/skus?low_stock=true&limit=100&skip=48{n:02}",
    "/skus?as_of=": "/skus?as_of=2024-12-01T00:00:{n:02}Z",
    "/skus?as_of=&item_id=": "/skus?as_of=2024-12-01T00:00:00Z&item_id=5{n}",
    "/skus?as_of=, last page": "/skus?as_of=2024-12-01T00:00:00Z&limit=100&skip=1348{n:02}",
    "/events, newest": "/events?limit=100",
    "/events?cursor=": "/events?cursor=9{n:05}",
    "/events?item_id=": "/events?item_id=8{n}",
    "/events?location_id=": "/events?location_id=3{n}",
    "/events?user_id=": "/events?user_id=2&limit=100",
    "/events?user_id=, only old events": "/events?user_id=1&limit=100",
    "/events?scanner_id=": "/events?scanner_id=scanner-{n}",
    "/events?scanner_id=, only old events": "/events?scanner_id=scanner-old&limit=100",
    "/events?type=, many": "/events?type=add&limit=100",
    "/events?type=, 100 old events": "/events?type=set&limit=100",
    "/events?type=, none": "/events?type=undo&limit=100",
    "/events?since=&until=, a day of two years": "/events?" + _DAY,
    "/events?since=, half of all": "/events?since=2024-12-{n:02}T00:00:00Z",
    "/events?until=, half of all": "/events?until=2024-12-{n:02}T00:00:00Z",
    "/events?type=&since=&until=": "/events?type=remove&" + _DAY,
    "/events?location_id=&since=&until=": "/events?location_id=3{n}&" + _DAY,
    "/events/{id}": "/events/12345{n}",
    "/locations": "/locations?limit=100&skip={n}",
    "/locations, last page": "/locations?limit=100&skip=18{n:02}",
    "/locations?search=": "/locations?search=shelf%201{n}",
    "/boxes": "/boxes?limit=50&skip={n}",
    "/boxes/{no}": "/boxes/{n}",
    "/boxes/{no}/places": "/boxes/{n}/places",
    "/tags": "/tags?limit=100&skip={n}",
    "/tags/{id}, 30,000 items": "/tags/1",
    "/types": "/types?limit=100&skip={n}",
    "/types/{id}, 30,000 items": "/types/1",
    "/sellers": "/sellers?limit=100&skip={n}",
    "/sellers?search=": "/sellers?search=seller%201{n}",
    "/alerts": "/alerts?limit=100&skip={n}",
    "/alerts, last page": "/alerts?limit=100&skip=4{n:03}",
    "/audit": "/audit?limit=100&skip={n}",
    "/scanner": "/scanner?limit=50&skip={n}",
    "/shopping-lists": "/shopping-lists?limit=50&skip={n}",
    "/projects": "/projects?limit=50&skip={n}",
    "/jobs": "/jobs?limit=50&skip={n}",
}


class Client:
    """Requests of one user, one after another."""

    def __init__(self, api: str, key: str) -> None:
        self._client = httpx.Client(base_url=api, headers={"X-API-Key": key}, timeout=120, follow_redirects=True)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of the answer. Raises httpx.HTTPStatusError."""
        content = None if body is None else msgspec.json.encode(body)
        answer = self._client.request(method, path, content=content, headers={"Content-Type": "application/json"})
        answer.raise_for_status()
        return answer.json() if answer.content else None


Request = tuple[str, str, Any]


def _event(kind: str, item: int, quantity: int, location: int, **other: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "item": {"id": item},
        "quantity": quantity,
        "location": {"id": location},
        "event_id": str(uuid.uuid4()),
    } | other


def _home(item: int) -> int:
    """The location of an item's first SKU."""
    return item * 7919 % (ITEMS // 50) + 1


def _bulk(client: Client, n: int, **other: Any) -> Any:
    items = range(20_001 + 500 * n, 20_501 + 500 * n)
    return client.ask("POST", "/events", {"events": [_event("add", item, 1, _home(item)) for item in items]} | other)


def _replay(client: Client, n: int) -> Request:
    body = {"events": [_event("add", 7_000 + n, 1, _home(7_000 + n))]}
    client.ask("POST", "/events", body)
    return "POST", "/events", body


def _undo(client: Client, n: int) -> Request:
    done = client.ask("POST", "/events", {"events": [_event("add", 7_100 + n, 1, _home(7_100 + n))]})
    return "POST", f"/events/{done['results'][0]['id']}/undo", {}


def _undo_batch(client: Client, n: int) -> Request:
    return "POST", f"/events/batches/{_bulk(client, n)['batch_id']}/undo", {}


def _unmerge(client: Client, n: int) -> Request:
    client.ask("POST", f"/items/{8_001 + 10 * n}/merge", {"into": 9_001})
    return "POST", f"/items/{8_001 + 10 * n}/unmerge", None


def _new_list(client: Client) -> int:
    return int(client.ask("POST", "/shopping-lists", {"name": f"List {uuid.uuid4()}"})["id"])


def _fill(client: Client, n: int) -> Request:
    return "POST", f"/shopping-lists/{_new_list(client)}/fill-low-stock", {}


def _sku_of(client: Client, item: int) -> int:
    return int(client.ask("GET", f"/skus?item_id={item}")[0]["id"])


# Each prepares a request, which is timed.
_WRITES: dict[str, Callable[[Client, int], Request]] = {
    "a scan": lambda client, n: (
        "POST", "/scanner/scan", {"upc": stockroom.barcode(1_000 + n), "location_hint": _home(1_000 + n)},
    ),
    "an event: add": lambda client, n: (
        "POST", "/events", {"events": [_event("add", 2_001 + n, 1, _home(2_001 + n))]},
    ),
    "an event: set": lambda client, n: (
        "POST", "/events", {"events": [_event("set", 2_101 + n, n, _home(2_101 + n))]},
    ),
    "an event: move": lambda client, n: (
        "POST", "/events", {"events": [_event("move", 3_001 + 10 * n, 1, _home(3_001), to_location={"id": 1})]},
    ),
    "an event sent again": _replay,
    "undo of an event": _undo,
    "undo of a batch of 500": _undo_batch,
    "a merge": lambda client, n: ("POST", f"/items/{8_501 + 10 * n}/merge", {"into": 9_002}),
    "an unmerge": _unmerge,
    "a new item": lambda client, n: ("POST", "/items", {"name": f"New {n}", "tags": ["Tag 1"], "min_quantity": 2}),
    "an item's name": lambda client, n: ("PATCH", f"/items/{11_000 + n}", {"name": f"Renamed {uuid.uuid4()}"}),
    "an item's tags": lambda client, n: ("PATCH", f"/items/{11_100 + n}", {"tags": ["Tag 1", f"Tag {n + 2}"]}),
    "a barcode": lambda client, n: ("POST", f"/items/{11_200 + n}/barcodes", {"barcode": f"X-{uuid.uuid4()}"}),
    "a SKU's notes": lambda client, n: ("PATCH", f"/skus/{12_001 + 20 * n}", {"notes": f"Note {n}"}),
    "a SKU's unit": lambda client, n: ("PATCH", f"/skus/{12_501 + 20 * n}", {"unit": f"unit {n}"}),
    "a SKU's quantity": lambda client, n: (
        "PUT", f"/skus/{_sku_of(client, 12_201 + 20 * n)}/quantity", {"quantity": n},
    ),
    "a location": lambda client, n: ("POST", "/locations", {"name": f"Shelf {uuid.uuid4()}", "storage_type": "pantry"}),
    "a location's storage type": lambda client, n: ("PATCH", f"/locations/{1_500 + n}", {"storage_type": "freezer"}),
    "a box of 100": lambda client, n: ("POST", "/boxes", {"capacity": 100}),
    "the name of a tag that 30,000 items have": lambda client, n: ("PATCH", "/tags/1", {"name": f"Tag of {n}"}),
    "the name of a type that 30,000 items have": lambda client, n: ("PATCH", "/types/1", {"name": f"Type of {n}"}),
    "the name of a tag that 170 items have": lambda client, n: ("PATCH", f"/tags/{20 + n}", {"name": f"Name {n}"}),
    "fill-low-stock from 5,000 items": _fill,
    "an entry on a shopping list": lambda client, n: (
        "POST", f"/shopping-lists/{_new_list(client)}/items", {"text": "Something"},
    ),
}  # fmt: skip


def measure_large(plan: Plan) -> list[Result]:
    """F14."""
    with _sqlite() as database:
        results = _measure(database, "SQLite", plan)
    with a_server() as (server, about), server.database() as name, _postgres(server.url_of(name)) as database:
        return results + _measure(database, f"Postgres ({about})", plan)


def p50_of_all(api: str, key: str, runs: int, only: str = "") -> dict[str, dict[str, float]]:
    """The medians in ms of every read and write whose name contains `only`; `runs` multiplies the repetitions."""
    client = Client(api, key)
    reads = {
        name: p50(client, lambda client, n, path=path: ("GET", path.format(n=n), None), READS * runs)
        for name, path in _READS.items()
        if only in name
    }
    writes = {name: p50(client, prepare, WRITES * runs) for name, prepare in _WRITES.items() if only in name}
    return {"GET": reads, "write": writes}


def p50(client: Client, prepare: Callable[[Client, int], Request], times: int) -> float:
    """The median of `times` requests after one that warms up."""
    taken: list[float] = []
    for n in range(1, times + 2):
        request = prepare(client, n)
        started = time.perf_counter()
        client.ask(*request)
        taken.append(time.perf_counter() - started)
        if sum(taken) > SECONDS and len(taken) > LEAST:
            break
    return round(median(taken[1:]) * 1000, 1)


def _measure(database: Database, dialect: str, plan: Plan) -> list[Result]:
    with servers.stocky(database) as server:
        _wait_for_jobs(Client(server.api, database.admin_key))
        found = p50_of_all(server.api, database.admin_key, 1 if plan.runs < 3 else 2)
    database.check()
    return [
        Result(
            id="F14",
            what=f"the slowest {kind} of {len(found[kind])} in a large stockroom, {dialect}: p50 in ms",
            yardstick_is="-",
            subject=max(found[kind].values()),
            goal=goal,
            note=max(found[kind], key=lambda name: found[kind][name]),
            raw={"dialect": dialect.partition(" ")[0], "kind": kind, "p50_ms": found[kind]},
        )
        for kind, goal in GOALS.items()
    ]


def _wait_for_jobs(client: Client) -> None:
    """The first start evaluates the alerts of every item."""
    idle = 0
    while idle < 3:
        time.sleep(1)
        unfinished = [job for job in client.ask("GET", "/jobs") if job["status"] in ("queued", "running")]
        idle = 0 if unfinished else idle + 1


@contextmanager
def _sqlite() -> Iterator[Database]:
    with TemporaryDirectory(prefix="stocky-bench-") as directory:
        path = Path(directory) / "stocky.db"
        settings = _settings(f"sqlite:///{path}", directory)
        key = _migrate(settings)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            stockroom.fill_sqlite(connection.execute, ITEMS)
        asyncio.run(reindex(load(settings)))
        yield Database(settings, Path(directory), admin_key=key)


@contextmanager
def _postgres(url: str) -> Iterator[Database]:
    with TemporaryDirectory(prefix="stocky-bench-") as directory:
        settings = _settings(url, directory)
        key = _migrate(settings)
        with psycopg.connect(url) as connection:
            stockroom.fill_postgres(connection.execute, ITEMS)
        asyncio.run(reindex(load(settings)))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield Database(settings, Path(directory), admin_key=key)


def _settings(url: str, directory: str) -> dict[str, str]:
    return {"STOCKY_DATABASE_URL": url, "STOCKY_DATA_DIR": directory, "STOCKY_SECRET_KEY": SECRET_KEY}


def _migrate(settings: dict[str, str]) -> str:
    """The admin's key."""
    migrate(load(settings))
    return asyncio.run(add_people(load(settings)))["admin"]
