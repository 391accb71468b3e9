"""F10: a page of items out of 100,000, beside a bare Litestar returning the same bytes, and plain `sqlite3`.

The first page repeatedly, as users open the list: its response is cached until the next commit. And a thousand
different pages near the beginning, far more than the cache holds, so each is read.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

import httpx
from msgspec import structs

from tests.benchmarks import servers
from tests.benchmarks.data import Database, sqlite_database
from tests.benchmarks.load import Figures, Load, Unsound
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.results import Plan, Result, ratio
from tests.serving import environment

ITEMS = 100_000
PAGE = 100
PAGES = 1_000
# This many of them are timed without a server.
PLAIN = 100


def measure_listing(plan: Plan) -> list[Result]:
    """F10, the list's part."""
    various: list[Figures] = []
    repeated: list[Figures] = []
    yardstick: list[Figures] = []
    alone: list[Figures] = []
    plain: list[float] = []
    first_exclusive: list[Figures] = []
    first_plain: list[float] = []
    # All responses together are about 60 MB. Pages deep in the list take longer: skipped rows are read.
    skips = random.Random(1).sample(range(PAGES), PAGES)
    with sqlite_database(items=ITEMS, events=ITEMS) as database, servers.stocky(database) as server:
        first = Load(path=_path(0), headers=[database.api_key])
        every = Load(path=_path(0), paths=[_path(skip) for skip in skips], headers=[database.api_key])
        one_by_one, first_by_one = (structs.replace(load, connections=1) for load in (every, first))
        page = database.directory / "page.json"
        page.write_bytes(_page(server.url, database))
        with servers.bare(page) as bare:
            first.run(server, plan.warm_up)
            first.run(bare, plan.warm_up, path="/")
            for run in range(plan.runs):
                yardstick.append(first.run(bare, plan.seconds, path="/"))
                various.append(every.run(server, plan.seconds))
                repeated.append(first.run(server, plan.seconds))
                asked = random.Random(run).sample(skips, PLAIN)
                plain.append(_plain_p50_ms(database, asked))
                alone.append(one_by_one.run(server, plan.seconds))
                first_plain.append(_plain_p50_ms(database, [0] * PLAIN))
                first_exclusive.append(first_by_one.run(server, plan.seconds))
    return [
        Result(
            id="F10",
            what=f"GET /items/?limit={PAGE}&skip= to {PAGES - 1} over {ITEMS:,}, each read anew: requests/s",
            yardstick_is="bare Litestar answering the bytes of the first",
            subject=median(figures.per_second for figures in various),
            yardstick=median(figures.per_second for figures in yardstick),
            ratio=ratio([f.per_second for f in various], [f.per_second for f in yardstick]),
            goal=">= 0.25",
            raw={"subject": various, "yardstick": yardstick},
        ),
        Result(
            id="F10",
            what="the same from one connection: p50 in ms",
            yardstick_is="the SQL that reads these items whole, by plain sqlite3",
            subject=median(figures.p50_ms for figures in alone),
            yardstick=median(plain),
            ratio=ratio([f.p50_ms for f in alone], plain),
            goal="<= 1.5",
            raw={"subject": alone, "yardstick_p50_ms": plain},
        ),
        Result(
            id="F10",
            what=f"GET /items/?limit={PAGE} over {ITEMS:,}, the first page again and again: requests/s",
            yardstick_is="bare Litestar answering the same bytes",
            subject=median(figures.per_second for figures in repeated),
            yardstick=median(figures.per_second for figures in yardstick),
            ratio=ratio([f.per_second for f in repeated], [f.per_second for f in yardstick]),
            goal=">= 0.25",
            note="the answer is kept until something is committed",
            raw={"subject": repeated, "yardstick": yardstick},
        ),
        Result(
            id="F10",
            what="the same from one connection: p50 in ms",
            yardstick_is="the SQL that reads these items whole, by plain sqlite3",
            subject=median(figures.p50_ms for figures in first_exclusive),
            yardstick=median(first_plain),
            ratio=ratio([f.p50_ms for f in first_exclusive], first_plain),
            goal="<= 1.5",
            note="the answer is kept until something is committed",
            raw={"subject": first_exclusive, "yardstick_p50_ms": first_plain},
        ),
    ]


def _path(skip: int) -> str:
    return f"/api/v1/items/?limit={PAGE}&skip={skip}"


def _page(root: str, database: Database) -> bytes:
    answer = httpx.get(root + _path(0), headers=_headers(database)).raise_for_status()
    if len(answer.json()) != PAGE:
        raise Unsound(f"{_path(0)} answered {len(answer.json())} items")
    return answer.content


def _plain_p50_ms(database: Database, skips: Sequence[int]) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.plain_page", database.url.removeprefix("sqlite:///"), str(PAGE)]
    with pinned(SERVER_CORE):
        done = subprocess.run(
            command,
            env=environment({}),
            input="\n".join(map(str, skips)).encode(),
            check=True,
            capture_output=True,
        )
    return float(done.stdout)


def _headers(database: Database) -> dict[str, str]:
    name, _, value = database.api_key.partition(": ")
    return {name: value}
