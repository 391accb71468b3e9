"""F1, F2, F5 and F12: single scans, over HTTP, by API key, each with its own event_id, durable on SQLite."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import msgspec

from tests.benchmarks import servers
from tests.benchmarks.build import barcode, scanner_of
from tests.benchmarks.data import ITEMS, Database, sqlite_database
from tests.benchmarks.load import Figures, IdVersion, Load, Unsound
from tests.benchmarks.machine import resident_mib
from tests.benchmarks.results import Plan, Result, ratio

SCAN = "/api/v1/scanner/scan"
LONG_LEDGER = 10_000_000
MANY_CONNECTIONS = 500
# Long enough to fill SQLite's page cache, which is bounded; any growth after that is a leak.
FILL_CACHES_SECONDS = 60


def scans(database: Database, *, connections: int = 64, ids: IdVersion = "v4") -> Load:
    """One scan of every item, in no order, by the scanner at its shelf."""
    order = random.Random(2).sample(range(1, ITEMS + 1), ITEMS)
    bodies = [
        msgspec.json.encode(
            {"upc": barcode(item), "scanner_id": scanner_of(item), "quantity": 1, "event_id": "@id"}
        ).decode()
        for item in order
    ]
    return Load(
        path=SCAN,
        bodies=bodies,
        expected='"success":true',
        connections=connections,
        ids=ids,
        headers=[database.api_key],
    )


def cpu_note(subject: list[Figures], yardstick: list[Figures]) -> str:
    """The processor time a request of both servers."""
    ours, theirs = (median(figures.cpu_us for figures in each) for each in (subject, yardstick))
    return f"processor time a request {ours:.0f} us, yardstick {theirs:.0f} us"


@contextmanager
def accounted(
    database: Database, acknowledged: list[Figures], *, connections: int = 64, events: int = 1
) -> Iterator[None]:
    """Checks that the ledger has grown by the acknowledged events and `stocky check` finds no fault. Raises Unsound.

    What was under way when the clock stopped may be in the ledger without an answer that was counted: at most
    one request a connection and figure. `events` is how many a request has.
    """
    before = database.count_events()
    yield
    grown = database.count_events() - before
    least = sum(figures.requests for figures in acknowledged) * events
    most = least + len(acknowledged) * connections * events
    if not least <= grown <= most:
        raise Unsound(f"{least} events were acknowledged, and the ledger has {grown} more")
    database.check()


def measure_scans(plan: Plan) -> list[Result]:
    """F1 and F2."""
    subject: list[Figures] = []
    yardstick: list[Figures] = []
    by_time: list[Figures] = []
    all_figures: list[Figures] = []
    with sqlite_database() as database, accounted(database, all_figures):
        load = scans(database)
        with servers.stocky(database) as server, servers.bare() as bare:
            all_figures.append(load.run(server, plan.warm_up))
            load.run(bare, plan.warm_up, path="/")
            for _ in range(plan.runs):
                yardstick.append(load.run(bare, plan.seconds, path="/"))
                subject.append(load.run(server, plan.seconds))
                by_time.append(scans(database, ids="v7").run(server, plan.seconds))
            all_figures += subject + by_time
    v7 = median(figures.per_second for figures in by_time)
    return [
        Result(
            id="F1",
            what="POST /scanner/scan, 64 connections, SQLite: requests/s",
            yardstick_is="bare Litestar decoding the same body",
            subject=median(figures.per_second for figures in subject),
            yardstick=median(figures.per_second for figures in yardstick),
            ratio=ratio([f.per_second for f in subject], [f.per_second for f in yardstick]),
            goal=">= 0.70",
            note=f"{cpu_note(subject, yardstick)}; {v7:,.0f}/s with UUID version 7 as event_id",
            raw={"subject": subject, "yardstick": yardstick, "subject_uuid7": by_time},
        ),
        Result(
            id="F2",
            what="the same, p99 in ms",
            yardstick_is="the same",
            subject=median(figures.p99_ms for figures in subject),
            yardstick=median(figures.p99_ms for figures in yardstick),
            ratio=ratio([f.p99_ms for f in subject], [f.p99_ms for f in yardstick]),
            goal="<= 1.5",
            raw={"subject": subject, "yardstick": yardstick},
        ),
    ]


def measure_long_ledger(plan: Plan) -> list[Result]:
    """F5."""
    subject: list[Figures] = []
    yardstick: list[Figures] = []
    subject_by_time: list[Figures] = []
    yardstick_by_time: list[Figures] = []
    on_long: list[Figures] = []
    on_short: list[Figures] = []
    with ExitStack() as stack:
        long = stack.enter_context(sqlite_database(events=LONG_LEDGER))
        short = stack.enter_context(sqlite_database())
        stack.enter_context(accounted(long, on_long))
        stack.enter_context(accounted(short, on_short))
        long_server = stack.enter_context(servers.stocky(long))
        short_server = stack.enter_context(servers.stocky(short))
        on_long.append(scans(long).run(long_server, plan.warm_up))
        on_short.append(scans(short).run(short_server, plan.warm_up))
        for _ in range(plan.runs):
            yardstick.append(scans(short).run(short_server, plan.seconds))
            subject.append(scans(long).run(long_server, plan.seconds))
            yardstick_by_time.append(scans(short, ids="v7").run(short_server, plan.seconds))
            subject_by_time.append(scans(long, ids="v7").run(long_server, plan.seconds))
        on_long += subject + subject_by_time
        on_short += yardstick + yardstick_by_time
    v7 = ratio([f.per_second for f in subject_by_time], [f.per_second for f in yardstick_by_time])
    return [
        Result(
            id="F5",
            what="F1 with 10 million events in the ledger: requests/s",
            yardstick_is="F1 with 10 thousand",
            subject=median(figures.per_second for figures in subject),
            yardstick=median(figures.per_second for figures in yardstick),
            ratio=ratio([f.per_second for f in subject], [f.per_second for f in yardstick]),
            goal=">= 0.95",
            note=f"{v7:.2f} with UUID version 7 as event_id",
            raw={
                "subject": subject,
                "yardstick": yardstick,
                "subject_uuid7": subject_by_time,
                "yardstick_uuid7": yardstick_by_time,
            },
        )
    ]


def measure_many_connections(plan: Plan) -> list[Result]:
    """F12."""
    seconds, before = (60, FILL_CACHES_SECONDS) if plan.seconds >= 8 else (15, plan.warm_up)
    all_figures: list[Figures] = []
    with (
        sqlite_database() as database,
        accounted(database, all_figures, connections=MANY_CONNECTIONS),
        servers.stocky(database) as server,
    ):
        load = scans(database, connections=MANY_CONNECTIONS)
        at_start = resident_mib(server.process.pid)
        all_figures.append(load.run(server, before))
        memory: list[float] = []
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(1):
                memory.append(resident_mib(server.process.pid))

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            figures = load.try_run(server, seconds)
        finally:
            ended.set()
            sampler.join()
        all_figures.append(figures)
    third = len(memory) // 3
    first, last = median(memory[:third]), median(memory[-third:])
    wrong = figures.failures + figures.refused + figures.unexpected
    return [
        Result(
            id="F12",
            what=f"scans with {MANY_CONNECTIONS} connections for {seconds} s: errors",
            yardstick_is="-",
            subject=wrong,
            goal="<= 0",
            note=f"{figures.per_second:,.0f}/s, p99 {figures.p99_ms:,.0f} ms",
            raw={"figures": figures},
        ),
        Result(
            id="F12",
            what="its memory in MiB, last third of that time",
            yardstick_is="first third",
            subject=last,
            yardstick=first,
            ratio=last / first,
            goal="<= 1.05",
            note=f"after {before:.0f} s of scans that filled the caches; {at_start:.0f} MiB at the start",
            raw={"memory_mib": memory},
        ),
    ]
