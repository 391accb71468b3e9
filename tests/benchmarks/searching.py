"""F10: searches over 100,000 items, beside a bare Litestar returning the same bytes, and plain `sqlite3`.

The searches differ, so each is read: words that begin many names, parts of numbers, barcodes and typing errors. And one
search repeatedly, as by several users at once: its response is cached until the next commit.
"""

from __future__ import annotations

import random
import subprocess
import sys
from statistics import median
from urllib.parse import quote

import httpx
from msgspec import structs

from tests.benchmarks import servers
from tests.benchmarks.build import barcode
from tests.benchmarks.data import Database, sqlite_database
from tests.benchmarks.load import Figures, Load, Unsound
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.results import Plan, Result, ratio
from tests.serving import environment

ITEMS = 100_000
LIMIT = 20
QUESTION = "coffee"


def measure_searching(plan: Plan) -> list[Result]:
    """F10, the search's part."""
    subject: list[Figures] = []
    repeated: list[Figures] = []
    yardstick: list[Figures] = []
    alone: list[Figures] = []
    plain: list[float] = []
    with sqlite_database(items=ITEMS, events=ITEMS) as database, servers.stocky(database) as server:
        load = Load(path=_path(QUESTION), headers=[database.api_key])
        # Far more than the cache holds.
        paths = [_path(question) for seed in range(50) for question in _questions(seed)]
        various = Load(path=_path(QUESTION), paths=paths, headers=[database.api_key])
        one_by_one = structs.replace(various, connections=1)
        answer = database.directory / "answer.json"
        answer.write_bytes(_answer(server.url, database, QUESTION))
        with servers.bare(answer) as bare:
            load.run(server, plan.warm_up)
            load.run(bare, plan.warm_up, path="/")
            for run in range(plan.runs):
                asked = _questions(run)
                yardstick.append(load.run(bare, plan.seconds, path="/"))
                subject.append(various.run(server, plan.seconds))
                repeated.append(load.run(server, plan.seconds))
                plain.append(_plain_p50_ms(database, asked))
                alone.append(one_by_one.run(server, plan.seconds))
    return [
        Result(
            id="F10",
            what=f"GET /search?q= for {len(paths):,} different things over {ITEMS:,}: requests/s",
            yardstick_is=f"bare Litestar answering the bytes for {QUESTION}",
            subject=median(figures.per_second for figures in subject),
            yardstick=median(figures.per_second for figures in yardstick),
            ratio=ratio([f.per_second for f in subject], [f.per_second for f in yardstick]),
            goal=">= 0.25",
            raw={"subject": subject, "yardstick": yardstick},
        ),
        Result(
            id="F10",
            what=f"GET /search?q={QUESTION} over {ITEMS:,}, asked again and again: requests/s",
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
            what="searches for different things from one connection: p50 in ms",
            yardstick_is="the same SQL by plain sqlite3",
            subject=median(figures.p50_ms for figures in alone),
            yardstick=median(plain),
            ratio=ratio([f.p50_ms for f in alone], plain),
            goal="<= 1.5",
            raw={"subject": alone, "yardstick_p50_ms": plain},
        ),
    ]


def _questions(seed: int) -> list[str]:
    """A hundred different searches, so that none is cached."""
    some = random.Random(seed)
    items = some.sample(range(1, ITEMS), 20)
    return [
        question
        for item in items
        for question in (f"coffee {item}", f"{item}", barcode(item), f"cofee smal {item}", f"tea red {item % 1000}")
    ]


def _path(question: str) -> str:
    return f"/api/v1/search?limit={LIMIT}&q={quote(question)}"


def _answer(root: str, database: Database, question: str) -> bytes:
    answer = httpx.get(root + _path(question), headers=_headers(database)).raise_for_status()
    if len(answer.json()) != LIMIT:
        raise Unsound(f"{question} answered {len(answer.json())} items")
    return answer.content


def _plain_p50_ms(database: Database, questions: list[str]) -> float:
    command = [
        sys.executable, "-m", "tests.benchmarks.plain_search", database.url.removeprefix("sqlite:///"), str(LIMIT),
    ]  # fmt: skip
    with pinned(SERVER_CORE):
        done = subprocess.run(
            command, env=environment({}), input="\n".join(questions).encode(), check=True, capture_output=True
        )
    return float(done.stdout)


def _headers(database: Database) -> dict[str, str]:
    name, _, value = database.api_key.partition(": ")
    return {name: value}
