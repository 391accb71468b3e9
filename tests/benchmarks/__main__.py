"""`python -m tests.benchmarks`: measures, prints one table, and writes results.json and docs/performance.md.

It fails on wrong answers only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.benchmarks import machine, page, results
from tests.benchmarks.backing_up import (
    measure_backup,
    measure_memory,
    measure_restore,
    measure_scans_during_backup,
)
from tests.benchmarks.events import measure_events
from tests.benchmarks.large import measure_large
from tests.benchmarks.listing import measure_listing
from tests.benchmarks.load import generator_name
from tests.benchmarks.on_postgres import measure_on_postgres, measure_processes
from tests.benchmarks.pages import measure_pages
from tests.benchmarks.results import Plan, Result
from tests.benchmarks.scanning import measure_long_ledger, measure_many_connections, measure_scans
from tests.benchmarks.searching import measure_searching
from tests.benchmarks.starting import measure_start

BENCHMARKS: dict[str, Callable[[Plan], list[Result]]] = {
    "F1": measure_scans,
    "F3": measure_events,
    "F4": measure_on_postgres,
    "F5": measure_long_ledger,
    "F6": measure_scans_during_backup,
    "F7": measure_backup,
    "F8": measure_restore,
    "F9": measure_memory,
    "F10": lambda plan: [*measure_listing(plan), *measure_searching(plan)],
    "F11": measure_start,
    "F12": measure_many_connections,
    "F13": measure_processes,
    "F14": measure_large,
    "W3": measure_pages,
}
# Benchmarks that are measured together with another.
PART_OF = {"F2": "F1", "W4": "W3"}


def main() -> None:
    """Runs the selected benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="F1,F3", help="only these")
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works; keeps no results")
    arguments = parser.parse_args()
    plan = Plan(arguments.runs, 3, 1) if arguments.quick else Plan(arguments.runs, 8, 6)
    wanted = arguments.only.upper().split(",") if arguments.only else list(BENCHMARKS)
    if unknown := [id for id in wanted if id not in BENCHMARKS and id not in PART_OF]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join([*BENCHMARKS, *PART_OF])}")

    description = machine.describe() | {"generator": generator_name()}
    print("\n".join(f"{name}: {value}" for name, value in description.items()), flush=True)
    found: list[Result] = []
    for id in dict.fromkeys(PART_OF.get(id, id) for id in wanted):
        print(f"measuring {id} ...", flush=True)
        measured = BENCHMARKS[id](plan)
        found += measured
        if not arguments.quick:
            # Each at once: a later one may fail after most of an hour.
            page.write(results.keep(measured, description), description)
    print(f"\n{results.table(found)}")


if __name__ == "__main__":
    main()
