"""The yardstick of a search: its SQL, recorded from Stocky, by plain `sqlite3` in a separate process.

Run as `python -m tests.benchmarks.plain_search FILE LIMIT`, with the texts to search for as lines of standard input;
prints the median in milliseconds.
"""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from statistics import median

from stocky.db.sqlite_file import open_connection
from stocky.search.repository import search
from tests.benchmarks.plain import seconds, statements_of

ROUNDS = 5


def main(path: str, limit: str) -> None:
    """Runs the statements of each search repeatedly."""
    with closing(open_connection(path, readonly=True)) as connection:
        searches = [
            statements_of(connection, partial(search, typed=line.strip(), limit=int(limit))) for line in sys.stdin
        ]
        times = [seconds(connection, each) for _ in range(ROUNDS) for each in searches]
    print(median(times) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
