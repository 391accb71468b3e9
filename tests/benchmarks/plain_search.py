"""The yardstick of a search: the SQL of each, recorded from Stocky's own, by plain `sqlite3` in a process of its own.

Run as `python -m tests.benchmarks.plain_search FILE LIMIT`, with the texts to search for as lines of standard input;
prints the median in milliseconds.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from statistics import median
from typing import Any

from stocky.db.queries import load_queries
from stocky.db.sqlite import run_script
from stocky.db.sqlite_file import open_connection
from stocky.resources import resource
from stocky.search.repository import search

ROUNDS = 5


class _Recorder:
    """A connection that notes what it is told to execute."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.told: list[tuple[str, Any]] = []

    def execute(self, text: str, values: Any) -> sqlite3.Cursor:
        self.told.append((text, values))
        return self._connection.execute(text, values)


def main(path: str, limit: str) -> None:
    """Runs the statements of each search again and again."""
    queries = load_queries(resource("sql"), "sqlite")
    times = []
    with closing(open_connection(path, readonly=True)) as connection:
        searches = []
        for line in sys.stdin:
            recorder: Any = _Recorder(connection)
            run_script(recorder, queries, search(line.strip(), int(limit)))
            searches.append(recorder.told)
        for _ in range(ROUNDS):
            for statements in searches:
                started = time.perf_counter()
                for text, values in statements:
                    connection.execute(text, values).fetchall()
                times.append(time.perf_counter() - started)
    print(median(times) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
