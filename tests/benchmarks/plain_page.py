"""The yardstick of a page: its SQL, fetched by plain `sqlite3` in a process of its own.

Run as `python -m tests.benchmarks.plain_page FILE LIMIT`; prints the median in milliseconds.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from statistics import median

from stocky.db.queries import load_queries
from stocky.db.sqlite_file import open_connection
from stocky.resources import resource

TIMES = 1000


def main(path: str, limit: str) -> None:
    """Fetches the first page again and again."""
    query = load_queries(resource("sql"), "sqlite")["list_items"]
    arguments = dict.fromkeys(query.parameters) | {"is_active": True, "limit": int(limit), "skip": 0}
    values = query.values(arguments)
    times = []
    with closing(open_connection(path, readonly=True)) as connection:
        for _ in range(TIMES):
            started = time.perf_counter()
            connection.execute(query.text, values).fetchall()
            times.append(time.perf_counter() - started)
    print(median(times) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
