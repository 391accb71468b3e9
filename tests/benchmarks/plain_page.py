"""The yardstick of a page: its SQL, recorded from Stocky, by plain `sqlite3` in a separate process.

Run as `python -m tests.benchmarks.plain_page FILE LIMIT`, with the numbers of items to skip as lines of standard input;
prints the median in milliseconds.
"""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from statistics import median

from stocky.catalogue.repository import ItemFilter, list_items
from stocky.db.sqlite_file import open_connection
from tests.benchmarks.plain import seconds, statements_of

ROUNDS = 5


def main(path: str, limit: str) -> None:
    """Fetches each page repeatedly."""
    with closing(open_connection(path, readonly=True)) as connection:
        pages = [
            statements_of(connection, partial(list_items, wanted=ItemFilter(), skip=int(line), limit=int(limit)))
            for line in sys.stdin
        ]
        times = [seconds(connection, page) for _ in range(ROUNDS) for page in pages]
    print(median(times) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
