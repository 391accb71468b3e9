"""F10: a page of items out of 100,000, beside a bare Litestar answering the same bytes, and plain `sqlite3`."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

import httpx
import msgspec

from tests.benchmarks import servers
from tests.benchmarks.data import Database, sqlite_database
from tests.benchmarks.load import Figures, Load, Unsound
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.results import Plan, Result, ratio
from tests.serving import environment

ITEMS = 100_000
PAGE = 100
PATH = f"/api/v1/items/?limit={PAGE}"


def measure_listing(plan: Plan) -> list[Result]:
    """F10, the list's part."""
    subject: list[Figures] = []
    yardstick: list[Figures] = []
    alone: list[Figures] = []
    plain: list[float] = []
    with sqlite_database(items=ITEMS, events=ITEMS) as database, servers.stocky(database) as server:
        load = Load(path=PATH, headers=[database.api_key])
        one = Load(path=PATH, headers=[database.api_key], connections=1)
        page = database.directory / "page.json"
        page.write_bytes(_page(server.url, database))
        with servers.bare(page) as bare:
            load.run(server.url, plan.warm_up)
            load.run(bare, plan.warm_up, path="/")
            for _ in range(plan.runs):
                yardstick.append(load.run(bare, plan.seconds, path="/"))
                subject.append(load.run(server.url, plan.seconds))
                plain.append(_plain_p50_ms(database))
                alone.append(one.run(server.url, max(plan.seconds / 2, 2)))
    return [
        Result(
            id="F10",
            what=f"GET /items/?limit={PAGE} over {ITEMS:,}: requests/s",
            yardstick_is="bare Litestar answering the same bytes",
            subject=median(figures.per_second for figures in subject),
            yardstick=median(figures.per_second for figures in yardstick),
            ratio=ratio([f.per_second for f in subject], [f.per_second for f in yardstick]),
            goal=">= 0.25",
            raw={"subject": subject, "yardstick": yardstick},
        ),
        Result(
            id="F10",
            what="the same from one connection: p50 in ms",
            yardstick_is="the same SQL by plain sqlite3",
            subject=median(figures.p50_ms for figures in alone),
            yardstick=median(plain),
            ratio=ratio([figures.p50_ms for figures in alone], plain),
            goal="<= 3",
            raw={"subject": alone, "yardstick_p50_ms": plain},
        ),
    ]


def _page(root: str, database: Database) -> bytes:
    name, _, value = database.api_key.partition(": ")
    answer = httpx.get(root + PATH, headers={name: value}).raise_for_status()
    if len(answer.json()) != PAGE:
        raise Unsound(f"{PATH} answered {len(answer.json())} items")
    return answer.content


def _plain_p50_ms(database: Database) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.plain_page", database.url.removeprefix("sqlite:///"), str(PAGE)]
    with pinned(SERVER_CORE):
        done = subprocess.run(command, env=environment({}), input=b"0\n" * 100, check=True, capture_output=True)
    return float(msgspec.json.decode(done.stdout))
